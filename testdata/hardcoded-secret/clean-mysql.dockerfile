FROM oraclelinux:9-slim
ENV GOSU_VERSION=1.17
ENV MYSQL_MAJOR=8.4 MYSQL_VERSION=8.4.3-1.el9
RUN set -eux; \
    key='BCA4 3417 C3B4 85DD 128E C6D4 B7B3 B788 A8D3 785C'; \
    export GNUPGHOME="$(mktemp -d)"; \
    gpg --batch --keyserver keyserver.ubuntu.com --recv-keys "$key"; \
    gpg --batch --export --armor "$key" > /etc/pki/rpm-gpg/RPM-GPG-KEY-mysql; \
    sed -i 's/^#* *\(bind-address\)/# \1/' /etc/my.cnf
HEALTHCHECK CMD mysqladmin ping -h localhost -u root -p"$MYSQL_ROOT_PASSWORD"
VOLUME /var/lib/mysql
COPY docker-entrypoint.sh /usr/local/bin/
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["mysqld"]
