"""Qikink: prints on demand and fulfils orders; two interfaces, `real` and `spec` (contract 5)."""
