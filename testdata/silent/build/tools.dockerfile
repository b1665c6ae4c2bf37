# What the pipeline runs: each archive is checked against the digest that its project publishes.
FROM alpine:3.20.3@sha256:fe0d5a0cf318656b3e6f0bade65c3b188cc102ddb8379c7ce65426f74bde94fb
ARG KUBECTL_VERSION=1.31.2
ARG KUBECTL_SHA256=399e9d1995da80b64d2ef3606c1a239018660d8b35209fba3f7b0bc11c631c68
RUN apk add --no-cache curl \
 && curl -fsSLo /usr/local/bin/kubectl "https://dl.k8s.io/release/v${KUBECTL_VERSION}/bin/linux/amd64/kubectl" \
 && echo "${KUBECTL_SHA256}  /usr/local/bin/kubectl" | sha256sum -c - \
 && chmod 0755 /usr/local/bin/kubectl
RUN adduser -D -u 12345 ci
USER 12345
WORKDIR /work
ENTRYPOINT ["kubectl"]
