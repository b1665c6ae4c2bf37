FROM golang:1.23 AS build
RUN CGO_ENABLED=0 go build -o /app .
# fail: no-user
FROM scratch
COPY --from=build /app /app
ENTRYPOINT ["/app"]
