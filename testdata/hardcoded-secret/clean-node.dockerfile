# pass: known-format, url-credentials, command-line, secret-name, high-entropy, secret-file, build-argument
FROM alpine:3.20
ENV NODE_VERSION=22.12.0
RUN addgroup -g 1000 node && adduser -u 1000 -G node -s /bin/sh -D node \
    && for key in C0D6248439F1D5604AAFFB4021D900FFDB233756 DD792F5973C6DE52C432CBDAC77ABFA00DDBF2B7; do \
      gpg --batch --keyserver hkps://keys.openpgp.org --recv-keys "$key" || \
      gpg --batch --keyserver keyserver.ubuntu.com --recv-keys "$key" ; \
    done \
    && curl -fsSLO --compressed "https://nodejs.org/dist/v$NODE_VERSION/node-v$NODE_VERSION.tar.xz" \
    && echo "85406af3b0f1ff2d661ef77ab595c6ccb95e31a595a116f7c4925fcbc454d505  node-v$NODE_VERSION.tar.xz" | sha256sum -c -
ENV YARN_VERSION=1.22.22
COPY docker-entrypoint.sh /usr/local/bin/
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["node"]
