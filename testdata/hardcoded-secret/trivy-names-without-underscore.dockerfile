FROM alpine:3.20
# trivy and BuildKit look for whole words between underscores.
# fail: secret-name
ENV DB_PASS=orders-2019
# fail: secret-name
ENV DBPASSWORD=orders-2019
# fail: secret-name
ENV accessKey=9d3jfk20sl
# fail: secret-name
ENV DB_PWD=orders-2019
# fail: secret-name
ENV api-key=9d3jfk20sl
