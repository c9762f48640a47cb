"""Tests of own shops."""
