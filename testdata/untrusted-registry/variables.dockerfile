ARG REGISTRY
ARG TAG
# unknown: unlisted-registry
FROM ${REGISTRY}/base/node:22 AS a
# The registry is known, whatever the tag.
FROM node:${TAG} AS b
# unknown: unlisted-registry
FROM registry.shop.example/base:${TAG} AS c
FROM scratch
COPY --from=a / /a
COPY --from=b / /b
COPY --from=c / /c
# unknown: unlisted-registry
COPY --from=tools.example.org/bin/jq:1.7 /jq /jq
