# syntax=docker/dockerfile:1
FROM node:22-slim AS build
WORKDIR /app
COPY package.json package-lock.json .env.example ./
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc npm ci
RUN --mount=type=secret,id=token,env=SENTRY_AUTH_TOKEN npx sentry-cli sourcemaps upload dist
RUN --mount=type=secret,id=netrc,target=/root/.netrc GIT_TERMINAL_PROMPT=0 git clone https://git.example.org/a
RUN --mount=type=ssh git clone git@github.com:example/private.git
RUN --mount=type=secret,id=gcp gcloud auth activate-service-account --key-file=/run/secrets/gcp && ./fetch
RUN TOKEN=$(cat /run/secrets/token) ./fetch --token-file /run/secrets/token
RUN SECRET_KEY_BASE=1 ./bin/build
FROM nginx:1.27
COPY --from=build /app/dist /usr/share/nginx/html
COPY certs/ca.pem certs/fullchain.pem certs/dhparam.pem /etc/nginx/tls/
