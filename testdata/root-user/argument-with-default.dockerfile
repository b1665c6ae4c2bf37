FROM debian:12
ARG UID=0
# fail: uid-zero
USER ${UID}
