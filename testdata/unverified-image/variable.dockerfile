ARG BASE
# unknown: unverified
FROM $BASE
CMD ["node"]
