FROM alpine:3.20.3@sha256:0d3bf16295d06910bf3f5fb85967f532f3ab3cc2d0b698d5c7e41ba4ea5ee874 AS certs
RUN apk add --no-cache ca-certificates tzdata

FROM scratch
COPY --from=certs /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=certs /usr/share/zoneinfo /usr/share/zoneinfo
ARG TARGETARCH
COPY dist/agent-linux-${TARGETARCH} /agent
USER 65534:65534
ENTRYPOINT ["/agent"]
