FROM rust:1.82.0-slim-bookworm@sha256:f1f836f99eee3692f09e2e8c662248b483b7ffc050fec94dbca3a0aac36098b2 AS build
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY src src
RUN --mount=type=cache,target=/usr/local/cargo/registry cargo build --release --locked

FROM debian:12.8-slim@sha256:cc2bd818319478da6bd0c621de49f145fda9988c79fc35526f7eaed46725a2a7
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates=20230311 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /build/target/release/gateway /usr/local/bin/gateway
USER nobody:nogroup
ENTRYPOINT ["gateway"]
