"""Addresses as shops write them: an object of named parts, or one text.

A text is taken apart only where there is one way to do it: `Name, Street 1, 00100 City, KE`, on
lines or between commas, where the name is the customer's and the country is one. Anything else
stays whole, for a person.
"""

from __future__ import annotations

import re
from functools import cache

from marketsync_dagster.platforms.ordering import Person
from marketsync_dagster.platforms.strict_json import Node, checked_text

UNPARSED = "unparsed"
"""`PulledOrder.details["shipping_address"]` of an address that was kept whole."""
_ZIP_FIRST = re.compile(r"([0-9]{4,6}) ([^0-9,]{2,60})")
_ZIP_LAST = re.compile(r"([^0-9,]{2,60}) ([0-9]{4,6})")
_STREET = re.compile(r"(?=.*[0-9])(?=.*[^\W\d_]{2}).{4,100}")
MOST = 1000
"""Characters of an address that is one text."""


def split_name(name: str) -> tuple[str, str]:
    """First and last name: together they are what was written."""
    first, _, last = name.rpartition(" ")
    return (first, last) if first else (last, "")


def country_of(text: str) -> str:
    """ISO 3166-1, two letters, where the text is a code or a country's English name; else empty."""
    word = " ".join(text.casefold().split())
    return _countries().get(word, "")


@cache
def _countries() -> dict[str, str]:
    from babel import Locale

    names = {
        code: name
        for code, name in Locale("en").territories.items()
        if re.fullmatch("[A-Z]{2}", code) and code not in ("ZZ", "EU", "EZ", "UN", "XA", "XB", "QO")
    }
    found = {name.casefold(): code for code, name in names.items()}
    return found | {code.casefold(): code for code in names}


def person_of(node: Node) -> Person:
    """An address that is an object; Wrong where a part is no text."""
    name = node.text("name", "full_name")
    first, last = node.text("first_name", "firstname"), node.text("last_name", "lastname")
    if name and not first and not last:
        first, last = split_name(name)
    country = node.text("country_code", "country")
    return Person(
        first_name=first,
        last_name=last,
        company=node.text("company"),
        street_1=node.text("street_1", "street", "street1", "address_1", "address1", "line1"),
        street_2=node.text("street_2", "street2", "address_2", "address2", "line2"),
        city=node.text("city", "town"),
        zip=node.text("zip", "postcode", "postal_code", "zip_code", "zipcode"),
        province=node.text("province", "state", "region", "county"),
        country=country_of(country) or country,
        phone=node.text("phone", "telephone", "mobile"),
        email=node.text("email"),
    )


def taken_apart(text: str, place: str, name: str) -> Person | None:
    """A person of an address that is one text; None where it is not certain. `name`: what the order
    calls the customer elsewhere."""
    whole = checked_text(text, place, MOST, lines=True)
    parts = [" ".join(part.split()) for part in re.split(r"[,\n]", whole)]
    parts = [part for part in parts if part]
    said = ""
    if name and parts and parts[0].casefold() == name.casefold():
        parts.pop(0)
        said = name
    if len(parts) != 3:
        return None
    street, town, country = parts
    code = country_of(country)
    found = [m for m in (_ZIP_FIRST.fullmatch(town), _ZIP_LAST.fullmatch(town)) if m]
    if not code or len(found) != 1 or not _STREET.fullmatch(street) or _is_town(street):
        return None
    zip_, city = found[0].groups()
    if found[0].re is _ZIP_LAST:
        city, zip_ = found[0].groups()
    first, last = split_name(said)
    return Person(first, last, street_1=street, city=city, zip=zip_, country=code)


def kept_whole(text: str, place: str) -> Person:
    """A person whose address is one text that nobody has taken apart."""
    return Person(street_1=checked_text(text, place, MOST, lines=True))


def _is_town(text: str) -> bool:
    return any(one.fullmatch(text) for one in (_ZIP_FIRST, _ZIP_LAST))
