"""docs/extracts.md says what is so: its tables, the output of its commands, its configurations."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketsync_dagster.config.load import load_settings
from marketsync_dagster_tests.pos import extracts_page
from marketsync_dagster_tests.pos.extracts_page import PAGE, TABLES, configurations, rendered

WRITE = "write it anew: python -m marketsync_dagster_tests.pos.extracts_page"


def test_the_tables_and_the_output_of_commands_are_what_the_code_says() -> None:
    page = PAGE.read_text("utf-8")
    assert all(f"<!-- {name} -->" in page for name in TABLES)
    assert len(extracts_page.commands(page)) >= 3
    assert page == rendered(page), WRITE


@pytest.mark.parametrize("text", configurations(PAGE.read_text("utf-8")))
def test_a_configuration_of_the_page_is_valid(text: str, tmp_path: Path) -> None:
    path = tmp_path / "marketsync.yaml"
    path.write_text(text, "utf-8")
    assert load_settings(path).outlets
