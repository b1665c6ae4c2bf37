FROM debian:12
# pass: no-user
# fail: uid-zero
USER root
