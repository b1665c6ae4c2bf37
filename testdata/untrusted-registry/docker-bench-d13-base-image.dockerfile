# unknown: unlisted-registry
# pass: look-alike
FROM registry.shop.example/base/java:21
COPY shop.jar /shop.jar
