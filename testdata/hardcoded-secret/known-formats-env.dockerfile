# Tokens of vendors in every place where a Dockerfile keeps a value.
ARG BASE=alpine:3.20
FROM ${BASE}
# fail: known-format
ENV CI_JOB=glpat-qGh7iRXFLAjieIGwtXLP
# fail: known-format
ARG REMOTE_AUTH=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
# fail: known-format
LABEL maintainer="platform team" notify=xoxb-286439063071-310506733733-vPLGocJH1rKLpMDpKTc9ZNOp
ENV AWS_REGION=eu-central-1 \
    # fail: known-format
    AWS_ACCESS_KEY_ID=AKIA7KLFYYLBEG3RHDSV \
    # fail: known-format
    AWS_SECRET_ACCESS_KEY=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
# fail: known-format
CMD ["server", "--session", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJzdmMtb3JkZXJzIiwiaWF0IjoxNzE0MDAwMDAwfQ.5CqAeGFgOfreBV3Oa7BYRtEFntQa2brHNYKuIXiS-Wk"]
