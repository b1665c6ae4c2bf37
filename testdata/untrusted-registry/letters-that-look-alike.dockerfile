# fail: look-alike
FROM d0cker.io/library/node:22 AS a
# fail: look-alike
FROM ghrc.io/astral-sh/uv:0.5 AS b
# fail: look-alike
FROM quay-io.com/prometheus/prometheus:v3.0.0 AS c
# fail: look-alike
FROM xn--dcker-jua.io/library/nginx:1.29 AS d
# fail: look-alike
FROM registry.k8s.io.mirror.example.net/pause:3.10 AS e
FROM scratch
COPY --from=a / /a
COPY --from=b / /b
COPY --from=c / /c
COPY --from=d / /d
COPY --from=e / /e
