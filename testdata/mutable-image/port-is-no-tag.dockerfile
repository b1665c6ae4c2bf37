# fail: latest
FROM registry.example.com:5000/shop/base
COPY . /app
