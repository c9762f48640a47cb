"""The persons of orders out of the ledger and into it. What they hold is shown nowhere but to who
asks for their order."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from typing import cast

from sqlalchemy import Connection

from marketsync_dagster.ledger.order_persons import PersonRow, load_persons
from marketsync_dagster.orders.exact import clean
from marketsync_dagster.platforms.ordering import Person, Role
from marketsync_dagster.values.redact import MASK

_FIELDS = tuple(one.name for one in fields(Person))
NOT_PERSONAL = frozenset({"city", "province", "country"})
"""Of a person, what everybody may see."""
_SHORTEST = 3
"""Shorter texts would hide ordinary words."""
_MAIL = re.compile(r"[^\s@<>\"',;:()\[\]]+@[\w-]+(?:\.[\w-]+)+")
_DIGITS = re.compile(r"\+?\d(?:[\s()./-]*\d){6,}")
_PHONE_END = 7


def fields_of(person: Person) -> dict[str, str]:
    """What is told of a person; nothing empty."""
    return {name: clean(value) for name in _FIELDS if (value := getattr(person, name))}


def person_row(order_id: str, role: str, person: Person, at: str) -> PersonRow:
    """A person as the ledger keeps it."""
    return PersonRow(order_id, role, fields_of(person), at)


def persons_of(conn: Connection, order_ids: Sequence[str]) -> dict[str, Mapping[Role, Person]]:
    """Order -> role -> person, of the orders that have any."""
    return {
        order_id: {
            cast("Role", role): Person(**{k: v for k, v in said.items() if k in _FIELDS})
            for role, said in roles.items()
        }
        for order_id, roles in load_persons(conn, order_ids).items()
    }


def personal_texts(conn: Connection, *order_ids: str) -> set[str]:
    """What must not be shown of the persons of orders."""
    return {
        text
        for roles in load_persons(conn, order_ids).values()
        for said in roles.values()
        for name, text in said.items()
        if name not in NOT_PERSONAL
    }


def without_names(words: str, personal: Collection[str]) -> str:
    """A platform's words about an order without what is `personal` there, should it repeat it,
    also cut short at their end; and without any mail address."""
    words = _MAIL.sub(MASK, words)
    for text in sorted((one for one in personal if len(one) >= _SHORTEST), key=len, reverse=True):
        words = re.sub(rf"(?<!\w){re.escape(text)}(?!\w)", MASK, words, flags=re.IGNORECASE)
        cut = next((n for n in range(len(text) - 1, _SHORTEST, -1) if _ends(words, text[:n])), 0)
        words = words[: len(words) - cut] + MASK if cut else words
    ends = {one[-_PHONE_END:] for one in map(_only_digits, personal) if len(one) >= _PHONE_END}

    def phone(found: re.Match[str]) -> str:
        digits = _only_digits(found[0])
        return MASK if any(end in digits for end in ends) else found[0]

    return _DIGITS.sub(phone, words) if ends else words


def _ends(words: str, text: str) -> bool:
    before = words[: -len(text)][-1:]
    return words.lower().endswith(text.lower()) and not before.isalnum()


def _only_digits(text: str) -> str:
    return re.sub(r"\D", "", text)
