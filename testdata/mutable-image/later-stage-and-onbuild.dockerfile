FROM node:22@sha256:545ea538461003efdc8c81c244531b003f6f26cfccf6c0073b3239fdedf49446 AS base
# fail: latest
ONBUILD COPY --from=composer /usr/bin/composer /usr/bin/composer
COPY --from=assets /dist /dist

FROM node:22@sha256:545ea538461003efdc8c81c244531b003f6f26cfccf6c0073b3239fdedf49446 AS assets
RUN npm run build

FROM base
CMD ["node", "/dist"]
