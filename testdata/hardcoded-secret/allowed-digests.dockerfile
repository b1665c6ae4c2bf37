# parameters: {"allowedDigests": ["f525d91f6d2c736b7ccf36f61cad97f96b959e825825f6ba32a8f9982592c9a2"]}
FROM postgres:17
ENV POSTGRES_PASSWORD=demo-orders
# fail: secret-name
ENV REPLICA_PASSWORD=demo-replica
