"""What becomes of orders: the book and its state machine, decisions, routing, forwarding, and what
their sources are told. No Dagster, no wire formats.
"""
