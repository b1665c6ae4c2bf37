# parameters: {"rootNames": ["admin"]}
FROM debian:12
# fail: uid-zero
USER Admin
