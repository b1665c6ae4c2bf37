FROM composer:2.8.3@sha256:3e130f7eb19731662b5e803b61ba4168160adb59261ff2d3c425c8d99d19bdd0 AS vendor
WORKDIR /app
COPY composer.json composer.lock ./
RUN composer install --no-dev --no-scripts --prefer-dist --no-progress

FROM php:8.3.14-fpm-alpine3.20@sha256:b6cc60d5d32cbe54014c2b54b95523cf6941fa1c257c6f561c5cb347611a3ce9
RUN docker-php-ext-install -j4 opcache pdo_mysql
COPY --from=vendor /app/vendor /var/www/vendor
COPY public /var/www/public
COPY src /var/www/src
WORKDIR /var/www
USER www-data
EXPOSE 9000
CMD ["php-fpm"]
