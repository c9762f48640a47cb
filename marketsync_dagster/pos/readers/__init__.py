"""Readers of file formats: each makes a `pos.tables.Table` of a document and knows no more."""
