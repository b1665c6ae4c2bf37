FROM mysql:8.4
# A default that everybody knows is a password all the same.
# fail: secret-name
ENV MYSQL_ROOT_PASSWORD=changeme
# fail: secret-name
ENV MYSQL_PASSWORD=123456
# fail: secret-name
ENV ADMIN_TOKEN=your-token-here
