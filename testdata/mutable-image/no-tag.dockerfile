# fail: latest
FROM node
WORKDIR /app
COPY . .
CMD ["node", "server.js"]
