# trivy and BuildKit look at the last stage only, yet the file itself is in the repository.
FROM golang:1.23 AS build
# fail: secret-name
ENV GOPRIVATE_TOKEN=corp-9931-kv
# fail: secret-file
COPY deploy/id_rsa /root/.ssh/id_rsa
RUN go build -o /app ./...
FROM gcr.io/distroless/static
COPY --from=build /app /app
