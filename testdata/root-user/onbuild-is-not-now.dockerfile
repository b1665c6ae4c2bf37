# pass: uid-zero
FROM debian:12
USER 10001
ONBUILD USER root
