# fail: tag-only
# pass: latest
FROM eclipse-temurin:21-jre
COPY target/shop.jar /shop.jar
ENTRYPOINT ["java", "-jar", "/shop.jar"]
