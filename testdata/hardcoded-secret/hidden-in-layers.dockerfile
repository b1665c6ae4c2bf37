# kubernetes-goat: a later rm takes nothing out of the layer below.
FROM alpine:3.20
# fail: secret-file
COPY secrets/service-account.json /tmp/
# fail: secret-file
ADD .env /app/.env
RUN load --from /tmp/service-account.json && rm -f /tmp/service-account.json /app/.env
