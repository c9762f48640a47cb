"""A platform's words about an order, without those whose order it is."""

from __future__ import annotations

import pytest

from marketsync_dagster.orders.persons import without_names

WANJIRU = ("Wanjiru", "O'Neil-Kamau", "17 Moi Avenue", "wanjiru@mail.invalid", "+254 711 998877",
           "00100", "Jo")  # fmt: skip


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("blocked: Wanjiru O'Neil-Kamau", "blocked: *** ***"),
        ("WANJIRU, 17 moi avenue, 00100", "***, ***, ***"),
        ("no parcel to 17 Moi Av", "no parcel to ***"),
        ("no parcel to 17 M", "no parcel to ***"),
        ("Invalid phone 0711-998-877", "Invalid phone ***"),
        ("Invalid phone (+254711998877)", "Invalid phone (***)"),
        ("mail someone.else@shop.example bounced", "mail *** bounced"),
        ("Jo is too short to hide, and so is a", "Jo is too short to hide, and so is a"),
        ("order 100100 of 2026-11-21 06:30, SKU 90725768", None),
        ("The Wanjirus may not be meant", None),
        ("", None),
    ],
)
def test_what_is_personal_is_hidden_and_nothing_else(words: str, shown: str | None) -> None:
    assert without_names(words, WANJIRU) == (words if shown is None else shown)


def test_without_persons_only_mails_are_hidden() -> None:
    assert without_names("a@b.example, +254711998877", ()) == "***, +254711998877"
