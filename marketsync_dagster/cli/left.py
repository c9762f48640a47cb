"""What a plan does not send and somebody should look at, in words, each with the command for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from marketsync_dagster.values.gone import stays_step, stays_words
from marketsync_dagster.values.words import counted

_REASONS = 5
Document = dict[str, Any]
"""A plan as `plan --json` prints it."""


def left_undone(plans: Sequence[Document]) -> list[tuple[str, str]]:
    """(what is left, the command to look at it) of all plans together, the first ones named; []
    where every channel shows all that it should."""
    kinds = (_lost, _vanished, _unmapped, _refused, _guarded, _left_out, _rejected)
    return [one for kind in kinds if (one := kind(plans)) is not None]


def _lost(plans: Sequence[Document]) -> tuple[str, str] | None:
    found = _with(plans, lambda plan: plan["unmapped_acknowledged"])
    if not found:
        return None
    rows = sum(plan["unmapped_acknowledged"] for plan in found)
    words = (
        f"{counted(rows, 'row')} of {_channels(found)} had a platform id before and "
        f"{'has' if rows == 1 else 'have'} none now: the platform still shows what it was told last"
    )
    return words, f"marketsync mapping list --unmapped --account {found[0]['account']}"


def _vanished(plans: Sequence[Document]) -> tuple[str, str] | None:
    found = _with(plans, lambda plan: plan["vanished"])
    if not found:
        return None
    found.sort(key=lambda plan: plan["gone_after"] is not None)  # first what stays for ever
    first = found[0]
    rows = sum(plan["vanished"] for plan in found)
    words = (
        f"{counted(rows, 'row')} of {_channels(found)} listed, but no longer in the extract, such "
        f"as {first['vanished_such_as']}: {stays_words(first['gone_after'])}"
    )
    explain = (
        f"marketsync explain --outlet {first['outlet']} --platform {first['platform']} "
        f"--sku {first['vanished_such_as']}"
    )
    return words, stays_step(first["outlet"], first["gone_after"]) or explain


def _unmapped(plans: Sequence[Document]) -> tuple[str, str] | None:
    def never(plan: Document) -> int:
        return plan["unmapped"] - plan["unmapped_acknowledged"]

    found = _with(plans, never)
    if not found:
        return None
    rows = sum(map(never, found))
    unasked = _with(plans, lambda plan: plan["unmapped_not_asked"])
    if unasked and sum(plan["unmapped_not_asked"] for plan in unasked) >= rows:
        platforms = " and ".join(dict.fromkeys(plan["platform"] for plan in unasked))
        words = f"{counted(rows, 'row')} of {_channels(unasked)} {_have(rows)} no platform id:"
        words += f" {platforms} {'was' if ' and ' not in platforms else 'were'} not asked yet"
        return words, "marketsync run full_sync, then marketsync run refresh_mappings"
    words = f"{counted(rows, 'row')} of {_channels(found)} {_have(rows)} no platform id"
    return words, f"marketsync mapping list --unmapped --account {found[0]['account']}"


def _refused(plans: Sequence[Document]) -> tuple[str, str] | None:
    found = _with(plans, lambda plan: plan["refused_before"])
    if not found:
        return None
    rows = sum(plan["refused_before"] for plan in found)
    words = (
        f"{counted(rows, 'row')} of {_channels(found)} {'was' if rows == 1 else 'were'} refused by "
        "the platform, and are not sent again before they change"
    )
    first = found[0]
    return words, f"marketsync history --outlet {first['outlet']} --platform {first['platform']}"


def _guarded(plans: Sequence[Document]) -> tuple[str, str] | None:
    """A guard that speaks without a row to decide upon: the extract itself is what is odd."""
    found = _with(plans, lambda plan: plan["findings"] and not (plan["held"] or plan["to_send"]))
    if not found:
        return None
    first = found[0]
    words = f"the guard stops {_channels(found)}: {first['findings'][0]['message']}"
    return words, f"marketsync plan --outlet {first['outlet']} --platform {first['platform']}"


def _left_out(plans: Sequence[Document]) -> tuple[str, str] | None:
    reasons: Counter[str] = Counter()
    for plan in plans:
        for reason, rows in plan["deselected_because"].items():
            if reason not in ("selection", plan["paused"]):
                reasons[reason] += rows
    if not reasons:
        return None
    why = ", ".join(f"{rows:,} {reason}" for reason, rows in reasons.most_common(_REASONS))
    return f"{counted(reasons.total(), 'row')} left out: {why}", "marketsync plan"


def _rejected(plans: Sequence[Document]) -> tuple[str, str] | None:
    reasons: Counter[str] = Counter()
    outlets: dict[str, str] = {}
    for plan in plans:
        if plan["rejected"] and plan["outlet"] not in outlets:
            outlets[plan["outlet"]] = plan["outlet"]
            reasons.update(plan["rejected"])
    if not reasons:
        return None
    why = ", ".join(f"{rows:,} {reason}" for reason, rows in reasons.most_common(_REASONS))
    more = "" if len(reasons) <= _REASONS else " and others"
    first = next(iter(outlets))
    of = first if len(outlets) == 1 else f"{first} and {counted(len(outlets) - 1, 'other outlet')}"
    words = f"{counted(reasons.total(), 'row')} of the extract of {of} rejected: {why}{more}"
    return words, "marketsync check-extract FILE names each row; so does pos/rejects in the UI"


def _with(plans: Sequence[Document], found: Callable[[Document], Any]) -> list[Document]:
    return [plan for plan in plans if found(plan) and not plan["paused"]]


def _channels(plans: Sequence[Document]) -> str:
    first = f"{plans[0]['outlet']} on {plans[0]['platform']}"
    if len(plans) == 1:
        return first
    return f"{first} and {counted(len(plans) - 1, 'other channel')}"


def _have(rows: int) -> str:
    return "has" if rows == 1 else "have"
