FROM node:22-alpine AS build
# trim_left(name, "VITE_") takes letters off, not the prefix.
# fail: secret-name
ENV VITE_TILES_TOKEN=tiles-prod-77aa
# fail: secret-name
ENV REACT_APP_PASSWORD=letmein
RUN npm run build
FROM build
