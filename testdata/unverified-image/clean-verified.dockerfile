# parameters: {"verified": ["cgr.dev/*", "docker.io/library/*"]}
# pass: unverified
FROM node:22@sha256:545ea538461003efdc8c81c244531b003f6f26cfccf6c0073b3239fdedf49446 AS build
RUN npm ci
FROM cgr.dev/chainguard/node@sha256:28bd49dbf1ac5e33094a20c409de06e40680ccd89b0f50be7dc24e0bfd1dc6bf
COPY --from=build /app /app
