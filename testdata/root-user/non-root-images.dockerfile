# parameters: {"nonRootImages": ["registry.example.com/base/*"]}
# pass: no-user
FROM registry.example.com/base/java:21
COPY app.jar /app.jar
