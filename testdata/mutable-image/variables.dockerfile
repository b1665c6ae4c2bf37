ARG BASE
ARG RELEASE
ARG TAG=latest
ARG VERSION=3.20
ARG DIGEST=sha256:3fab5c181bd28a09b64397df76ae2bfaf1eac182979b5fdb7a342858004f36af
# unknown: latest
FROM ${BASE} AS first
# fail: latest
FROM node:${TAG} AS second
# fail: tag-only
FROM alpine:$VERSION AS third
FROM alpine:$VERSION@$DIGEST AS fourth
# unknown: latest
FROM registry.example.com/app:${RELEASE} AS fifth
FROM debian:${RELEASE}@sha256:81d93757457f988523814ae0009837ae893f38d3fe123f2c37896f118b4c7804
COPY --from=first / /1
COPY --from=second / /2
COPY --from=third / /3
COPY --from=fourth / /4
COPY --from=fifth / /5
