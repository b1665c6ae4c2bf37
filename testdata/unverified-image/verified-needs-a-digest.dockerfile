# parameters: {"verified": ["docker.io/library/*"]}
# fail: unverified
FROM node:22 AS build
# unknown: unverified
FROM gcr.io/distroless/nodejs22@sha256:18ac3e7343f016890c510e93f935261169d9e3f565436429830faf0934f4f8e4
COPY --from=build /app /app
