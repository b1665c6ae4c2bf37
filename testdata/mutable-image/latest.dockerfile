# fail: latest
FROM docker.io/library/python:latest
COPY app.py /app.py
CMD ["python", "/app.py"]
