"""Cron expressions: what the configuration takes, Dagster takes. Currencies by their codes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from marketsync_dagster.config.scalars import CURRENCIES, LOCAL_CURRENCIES, Cron, Currency

CRON: TypeAdapter[str | None] = TypeAdapter(Cron)


def _taken(text: str) -> bool:
    try:
        CRON.validate_python(text)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    "text",
    ["*/30 * * * *", "0 2 * * *", "0 6-20/2 * * mon-fri", "5,35 * 1 jan,jul *", "0 0 29 2 *"],
)
def test_ordinary_expressions_are_taken(text: str) -> None:
    assert _taken(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *",
        "* * * * 8", "*/0 * * * *", "5-1 * * * *", "a * * * *", "@daily", "0 0 30 2 *",
        "-1 * * * *",
        "1,,2 * * * *", "* * * mon *", "0 0 31 4,6 *",
    ],
)  # fmt: skip
def test_expressions_that_never_fire_or_mean_nothing_are_refused(text: str) -> None:
    assert not _taken(text)


_FIELD = st.from_regex(r"\A(\*|[0-9]{1,2}(-[0-9]{1,2})?)(/[0-9]{1,2})?(,[0-9]{1,2})?\Z")


@settings(deadline=None)  # the first call loads Dagster
@given(st.tuples(_FIELD, _FIELD, _FIELD, _FIELD, _FIELD).map(" ".join))
def test_dagster_takes_whatever_is_taken_here(text: str) -> None:
    from dagster._utils.schedules import is_valid_cron_string

    if _taken(text):
        assert is_valid_cron_string(text)


def test_a_local_name_of_a_currency_is_answered_with_its_code() -> None:
    with pytest.raises(ValidationError, match="such as KES for KSh"):
        TypeAdapter(Currency).validate_python("KSh")
    assert not LOCAL_CURRENCIES.keys() & CURRENCIES
    assert {code for codes in LOCAL_CURRENCIES.values() for code in codes} <= CURRENCIES
