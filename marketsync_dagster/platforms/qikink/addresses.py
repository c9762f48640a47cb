"""Who an order goes to, as Qikink takes it: fields with limits, or one text (contract 5.2, 5.3).

Pure. Everything here is personal data: what is wrong names fields, never values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace

from marketsync_dagster.platforms.ordering import Person

ADDRESS1 = 90
"""Characters that the first line of an address may have."""
_STRUCTURED = "first_name address1 phone email city zip province country_code".split()
_NAMES = {"first_name": "name", "address1": "street", "country_code": "country"}
"""What people call a field that is missing."""
_SHORTEST = 3
"""A shorter text is in any word: it is not masked."""


def receiver(persons: Mapping[str, Person], country: str) -> Person:
    """Who gets the goods: the shipping address, with phone and mail of the others where it has
    none; `country` where nobody says one."""
    known = [persons[role] for role in ("shipping", "customer", "billing") if role in persons]
    if not known:
        return Person(country=country)
    to = known[0]
    return replace(
        to,
        phone=_first(person.phone for person in known),
        email=_first(person.email for person in known),
        country=to.country.strip() or country,
    )


def structured(to: Person) -> dict[str, str]:
    """The fields of profile `real`; `address1` is cut between words, the rest is `address2`."""
    first, last = to.first_name.strip(), to.last_name.strip()
    line, rest = cut(_one_line(to.street_1))
    second = [part for part in (rest, _one_line(to.street_2), _one_line(to.company)) if part]
    return {
        "first_name": first or last,
        "last_name": last if first else "",
        "address1": line,
        "address2": ", ".join(second),
        "phone": to.phone.strip(),
        "email": to.email.strip(),
        "city": _one_line(to.city),
        "zip": to.zip.strip(),
        "province": _one_line(to.province),
        "country_code": to.country.strip().upper(),
    }


def structured_problem(to: Person) -> str:
    """What profile `real` would refuse; empty: nothing is known."""
    sent = structured(to)
    missing = [name for name in _STRUCTURED if not sent[name]]
    if missing:
        return _missing(_NAMES.get(name, name) for name in missing)
    if not re.fullmatch("[A-Z]{2}", sent["country_code"]):
        return "the country of the shipping address is no two-letter code"
    return ""


def one_text(to: Person) -> str:
    """The address in one line, as profile `spec` takes it."""
    parts = (
        to.name,
        *(to.company, to.street_1, to.street_2, to.city),
        f"{to.province} {to.zip}",
        *(to.country, to.phone),
    )
    return ", ".join(filter(None, map(_one_line, parts)))


def one_text_problem(to: Person) -> str:
    """What makes an address in one text useless; empty: nothing."""
    needed = {"name": to.name, "street": to.street_1, "city": to.city, "email": to.email}
    missing = [name for name, text in needed.items() if not text.strip()]
    return _missing(missing) if missing else ""


def private_texts(persons: Iterable[Person]) -> tuple[str, ...]:
    """Every text of these people that an answer could repeat, in the ways it could."""
    found: set[str] = set()
    for person in persons:
        for field in fields(person):
            text = getattr(person, field.name)
            if field.name == "country" or not isinstance(text, str):
                continue
            line = _one_line(text)
            digits = re.sub(r"\D", "", text) if field.name == "phone" else ""
            found.update((text, line, line.lower(), line.upper(), line.title()))
            found.update((*cut(line), digits, digits[-10:]))
    return tuple(sorted(text for text in found if len(text) >= _SHORTEST))


def cut(line: str, most: int = ADDRESS1) -> tuple[str, str]:
    """`line` in two, the first of at most `most` characters; between words where that can be."""
    if len(line) <= most:
        return line, ""
    at = line.rfind(" ", 0, most + 1)
    if at < most // 3:  # one very long word
        return line[:most], line[most:].strip()
    return line[:at].rstrip(" ,"), line[at:].strip()


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _first(texts: Iterable[str]) -> str:
    return next((text.strip() for text in texts if text.strip()), "")


def _missing(names: Iterable[str]) -> str:
    return f"the shipping address has no {', no '.join(names)}"
