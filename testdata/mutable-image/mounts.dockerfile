FROM debian:trixie-slim@sha256:81d93757457f988523814ae0009837ae893f38d3fe123f2c37896f118b4c7804 AS tools
RUN apt-get update

FROM debian:trixie-slim@sha256:81d93757457f988523814ae0009837ae893f38d3fe123f2c37896f118b4c7804
# fail: latest
RUN --mount=type=bind,from=aquasec/trivy,source=/usr/local/bin/trivy,target=/trivy /trivy fs /
RUN --mount=type=bind,from=tools,target=/tools --mount=type=cache,target=/var/cache true
# fail: tag-only
RUN --mount=from=hashicorp/terraform:1.9,target=/tf /tf/bin/terraform version
RUN --mount=type=secret,id=token --mount=type=tmpfs,target=/tmp make
