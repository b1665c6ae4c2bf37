FROM rust:1.82@sha256:521fe5c9ece1aa1f8b66228171598263574aefc6fa4ba06a61747ec81ee9f5a3 AS build
RUN cargo build --release
# pass: latest
FROM scratch
COPY --from=BUILD /target/release/shop /shop
ENTRYPOINT ["/shop"]
