# pass: no-user, uid-zero
FROM node:22-bookworm-slim
WORKDIR /srv
COPY --chown=node:node . .
USER node
CMD ["node", "server.js"]
