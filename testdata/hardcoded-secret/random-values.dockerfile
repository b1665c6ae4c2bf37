FROM alpine:3.20
# fail: high-entropy
ENV UPSTREAM=NdeAm5Jraw8WtJjMpAx122JcVOmyT6a02Dsw2TR1
# fail: high-entropy
ENV LICENCE_BLOB=c74f1cba86b353bb0579c9106270eb5a
# fail: secret-name
ENV STRIPE_KEY=CYAtPbFr5umT4aIECzPtLW2yxGVHEmOx
