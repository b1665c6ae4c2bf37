# trivy and checkov pool the users of all stages, hadolint looks at none.
FROM golang:1.23 AS build
USER builder
RUN go build -o /app ./...

# fail: no-user
FROM alpine:3.20
COPY --from=build /app /app
