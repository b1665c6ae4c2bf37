# syntax=docker/dockerfile:1.10
FROM golang:1.23.3-bookworm@sha256:a4c123b1612dd272d1371c17149d439536b3216fdaeeb975729fae923d5a4fd1 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG VERSION=dev
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/orders ./cmd/orders

FROM gcr.io/distroless/static-debian12:nonroot@sha256:2aabfe228f219e9cb0eb53f16947ccf25ec84d8dbc74254770f58904dba41ecc
LABEL org.opencontainers.image.source="https://github.com/example/orders" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/orders /usr/local/bin/orders
USER 65532:65532
EXPOSE 8443
ENTRYPOINT ["/usr/local/bin/orders"]
CMD ["--config", "/etc/orders/config.yaml"]
