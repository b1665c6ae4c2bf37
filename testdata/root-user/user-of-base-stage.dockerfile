FROM debian:12 AS base
USER 10001

# pass: no-user, uid-zero
FROM base AS final
COPY app /app
