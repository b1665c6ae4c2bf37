FROM public.ecr.aws/lambda/python:3.12
# fail: known-format
ENV AWS_ACCESS_KEY_ID="AKIA2FZGMN4XKHAB77I4"
# fail: known-format
ENV AWS_SECRET_ACCESS_KEY "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"
CMD ["app.handler"]
