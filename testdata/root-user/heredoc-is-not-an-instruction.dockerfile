FROM debian:12
USER 10001
# pass: uid-zero
RUN <<EOF
cat > /tmp/Dockerfile <<INNER
USER root
INNER
EOF
