ARG BUILDER=hexpm/elixir:1.17.3-erlang-27.1.2-debian-bookworm-20241111-slim@sha256:48c801bef750110c57513064d6d59291f0cde2e5738713a818d8962058765a6c
ARG RUNNER=debian:bookworm-20241111-slim@sha256:a7cff00d796c25410335b400141212b62c376631129f34369aad80b891baf90d

FROM ${BUILDER} AS build
RUN mix local.hex --force && mix local.rebar --force
ENV MIX_ENV=prod
WORKDIR /app
COPY mix.exs mix.lock ./
RUN mix deps.get --only prod
COPY lib lib
RUN mix release

FROM ${RUNNER}
ENV LANG=C.UTF-8
WORKDIR /app
RUN chown nobody /app
COPY --from=build --chown=nobody:root /app/_build/prod/rel/chat ./
USER nobody
CMD ["/app/bin/chat", "start"]
