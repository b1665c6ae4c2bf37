# parameters: {"registries": ["registry.example.com:5000", "ghcr.io/shop/*"]}
FROM registry.example.com:5000/base/node:22 AS a
FROM ghcr.io/shop/tools:3 AS b
# fail: unlisted-registry
FROM ghcr.io/somebody/tools:3 AS c
# fail: unlisted-registry
FROM node:22 AS d
# fail: look-alike
FROM registry.examp1e.com:5000/base/node:22 AS e
FROM scratch
COPY --from=a / /a
COPY --from=b / /b
COPY --from=c / /c
COPY --from=d / /d
COPY --from=e / /e
