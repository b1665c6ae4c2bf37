# The digest outweighs the tag beside it.
# pass: latest
FROM nginx:latest@sha256:5be1ecc7935f1dd85635d4feedaf660594030253cc97c9e9ca3819ffeac36b65
COPY site /usr/share/nginx/html
