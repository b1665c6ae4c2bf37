# syntax=docker/dockerfile:1
ARG NODE=22.11.0
FROM node:${NODE}-bookworm-slim@sha256:cc3fc1626e53a13043b026c48bbf33feff9243a8f506b40928b5b7a767c76fb0 AS deps
WORKDIR /app
COPY package.json package-lock.json ./
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc npm ci --omit=dev --ignore-scripts

FROM node:${NODE}-bookworm-slim@sha256:08f86bebb2737f6a6f0fb23c6f5da2cec255404e4fb440034d6608697a8d41be
ENV NODE_ENV=production \
    PORT=3000
WORKDIR /app
COPY --from=deps --chown=0:0 /app/node_modules ./node_modules
COPY --chown=0:0 src ./src
COPY package.json ./
USER node
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=3s CMD ["node", "src/health.js"]
CMD ["node", "src/server.js"]
