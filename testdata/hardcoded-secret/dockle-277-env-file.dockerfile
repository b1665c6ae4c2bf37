FROM node:22-slim
# fail: secret-file
COPY app/.env /app/.env
COPY app/.env.template app/environment.d.ts /app/
