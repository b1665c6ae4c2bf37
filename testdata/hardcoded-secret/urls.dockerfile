FROM python:3.12-slim
# fail: url-credentials
ENV DATABASE_URL=postgres://orders:Tr0ub4dor@db.internal:5432/orders
ARG HOST
# fail: url-credentials
ENV MIRROR="https://mirror:Tr0ub4dor@$HOST/simple/"
# fail: url-credentials
RUN pip install --extra-index-url https://reader:Tr0ub4dor@pypi.example.org/simple orders
# fail: url-credentials
RUN git clone https://IsvIf33j4ObO634H1jpRmuDpHawIogIK@git.example.org/team/app.git
# fail: url-credentials
ADD https://reader:Tr0ub4dor@files.example.org/app.tgz /app.tgz
# fail: url-credentials
LABEL org.example.feed="amqp://guest:guest@mq:5672"
# fail: known-format
RUN git clone https://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@github.com/example/private.git /src
