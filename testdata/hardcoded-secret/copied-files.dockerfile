FROM ubuntu:24.04
WORKDIR /app
# fail: secret-file
COPY .npmrc package.json ./
# fail: secret-file
COPY certs/server.key certs/server.crt /etc/nginx/tls/
# fail: secret-file
COPY --chown=app:app .env.production ./
# fail: secret-file
COPY ["signing.p12", "/etc/app/"]
# fail: secret-file
COPY npm-config /root/.npmrc
# fail: secret-file
COPY kube.yaml /root/.kube/config
# fail: secret-file
COPY docker.json /root/.docker/config.json
# fail: secret-file
ADD credentials /root/.aws/credentials
# fail: secret-file
ONBUILD COPY id_ed25519 /home/app/.ssh/
COPY .env.example ca.pem fullchain.pem id_rsa.pub known_hosts ./
