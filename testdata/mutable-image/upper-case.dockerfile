# fail: invalid-reference
FROM MyShop/Base:1.0
COPY . /app
