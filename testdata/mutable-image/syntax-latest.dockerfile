# syntax=example/frontend
FROM node:22@sha256:545ea538461003efdc8c81c244531b003f6f26cfccf6c0073b3239fdedf49446
CMD ["node"]
