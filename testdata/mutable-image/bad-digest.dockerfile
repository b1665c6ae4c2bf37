# fail: invalid-reference
FROM nginx:1.29@sha256:abc
COPY site /usr/share/nginx/html
