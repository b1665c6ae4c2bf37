FROM node:22-slim
# fail: build-argument
ARG NPM_TOKEN
# fail: build-argument
ARG githubToken=
ARG NODE_ENV
ARG CACHE_KEY
RUN echo "//registry.npmjs.org/:_authToken=${NPM_TOKEN}" > .npmrc && npm ci && rm .npmrc
