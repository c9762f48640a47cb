"""The platforms: one folder each, one adapter each, all speaking the types of `base`."""
