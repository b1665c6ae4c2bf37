# pass: tag-only
FROM --platform=linux/amd64 registry.example.com:5000/shop/base@sha256:cae662172fd450bb0cd710a769079c05bfc5d8e35efa6576edc7d0377afdd4a2
COPY . /app
