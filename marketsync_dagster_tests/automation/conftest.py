"""The project with fake stages, as the tests of the assets have it."""

# the job `retention` loads it, and it loads stages that are replaced below
import marketsync_dagster.stages.retention  # noqa: F401
from marketsync_dagster_tests.assets.conftest import _tables_are_copied, shop

__all__ = ["_tables_are_copied", "shop"]
