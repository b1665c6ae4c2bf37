FROM golang:1.23 AS build
RUN go build -o /shop .
# pass: unlisted-registry
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /shop /shop
COPY --from=ghcr.io/astral-sh/uv:0.5.4 /uv /bin/uv
