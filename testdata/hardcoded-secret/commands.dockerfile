FROM debian:12-slim
# fail: command-line
RUN docker login -u ci -p Tr0ub4dor registry.example.org
RUN apt-get update && \
    # fail: command-line
    mysql -uroot -pTr0ub4dor -e 'select 1' && \
    # fail: command-line
    curl -fsSL -u deploy:Tr0ub4dor -o app.tgz https://files.example.org/app.tgz && \
    # fail: command-line
    curl -H "Authorization: Bearer 0a9f8e7d6c5b" https://api.example.org
# fail: command-line
RUN sshpass -p Tr0ub4dor scp host:/x /x
# fail: command-line
RUN aws configure set aws_secret_access_key Tr0ub4dor99
# fail: command-line
RUN gcloud auth activate-service-account --key-file=key-of-ci.txt
# fail: command-line
RUN az login --service-principal -u app -p Tr0ub4dor --tenant contoso
# fail: command-line
RUN npm config set //registry.npmjs.org/:_authToken=Tr0ub4dor99
# fail: command-line
RUN echo "machine git.example.org login ci password Tr0ub4dor" > ~/.netrc && git clone https://git.example.org/a
# fail: command-line
RUN export NEXUS_TOKEN=Tr0ub4dor99; ./gradlew publish
# fail: command-line
RUN NEXUS_PASSWORD="Tr0ub4dor" ./gradlew publish
# fail: command-line
RUN echo 'root:Tr0ub4dor' | chpasswd
# fail: command-line
RUN bash -c "redis-cli -a Tr0ub4dor ping"
# fail: command-line
RUN X=$(curl --user ci:Tr0ub4dor https://example.org) && echo done
# fail: command-line
HEALTHCHECK CMD redis-cli -a Tr0ub4dor ping
# fail: command-line
ENTRYPOINT ["java", "-Djavax.net.ssl.keyStorePassword=Tr0ub4dor", "-jar", "app.jar"]
# fail: command-line
CMD ["server", "--db-password", "Tr0ub4dor"]
