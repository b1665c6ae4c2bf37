# fail: look-alike
# pass: unlisted-registry
FROM docker.io.evil.tld/library/nginx:1.29
