"""docs/pasons.md and the parts of it that are checked: the table of endpoints, and the examples.

`python -m marketsync_dagster_tests.platforms.pasons.page` writes the table anew.
"""

from __future__ import annotations

import re
from pathlib import Path

from marketsync_dagster_tests.platforms.pasons.dialects import markdown

PAGE = Path(__file__).parents[3] / "docs" / "pasons.md"
_TABLE = re.compile(r"(?<=<!-- endpoints -->\n).*?(?=<!-- /endpoints -->)", re.DOTALL)


def written() -> str:
    """The page with the table as it should be."""
    return _TABLE.sub(lambda _: markdown(), PAGE.read_text(encoding="utf-8"))


def examples() -> list[str]:
    """The complete configurations on the page."""
    return re.findall(r"^```yaml\n(version: .*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
