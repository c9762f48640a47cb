"""Tests of marketsync_dagster.catalog."""
