FROM debian:12
RUN apt-get update && \
    # USER app
    apt-get install -y curl
# fail: uid-zero
USER root
