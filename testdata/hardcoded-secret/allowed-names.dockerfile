# parameters: {"allowedNames": ["DEMO_*"]}
FROM postgres:17
ENV DEMO_PASSWORD=demo-orders
# fail: secret-name
ENV POSTGRES_PASSWORD=demo-orders
