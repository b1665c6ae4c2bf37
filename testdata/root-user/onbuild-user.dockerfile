FROM debian:12 AS base
USER 10001
# fail: uid-zero
ONBUILD USER root

FROM base
