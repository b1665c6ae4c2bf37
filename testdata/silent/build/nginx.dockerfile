FROM node:22.11.0-alpine3.20@sha256:d97dcbee500fe7ee5fc324bdb2e1142a21c402364f9572b85a8e48f687ab165c AS build
WORKDIR /site
COPY package.json package-lock.json ./
RUN npm ci
COPY . .
RUN npm run build

FROM nginxinc/nginx-unprivileged:1.27.2-alpine3.20@sha256:58ac5831be38cb8cb4ba2e751989a01749ddb14f71010b93b7d946bf54074e32
COPY nginx.conf /etc/nginx/conf.d/default.conf
COPY --from=build /site/dist /usr/share/nginx/html
USER 101
EXPOSE 8080
