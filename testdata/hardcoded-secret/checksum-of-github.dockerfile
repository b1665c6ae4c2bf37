FROM alpine:3.20
# A token whose checksum is wrong is none of GitHub's, but still looks like a key.
# fail: high-entropy
ENV PREFETCH=ghp_wBcnEKLRmyZvl23u850LugHBR128MkrdiBsv
