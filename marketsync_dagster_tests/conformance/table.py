"""The table platform x behaviour, as docs/conformance.md has it and as a run prints it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from marketsync_dagster_tests.conformance.bench import every_bench
from marketsync_dagster_tests.conformance.reasons import OUTSIDE, REASONS
from marketsync_dagster_tests.conformance.suite import Behaviour, every_row

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
PASS, FAIL, NOT_RUN = "pass", "FAIL", "not run"
Cells = Mapping[tuple[str, str, str], str]
"""Group, name and platform -> pass, FAIL, `skip: 3` or not run."""


def cell_key(row: Behaviour, platform: str) -> tuple[str, str, str]:
    """Where the cell of a row and a platform is."""
    return row.group, row.name, platform


def declared() -> Cells:
    """What the suite asks of each platform."""
    cells: dict[tuple[str, str, str], str] = {}
    for row in every_row():
        for bench in every_bench():
            reason = row.skipped(bench)
            said = PASS if reason is None else f"skip: {reason.number}"
            cells[cell_key(row, bench.platform)] = said
    return cells


def markdown(cells: Cells, platforms: Sequence[str]) -> str:
    """The table of these platforms, its sums and the reasons."""
    rule = ["---"] * len(platforms)
    lines: list[str] = []
    group = ""
    for row in every_row():
        if row.group != group:
            group = row.group
            lines += ["", f"| {group} | {' | '.join(platforms)} |", f"|---|{'|'.join(rule)}|"]
        told = [cells.get(cell_key(row, platform), NOT_RUN) for platform in platforms]
        lines.append(f"| {row.name} | {' | '.join(told)} |")
    lines += [
        "",
        f"| All {len(every_row())} | {' | '.join(platforms)} |",
        f"|---|{'|'.join(rule)}|",
    ]
    sums = {platform: _sums(cells, platform) for platform in platforms}
    for word in (PASS, "skip", FAIL, NOT_RUN):
        if word in (PASS, "skip") or any(sums[platform][word] for platform in platforms):
            lines.append(f"| {word} | {' | '.join(str(sums[p][word]) for p in platforms)} |")
    lines += ["", "Why a platform is not asked for a behaviour:", ""]
    counts = Counter(said for key, said in cells.items() if key[2] in platforms)
    for reason in REASONS:
        times = counts[f"skip: {reason.number}"]
        lines.append(f"{reason.number}. {reason.words}: {times}")
    return "\n".join(lines).strip() + "\n"


def _sums(cells: Cells, platform: str) -> Counter[str]:
    keys = [cell_key(row, platform) for row in every_row()]
    return Counter(cells.get(key, NOT_RUN).partition(":")[0] for key in keys)


_HEAD = """# What every platform's adapter is held to

Written by `make conformance-docs` from what the suite declares; do not edit it by hand. `make
conformance` runs the suite, over real HTTP against the sandbox, and prints the same table with what
came of it. A platform joins by its bench in `marketsync_dagster_tests/conformance/benches`
([how](adding-a-platform.md)); what it declares decides what it is asked for. Each row is the end of
one or several tests; a number is the reason, below, why a platform is not asked.

"""


def page() -> str:
    """docs/conformance.md as the suite declares it."""
    outside = [f"- {name}: {why}." for name, why in OUTSIDE.items()]
    rest = "\n".join(["", "Not in this table:", "", *outside, ""])
    return _HEAD + markdown(declared(), [bench.platform for bench in every_bench()]) + rest


def write_page() -> None:
    """Write docs/conformance.md."""
    PAGE.write_text(page(), encoding="utf-8")
