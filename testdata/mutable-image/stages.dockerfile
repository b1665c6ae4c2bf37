# A stage that the target does not need is not built.
# fail: tag-only
FROM golang:1.23 AS build
RUN go build -o /shop ./cmd/shop

FROM cypress/included AS end-to-end
RUN cypress run

# fail: latest
FROM alpine AS certificates
RUN apk add --no-cache ca-certificates

FROM gcr.io/distroless/static:nonroot@sha256:ea3e6869841f102bdb95fc7358ad94097770136193d88ac06a56a1c5a318d613
COPY --from=certificates /etc/ssl/certs /etc/ssl/certs
COPY --from=0 /shop /shop
# fail: latest
COPY --from=busybox /bin/wget /bin/wget
# fail: tag-only
COPY --from=ghcr.io/astral-sh/uv:0.5.4 /uv /bin/uv
ENTRYPOINT ["/shop"]
