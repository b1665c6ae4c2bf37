# fail: invalid-reference
FROM https://registry.example.com/shop/base:1.0
COPY . /app
