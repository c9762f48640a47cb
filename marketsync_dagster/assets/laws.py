"""The two laws of conservation: every row is accounted for, in extracts and in channels."""

from __future__ import annotations

from collections.abc import Mapping

from marketsync_dagster.values.outcomes import Outcome

Numbers = Mapping[str, int | float]

DISPOSITIONS = ("unmapped", "held", "unchanged", "deselected", "sent")
OUTCOMES = tuple(outcome.value for outcome in Outcome)


def extract_law(numbers: Numbers) -> str:
    """Empty if records = accepted + rejected + duplicates, else what does not add up."""
    return _differs(numbers, "records", ("accepted", "rejected", "duplicates"))


def channel_law(numbers: Numbers) -> str:
    """Empty if each catalog row has one disposition and each sent row one outcome."""
    broken = [
        _differs(numbers, "catalog_rows", DISPOSITIONS),
        _differs(numbers, "sent", OUTCOMES),
    ]
    return "; ".join(filter(None, broken))


def _differs(numbers: Numbers, whole: str, parts: tuple[str, ...]) -> str:
    total = sum(numbers.get(part, 0) for part in parts)
    if numbers.get(whole, 0) == total:
        return ""
    terms = " + ".join(f"{numbers.get(part, 0)} {part}" for part in parts if numbers.get(part))
    return f"{numbers.get(whole, 0)} {whole} is not {terms or 0}"
