"""From valid products to the price feed: schemas, stored frames, mapping, pricing.

Pure functions over pandas frames, and the files that hold them. What a platform already knows and
what is sent to it belong to `push`; reading extracts belongs to `pos`. Nothing here knows Dagster.
"""
