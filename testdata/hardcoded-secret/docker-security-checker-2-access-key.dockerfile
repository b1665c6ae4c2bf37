# The "CC" of ACCESS was taken for the name of a secret.
FROM alpine:3.20
ENV ACCESS_LOG=/var/log/access.log CC=gcc ACCESS_MODE=rw
# fail: secret-name
ENV ACCESS_KEY=orders-2019
