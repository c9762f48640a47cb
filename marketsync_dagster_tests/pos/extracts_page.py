"""docs/extracts.md: its tables are made from what the code knows, its commands are run.

`python -m marketsync_dagster_tests.pos.extracts_page` writes them anew.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

from marketsync_dagster.cli.main import main
from marketsync_dagster.pos.columns import READ
from marketsync_dagster.pos.headers.english import ENGLISH
from marketsync_dagster.pos.identifiers import MAX_SKU
from marketsync_dagster.pos.presets import PRESETS
from marketsync_dagster.pos.readers.xls import PROCESSOR_S
from marketsync_dagster.pos.reasons import FILE_REASONS, ROW_REASONS
from marketsync_dagster.pos.tables import Limits

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "extracts.md"
_WORDS = 4
_SECTION = re.compile(r"(<!-- ([a-z ]+) -->\n).*?(<!-- /\2 -->)", re.DOTALL)
_CONSOLE = re.compile(r"```console\n\$ (marketsync [^\n]+)\n(.*?)```", re.DOTALL)
_YAML = re.compile(r"```yaml\n(.*?)```", re.DOTALL)


def cell(text: str) -> str:
    """Text for a cell of a table."""
    return text.replace("|", "\\|")


def presets() -> Iterator[str]:
    yield "| `preset` | system | good to know |"
    yield "|---|---|---|"
    for name, preset in PRESETS.items():
        yield f"| `{name}` | {cell(preset.title)} | {cell(' '.join(preset.notes))} |"


def columns() -> Iterator[str]:
    yield "| column | some of its English headers |"
    yield "|---|---|"
    for name, offered in ENGLISH.headers.items():
        if name in READ:
            words = [word.strip() for word in re.split("[,|]", offered) if word.strip()]
            yield f"| `{name}` | {', '.join(words[:_WORDS])} |"


def row_reasons() -> Iterator[str]:
    yield "| reason | what to do |"
    yield "|---|---|"
    for code, step in ROW_REASONS.items():
        yield f"| `{code}` | {cell(step)} |"


def file_reasons() -> Iterator[str]:
    yield "| reason | what to do |"
    yield "|---|---|"
    for code, step in FILE_REASONS.items():
        yield f"| `{code}` | {cell(step)} |"


def limits() -> Iterator[str]:
    most = Limits()
    yield "| what | at most |"
    yield "|---|---|"
    yield f"| a file | {most.file_bytes // 2**30} GB |"
    yield f"| what comes out of an archive or a workbook | {most.unpacked_bytes // 2**30} GB |"
    yield f"| how much larger it may be than it was packed | {most.ratio} times |"
    yield f"| files in an archive | {most.members:,} |"
    yield f"| one value, or one line of CSV | {most.token_bytes // 2**20} MB |"
    yield f"| columns | {most.columns:,} |"
    yield f"| values within values (XML, JSON) | {most.depth} |"
    yield f"| cells of a sheet | {most.cells:,} |"
    yield f"| processor time for an XLS workbook | {PROCESSOR_S} seconds |"
    yield f"| characters of a SKU | {MAX_SKU} |"


TABLES: dict[str, Callable[[], Iterator[str]]] = {
    "presets": presets,
    "columns": columns,
    "row reasons": row_reasons,
    "file reasons": file_reasons,
    "limits": limits,
}


def configurations(page: str) -> list[str]:
    """The configurations on the page."""
    return _YAML.findall(page)


def commands(page: str) -> list[str]:
    """The commands on the page."""
    return [command for command, _ in _CONSOLE.findall(page)]


def said(command: str) -> str:
    """What a command prints on both streams, in the checkout."""
    out = io.StringIO()
    with (
        contextlib.chdir(ROOT),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out),
    ):
        main(shlex.split(command)[1:])
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def rendered(page: str) -> str:
    """The page as it should be."""

    def section(found: re.Match[str]) -> str:
        lines = "\n".join(TABLES[found.group(2)]())
        return f"{found.group(1)}\n{lines}\n\n{found.group(3)}"

    def console(found: re.Match[str]) -> str:
        return f"```console\n$ {found.group(1)}\n{said(found.group(1))}```"

    return _CONSOLE.sub(console, _SECTION.sub(section, page))


if __name__ == "__main__":
    os.environ["COLUMNS"] = "100"
    PAGE.write_text(rendered(PAGE.read_text("utf-8")), "utf-8")
