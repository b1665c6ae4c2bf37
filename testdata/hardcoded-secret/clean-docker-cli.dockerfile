FROM docker:27-cli
RUN --mount=type=secret,id=reg cat /run/secrets/reg | docker login -u ci --password-stdin registry.example.org
RUN docker build --secret id=npm,src=$HOME/.npmrc -t x . || true
RUN mkdir -p /etc/secrets && touch /etc/secrets/token && chmod 600 /etc/secrets/token
CMD ["sh", "-c", "exec app --password-file /run/secrets/pw --port 8080"]
