# parameters: {"secretNames": ["kennwort"]}
FROM alpine:3.20
# fail: secret-name
ENV DB_KENNWORT=Sommer-am-See
ENV DB_LOSUNG=Sommer-am-See
