FROM alpine:3.20
# trivy splits an argument at every "=" and gives up where there is more than one.
# fail: secret-name
ARG GITHUB_TOKEN=YWJj==
# fail: secret-name
ENV SESSION_SECRET=cm90YXRlZCBieSBoYW5kCg==
