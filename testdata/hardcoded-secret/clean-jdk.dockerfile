FROM eclipse-temurin:21-jre
ENV JAVA_OPTS="-Xmx512m -Djava.security.egd=file:/dev/./urandom"
ARG OTEL_SHA512=e3074bb5d4b2ba855e9b8ca5b5c0a1cd17e83b9319082c69dd1163ceb892c5b9e1aa48689b89a21bb7b8ed2981f5ac3e10169ae744f5a41bd51a9578519f1356
ADD --checksum=sha256:add1ef57ce4f6a89fd09b64d9bb190e0172677a3f180f55ecf49f2ce23a03874 https://repo1.maven.org/otel.jar /otel.jar
COPY ca.crt /tmp/ca.crt
RUN keytool -importcert -noprompt -cacerts -storepass changeit -alias corp -file /tmp/ca.crt
LABEL org.opencontainers.image.revision=b5505eb7c89ed36a77c4925ec0995d4d45b2aa37 \
      org.opencontainers.image.source=https://github.com/example/orders \
      org.opencontainers.image.base.digest=sha256:1ed698b3035fb9c7e850b0220d1ede6b3dde2edb61d33252713049255ed76e4a
USER 10001
ENTRYPOINT ["java", "-jar", "/app.jar", "--spring.config.import=optional:configtree:/run/secrets/"]
