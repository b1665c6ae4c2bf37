FROM alpine:3.20
ARG ADMIN_USER
# fail: secret-name
ENV ADMIN_PASSWORD=${ADMIN_SECRET_VALUE:-Tr0ub4dor}
# fail: command-line
RUN API_TOKEN="${API_TOKEN:-Tr0ub4dor99}" ./configure
