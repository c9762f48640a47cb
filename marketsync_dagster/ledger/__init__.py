"""The ledger: what every platform is known to show, and every step that led there.

SQLAlchemy Core and plain functions over it; no knowledge of Dagster, HTTP or frames.
"""
