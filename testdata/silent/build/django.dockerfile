# The settings ask for DJANGO_SECRET_KEY and DATABASE_URL when the container starts.
FROM python:3.13.0-alpine3.20@sha256:d6ba2b0aee0ca923732881584d8c4fa2815d2802827283e0ad84173581569969
RUN apk add --no-cache libpq=16.4-r0 tini=0.19.0-r3
WORKDIR /srv
COPY requirements.txt ./
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
RUN DJANGO_SETTINGS_MODULE=shop.settings.build python manage.py collectstatic --noinput \
 && adduser -S -D -H -u 4711 -G nogroup shop
USER 4711
ENTRYPOINT ["/sbin/tini", "--"]
CMD ["gunicorn", "shop.wsgi:application", "--workers", "3"]
