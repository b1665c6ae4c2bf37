# parameters: {"immutableTags": ["registry.example.com/*"]}
# pass: tag-only
FROM registry.example.com/shop/base:2024.11
