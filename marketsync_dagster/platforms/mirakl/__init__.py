"""Mirakl: offers, prices and stock as imports, of all outlets of a shop (contract section 6)."""
