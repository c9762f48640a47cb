"""Runs the suite alone and prints the table: `make conformance`, or of one platform alone
`python -m marketsync_dagster_tests.conformance tracker_ke`. `--write` writes docs/conformance.md,
and runs nothing.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster_tests.conformance import table
from marketsync_dagster_tests.conformance.bench import every_bench


class Ends:
    """What became of every cell: one failed test of it is enough to fail it."""

    def __init__(self) -> None:
        self.cells: dict[tuple[str, str, str], str] = {}
        self.failed: list[str] = []

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Called by pytest for each phase of each test, of this process or another."""
        said = dict(report.user_properties)
        if report.failed:
            self.failed.append(f"{report.nodeid} ({report.when})")
        if "row" not in said:
            return
        key = (*said["row"], said["platform"])
        if report.failed:
            self.cells[key] = table.FAIL
        elif report.skipped:
            words = report.longrepr[2].removeprefix("Skipped: ")
            self.cells.setdefault(key, f"skip: {words.partition(':')[0]}")
        elif report.when == "call":
            self.cells.setdefault(key, table.PASS)


def main(arguments: list[str]) -> int:
    """Run the suite, whole or for the platforms that are named; 0 if every cell is as declared."""
    if arguments == ["--write"]:
        table.write_page()
        return 0
    known = [bench.platform for bench in every_bench()]
    strangers = sorted(set(arguments) - set(known))
    if strangers:
        print(f"no bench of {', '.join(strangers)}; there are {', '.join(known)}", file=sys.stderr)
        return 64
    chosen = arguments or known
    ends = Ends()
    options = ["-q", "-p", "no:cacheprovider", "-r", "fE", "-n", "2" if chosen == known else "0"]
    if chosen != known:
        options += ["-k", " or ".join(["test_table", *(f"[{name}-" for name in chosen)])]
    code = int(pytest.main([*options, str(Path(__file__).parent)], plugins=[ends]))
    declared = {key: said for key, said in table.declared().items() if key[2] in chosen}
    print(f"\n{table.markdown(ends.cells, chosen)}")
    wrong = {key: ends.cells.get(key, table.NOT_RUN) for key in declared}
    wrong = {key: said for key, said in wrong.items() if said != declared[key]}
    counts = Counter(said.partition(":")[0] for said in ends.cells.values())
    print(f"{counts['pass']} pass, {counts['skip']} skip, {len(wrong)} not as declared")
    for line in ends.failed:
        print(f"FAILED {line}")
    return code or int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
