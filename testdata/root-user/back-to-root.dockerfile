FROM debian:12
USER app
RUN id
# fail: uid-zero
USER root
