"""Tracker KE: prices per key, product catalogue, two signing profiles (contract section 2)."""
