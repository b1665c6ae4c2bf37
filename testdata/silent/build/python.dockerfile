FROM python:3.12.7-slim-bookworm@sha256:d440e50454f31af3176813e02ea68ef786e4d3cea27d26934b484e73cf575dca AS base
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1

FROM base AS build
RUN python -m venv /venv
COPY requirements.lock .
RUN /venv/bin/pip install --require-hashes -r requirements.lock

FROM base
RUN groupadd --system --gid 10001 app \
 && useradd --system --uid 10001 --gid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin app
COPY --from=build /venv /venv
COPY app /app
ENV PATH=/venv/bin:$PATH
USER 10001:10001
EXPOSE 8000
ENTRYPOINT ["gunicorn", "--bind", "0.0.0.0:8000", "app.wsgi"]
