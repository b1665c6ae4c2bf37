FROM debian:12
ENV APP_USER=web
# pass: uid-zero
USER ${APP_USER:-root}
