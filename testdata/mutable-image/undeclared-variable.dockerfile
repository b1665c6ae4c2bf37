# What is declared behind the first FROM is empty in another.
FROM scratch AS first
ARG RELEASE=12
# fail: invalid-reference
FROM debian:${RELEASE}
COPY --from=first / /
