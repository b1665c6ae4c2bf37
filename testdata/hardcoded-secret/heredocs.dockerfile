# syntax=docker/dockerfile:1
FROM alpine:3.20
COPY <<EOF /root/.netrc
machine git.example.org
login ci
# fail: secret-name
password Tr0ub4dor9
EOF
COPY <<EOF /etc/app.properties
server.port=8080
# fail: secret-name
spring.datasource.password=Tr0ub4dor
spring.mail.password=${MAIL_PASSWORD}
EOF
RUN <<EOF
set -e
# fail: command-line
export NPM_TOKEN=Tr0ub4dor99
npm ci
EOF
