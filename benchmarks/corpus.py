"""The files of the corpus: are bad ones refused or rejected by name, odd ones read exactly?

The tests ask the same (`marketsync_dagster_tests/pos`); here are the two figures.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.figures import Figure
from marketsync_dagster_tests.pos.corpus import bad, odd
from marketsync_dagster_tests.pos.corpus.cases import Odd, Refused, Rejected


def measure(runs: int) -> list[Figure]:
    """Every file once: they are counted, not timed."""
    bad_files: Sequence[Refused | Rejected] = [*bad.REFUSED, *bad.REJECTED]
    return [
        _figure("bad corpus", "refused, or rejected with file, line, column and reason", bad_files),
        _figure("odd corpus", "read exactly", odd.CASES),
    ]


def _figure(name: str, so: str, cases: Sequence[Refused | Rejected | Odd]) -> Figure:
    faults = {case.name: fault for case in cases if (fault := case.fault())}
    count = len(cases)
    of_csv = sum(case.file == "till.csv" for case in cases)
    return Figure(
        name,
        f"{count - len(faults)}/{count} files of the corpus are {so} ({of_csv} of the {count} are "
        "CSV)",
        [float(count - len(faults))],
        float(count),
        exact=True,
        unit="files",
        notes=[f"{case}: {fault}"[:300] for case, fault in faults.items()],
    )
