FROM postgres:17.1-bookworm@sha256:ae7689447ab57a683536c4499d863386ce10cd79e048c07dd7753eda83d7c58d
RUN apt-get update \
 && apt-get install -y --no-install-recommends postgresql-17-pgvector=0.8.0-1.pgdg120+1 \
 && rm -rf /var/lib/apt/lists/*
COPY docker-entrypoint-initdb.d/ /docker-entrypoint-initdb.d/
ENV POSTGRES_INITDB_ARGS="--auth-host=scram-sha-256 --data-checksums" \
    POSTGRES_PASSWORD_FILE=/run/secrets/postgres-password
USER 999:999
