"""Pasons: one endpoint per outlet, whose wire contract is configuration (contract section 3)."""
