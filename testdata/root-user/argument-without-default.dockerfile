FROM debian:12
ARG UID
# unknown: uid-zero
USER ${UID}:${GID:-100}
