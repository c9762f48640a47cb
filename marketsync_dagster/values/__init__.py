"""The small vocabulary that every other layer speaks: money, outcomes, time, errors, redaction.

Nothing here knows files, databases, HTTP or Dagster, and nothing here imports from the package.
"""
