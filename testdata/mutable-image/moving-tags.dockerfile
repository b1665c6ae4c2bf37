# parameters: {"movingTags": ["latest", "edge", "nightly"]}
# fail: latest
FROM traefik:Edge
