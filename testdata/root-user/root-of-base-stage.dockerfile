FROM debian:12 AS Base
# fail: uid-zero
USER root

FROM base
COPY app /app
