FROM ruby:3.3.6-slim-bookworm@sha256:b860dcd6c8a1f8b46287cced9041dff02cee737443e210471948d33296c87009 AS build
RUN apt-get update && apt-get install -y --no-install-recommends build-essential libpq-dev git && rm -rf /var/lib/apt/lists/*
WORKDIR /rails
COPY Gemfile Gemfile.lock ./
RUN bundle config set --local deployment true \
 && bundle config set --local without 'development test' \
 && bundle install
COPY . .
RUN SECRET_KEY_BASE_DUMMY=1 ./bin/rails assets:precompile

FROM ruby:3.3.6-slim-bookworm@sha256:e8a7f770d9106fd287db7f1adbc60926f6967e7893f57fd14c1604d115cea325
RUN apt-get update && apt-get install -y --no-install-recommends libpq5 && rm -rf /var/lib/apt/lists/* \
 && groupadd --system --gid 1000 rails && useradd rails --uid 1000 --gid 1000 --create-home
COPY --from=build --chown=rails:rails /rails /rails
WORKDIR /rails
ENV RAILS_ENV=production BUNDLE_DEPLOYMENT=1
USER 1000:1000
EXPOSE 3000
CMD ["./bin/rails", "server", "-b", "0.0.0.0"]
