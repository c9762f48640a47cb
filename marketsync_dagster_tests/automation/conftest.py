"""The project with fake stages, as the tests of the assets have it."""

from marketsync_dagster_tests.assets.conftest import shop

__all__ = ["shop"]
