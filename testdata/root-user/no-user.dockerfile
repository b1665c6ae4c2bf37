# The base image's user is not known, so it has to be taken for root.
# fail: no-user
# pass: uid-zero
FROM node:22-bookworm-slim
WORKDIR /srv
COPY package.json package-lock.json ./
RUN npm ci --omit=dev
COPY . .
CMD ["node", "server.js"]
