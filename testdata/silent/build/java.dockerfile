FROM eclipse-temurin:21.0.5_11-jdk-jammy@sha256:e58b081006f7e3dfc967a64cb14028d512c9791e558e08baa7196b50ac2f8670 AS build
WORKDIR /workspace
COPY gradlew settings.gradle.kts build.gradle.kts ./
COPY gradle gradle
RUN --mount=type=cache,target=/root/.gradle ./gradlew --no-daemon dependencies
COPY src src
RUN --mount=type=cache,target=/root/.gradle ./gradlew --no-daemon bootJar \
 && java -Djarmode=tools -jar build/libs/billing.jar extract --layers --launcher --destination /layers

FROM eclipse-temurin:21.0.5_11-jre-jammy@sha256:2824c1c099724caf4941d4072014b3ce107f80e222f828767efc2f91624a8940
RUN useradd --uid 20001 --no-create-home billing
WORKDIR /app
COPY --from=build /layers/dependencies/ ./
COPY --from=build /layers/spring-boot-loader/ ./
COPY --from=build /layers/application/ ./
ENV JAVA_TOOL_OPTIONS="-XX:MaxRAMPercentage=75 -XX:+ExitOnOutOfMemoryError"
USER 20001
EXPOSE 8080
ENTRYPOINT ["java", "org.springframework.boot.loader.launch.JarLauncher"]
