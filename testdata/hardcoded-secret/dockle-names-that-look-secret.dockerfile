FROM quay.io/keycloak/keycloak:26.0
# dockle looks for KEY, PASS, TOKEN and ACCESS anywhere; each of these was reported to it or to trivy.
ENV COMPASS_VERSION=1.44.5 KEYCLOAK_HOME=/opt/keycloak MONKEY=banana
ENV GPG_KEY=A035C8C19219BA821ECEA86B64E628F8D684696D
ENV WORDPRESS_CLI_GPG_KEY=63AF7AA15067C05616FDDD88A3A2E8F226F0BC06
ENV SSH_AUTH_SOCK=/run/ssh-agent.sock
ENV POSTGRES_PASSWORD_FILE=/run/secrets/pg TLS_KEY_PATH=/etc/tls/tls.key
ENV KEYBOARD=de AUTHOR="Platform Team" PASSENGER_MAX_POOL_SIZE=6
ENV TOKEN_EXPIRY=3600 TOKEN_TTL=1h TOKEN_URL=https://id.example.org/token TOKEN_ISSUER=https://id.example.org
ENV SECRET_NAME=orders-db KEY_VAULT_NAME=kv-orders AUTH_METHOD=ldap TOKENIZERS_PARALLELISM=false
ENV CASSANDRA_KEYSPACE=orders JWT_PUBLIC_KEY=/etc/jwt.pub FEATURE_TOKEN_ENABLED=true
RUN ln -sf /dev/stdout /var/log/nginx/access.log
RUN apk add --no-cache libcrypto3=3.3.2-r1 libssl3=3.3.2-r1 libsecret=0.21.4-r0
