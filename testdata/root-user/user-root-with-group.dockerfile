# docker-bench, checkov and dockle let one of these through: the user is 0 in any spelling.
FROM debian:12
# fail: uid-zero
USER root:root
