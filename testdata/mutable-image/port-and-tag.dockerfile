# fail: tag-only
FROM registry.example.com:5000/shop/base:7
COPY . /app
