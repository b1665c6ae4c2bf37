# Group 0 alone is what OpenShift asks for; it is not root.
# pass: uid-zero, no-user
FROM registry.access.redhat.com/ubi9/ubi-minimal:9.4
USER 1001:0
