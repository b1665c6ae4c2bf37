# parameters: {"legacy": true}
FROM docker:27-cli
RUN docker pull --disable-content-trust=false alpine:3.20
# fail: content-trust-off
RUN docker pull --disable-content-trust alpine:3.20
# fail: content-trust-off
RUN docker build --disable-content-trust=true .
