# syntax=docker/dockerfile:1
# pass: latest, tag-only, invalid-reference
FROM node:22.11.0-bookworm-slim@sha256:545ea538461003efdc8c81c244531b003f6f26cfccf6c0073b3239fdedf49446
WORKDIR /app
COPY . .
USER node
CMD ["node", "server.js"]
