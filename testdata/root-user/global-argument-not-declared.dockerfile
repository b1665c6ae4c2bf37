# An ARG before FROM is not visible in the stage unless it is declared there again; the base
# image may define the variable, so that only the build knows.
ARG UID=10001
FROM debian:12
# unknown: uid-zero
USER ${UID}
