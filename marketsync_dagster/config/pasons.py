"""The wire contract of a Pasons endpoint as configuration: request, answer, connection test.

Nearly everything on Pasons' wire is open (contract section 3), so it is said here, per account.
Names with dots are places in nested objects: `price.amount` is `{"price": {"amount": ...}}`. The
account itself, its address and its credentials are in `config.accounts`; docs/pasons.md explains
all of it to users.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from marketsync_dagster.config.problems import Problem, smells_of_secret
from marketsync_dagster.config.scalars import Section, Whole

Word = str | int | bool
"""A value that means something to the platform: `ok`, `1`, `true`."""
Constant = str | int | float | bool | None
RowField = Literal["sku", "selling_price", "stock_status", "currency"]

STORE_PLACE = "{store_id}"
"""Stands in an address where the channel's store belongs."""
_FRAMING = frozenset(
    "accept-encoding connection content-length content-encoding expect host keep-alive te trailer "
    "upgrade transfer-encoding".split()
)
"""Headers that belong to the connection, not to the platform."""
_NO_PROOF = frozenset({301, 302, 303, 307, 308, 401, 403, 407})
"""Statuses after which nobody can say that the platform knows the key."""


def header_name(name: str) -> str:
    """`name` if it can be the name of an HTTP header; ValueError in the words of a mistake."""
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
        raise ValueError("expected the name of an HTTP header")
    if name.lower() in _FRAMING:
        raise ValueError(f"expected a header that is the platform's own, got {name}")
    return name


def _plain_path(path: str) -> str:
    if not re.fullmatch(r"/[^?#@\s\\]*", path):
        raise ValueError("expected a path that begins with / and has no query")
    only_the_store_is_filled_in(path)
    return path


def only_the_store_is_filled_in(address: str) -> None:
    """ValueError where something else than the store's id is to be filled in."""
    left = address.replace(STORE_PLACE, "")
    if "{" in left or "}" in left:
        raise ValueError(f"expected no braces but those of {STORE_PLACE}, got others")


def _plain_headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        header_name(name)
        _no_secret(name)
        if not value.isascii() or not value.isprintable():
            raise ValueError(f"expected printable ASCII for {name}, got something else")
    if len({name.lower() for name in headers}) < len(headers):
        raise ValueError("expected each header once, got one in two spellings")
    return headers


def _no_secret(name: str) -> None:
    if smells_of_secret(name):
        raise ValueError(
            f"expected no secret in clear: {name} belongs into auth, as {{env: NAME}}, got one"
        )


def _no_secrets(named: Mapping[str, object]) -> None:
    for name in named:
        _no_secret(name)


class PasonsStore(Section):
    """Where the store's id goes in a request."""

    model_config = ConfigDict(**(Section.model_config | {"populate_by_name": True}))
    in_: Literal["path", "header", "body", "row", "query", "none"] = Field(
        default="none", alias="in"
    )
    """body: beside the envelope, in each row where there is none; row: in each row; path: where
    base_url or request.path says `{store_id}`."""
    name: str = Field(default="store_id", min_length=1)

    @model_validator(mode="after")
    def _name_fits_its_place(self) -> Self:
        if self.in_ == "header":
            header_name(self.name)
        return self


class PasonsFull(Section):
    """What is different in the one request of a full push that replaces what is shown.

    Every other request leaves alone what it does not name.
    """

    method: Literal["POST", "PUT", "PATCH"] | None = None
    path: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    query: dict[str, str] = Field(default_factory=dict)
    constants: dict[str, Constant] = Field(default_factory=dict)

    @field_validator("path")
    @classmethod
    def _path_is_absolute(cls, path: str | None) -> str | None:
        return path if path is None else _plain_path(path)

    @field_validator("headers")
    @classmethod
    def _headers_are_plain(cls, headers: dict[str, str]) -> dict[str, str]:
        return _plain_headers(headers)

    @model_validator(mode="after")
    def _something_differs(self) -> Self:
        _no_secrets(self.query)
        _no_secrets(self.constants)
        if not any((self.method, self.path, self.headers, self.query, self.constants)):
            raise ValueError(
                "expected what marks a full push (method, path, headers, query or constants), "
                "got an empty section"
            )
        return self


class PasonsRequest(Section):
    """What a request looks like; the wire contract is configuration (contract section 3.2)."""

    method: Literal["POST", "PUT", "PATCH"] = "POST"
    path: str = "/v1/inventory"
    store: PasonsStore = PasonsStore()
    envelope: str | None = None
    """The name under which the rows stand; null: the body is the bare array."""
    constants: dict[str, Constant] = Field(default_factory=dict)
    """Stand beside the envelope, the same in every request."""
    row_constants: dict[str, Constant] = Field(default_factory=dict)
    """Stand in every row."""
    fields: dict[RowField, str] = Field(default_factory=dict)
    """The names of a row's values; `currency` is written only where it is named."""
    types: dict[
        Literal["selling_price", "stock_status"],
        Literal["number", "string", "minor_units", "int01", "bool", "enum"],
    ] = Field(default_factory=dict)
    enum: dict[Literal["in_stock", "limited_stock", "out_of_stock"], Word] = Field(
        default_factory=dict
    )
    headers: dict[str, str] = Field(default_factory=dict)
    """Sent as they are; what is secret goes into `auth`."""
    query: dict[str, str] = Field(default_factory=dict)
    """Parameters of the address, sent as they are."""
    batch: Whole = Field(default=500, ge=1, le=10_000)
    max_bytes: Whole = Field(default=250_000, ge=1_000)
    full: PasonsFull | None = None
    """With `full_push: replace`, how a full push is told from others; null: every request
    replaces, so that none may ever leave out a row."""

    @field_validator("path")
    @classmethod
    def _path_is_absolute(cls, path: str) -> str:
        return _plain_path(path)

    @field_validator("headers")
    @classmethod
    def _headers_are_plain(cls, headers: dict[str, str]) -> dict[str, str]:
        return _plain_headers(headers)

    @field_validator("query", "constants", "row_constants")
    @classmethod
    def _nothing_secret(cls, named: dict[str, Constant]) -> dict[str, Constant]:
        _no_secrets(named)
        return named

    def field_names(self) -> dict[RowField, str]:
        """The name of each value in a row, defaults included."""
        names: dict[RowField, str] = {
            "sku": "sku",
            "selling_price": "selling_price",
            "stock_status": "stock_status",
        }
        return names | self.fields

    def store_in_rows(self) -> bool:
        """Whether every row carries the store's id."""
        return self.store.in_ == "row" or (self.store.in_ == "body" and self.envelope is None)

    @model_validator(mode="after")
    def _types_fit(self) -> Self:
        if self.types.get("selling_price", "number") not in ("number", "string", "minor_units"):
            raise Problem("expected number, string or minor_units", ("types", "selling_price"))
        stock = self.types.get("stock_status", "int01")
        if stock not in ("int01", "bool", "enum"):
            raise Problem("expected int01, bool or enum", ("types", "stock_status"))
        if stock == "enum" and len(self.enum) != 3:
            raise Problem(
                "expected a word for each of in_stock, limited_stock and out_of_stock "
                f"because types.stock_status is enum, got {len(self.enum)}",
                ("enum",),
            )
        if self.enum and stock != "enum":
            raise Problem(
                f"expected enum, because words are given for it, got {stock}",
                ("types", "stock_status"),
            )
        if stock == "enum" and self.enum["out_of_stock"] in (
            self.enum["in_stock"],
            self.enum["limited_stock"],
        ):
            raise Problem(
                "expected a word of its own for out_of_stock, got that of what can be bought",
                ("enum", "out_of_stock"),
            )
        return self

    @model_validator(mode="after")
    def _names_are_apart(self) -> Self:
        names = list(self.field_names().values())
        if len(set(names)) != len(names) or not all(names):
            count = {3: "three", 4: "four"}[len(names)]
            raise Problem(f"expected {count} different names, got {', '.join(names)}", ("fields",))
        _apart(names, ("fields",))
        _apart([*names, *self.row_constants], ("row_constants",))
        if self.store_in_rows():
            _apart([*names, *self.row_constants, self.store.name], ("store", "name"))
        if self.envelope is None:
            if self.constants or (self.full is not None and self.full.constants):
                at = ("constants",) if self.constants else ("full", "constants")
                raise Problem(
                    "expected an envelope, because constants stand beside it, got none", at
                )
            return self
        beside = [self.envelope, *self.constants]
        _apart(beside, ("constants",))
        if self.store.in_ == "body":
            _apart([*beside, self.store.name], ("store", "name"))
            beside.append(self.store.name)
        if self.full is not None:
            more = [name for name in self.full.constants if name not in self.constants]
            _apart([*beside, *more], ("full", "constants"))
        return self

    @model_validator(mode="after")
    def _store_is_no_other_value(self) -> Self:
        name = self.store.name
        full = self.full or PasonsFull.model_construct()
        if self.store.in_ == "header" and name.lower() in _lower([*self.headers, *full.headers]):
            raise Problem(
                f"expected another name, got {name}, which headers has", ("store", "name")
            )
        if self.store.in_ == "query" and name in {*self.query, *full.query}:
            raise Problem(f"expected another name, got {name}, which query has", ("store", "name"))
        return self


def _lower(names: Iterable[str]) -> set[str]:
    return {name.lower() for name in names}


def _apart(names: Sequence[str], at: tuple[str, ...]) -> None:
    """Refuse names that are the same place, or one inside the other; the last is the culprit."""
    places = [tuple(name.split(".")) for name in names]
    for number, place in enumerate(places):
        if not all(place):
            raise Problem("expected names joined by single dots", at)
        for other in places[:number]:
            short = min(len(place), len(other))
            if place[:short] == other[:short]:
                raise Problem(
                    "expected a name of its own, "
                    f"got {names[number]}, which is the name of another field",
                    at,
                )


class PasonsResponse(Section):
    """How an answer tells what became of each item, and what it merely suggests.

    An item counts as applied by a result of its own that says so, or by counts that add up.
    """

    items: str | None = "results"
    """Where the results stand: a list, or an object by id. A bare list is found without it."""
    applied_items: str | None = None
    """Where a second list stands: ids, or results, of what was applied."""
    key: str | None = "sku"
    """The id's name in a result; null: results carry no id, and texts in a list are ids."""
    index: str | None = "index"
    """The name of the item's number in the request; null: not looked at. Results with neither
    key nor index are matched by their order, if there is one for each item."""
    index_base: Literal[0, 1] = 0
    status: str | None = "status"
    """The name of the word that says what became of an item; null: an error alone says so."""
    words: dict[Literal["applied", "refused", "retryable", "accepted_async"], list[Word]] = Field(
        default_factory=dict
    )
    """What words mean, as a status or as the code of an error; they go before the usual ones.
    `accepted_async`: taken for later and never told of again, which is `accepted_unverified`."""
    error: str | None = "error"
    """The name of an item's error: a text, or an object with code and message."""
    code: str | None = None
    """The name of an error's code where it stands beside the error."""
    results: Literal["all", "failures_only"] = "failures_only"
    counts: dict[Literal["received", "accepted", "rejected"], str] | None = Field(
        default_factory=dict
    )
    """Names of the counts; null: they prove nothing here."""
    success: str | None = "success"
    """Where a whole answer says whether it took anything; null: not looked at."""
    success_words: list[Word] = Field(default_factory=list)
    """What stands there if it did; empty: anything but false."""
    atomic: list[Whole] = Field(default_factory=list)
    """Statuses that refuse a whole request because of the items that the answer names: those are
    refused, the others go again without them."""
    empty: list[Whole] = Field(default_factory=lambda: [202, 204])
    """Statuses whose answer may be empty; elsewhere an empty answer says nothing: unknown."""
    if_absent: Literal["accepted_unverified", "unknown"] = "accepted_unverified"

    @field_validator("atomic")
    @classmethod
    def _atomic_refuses(cls, statuses: list[int]) -> list[int]:
        for status in statuses:
            if not 400 <= status < 500 or status in (401, 408, 413, 425, 429):
                raise ValueError(f"expected statuses such as 400, 409 or 422, got {status}")
        return statuses

    @field_validator("empty")
    @classmethod
    def _empty_succeeds(cls, statuses: list[int]) -> list[int]:
        for status in statuses:
            if not 200 <= status < 300:
                raise ValueError(f"expected statuses from 200 to 299, got {status}")
        return statuses

    @model_validator(mode="after")
    def _words_mean_one_thing(self) -> Self:
        meaning: dict[str, str] = {}
        for outcome, words in self.words.items():
            for word in words:
                other = meaning.setdefault(plain_word(word), outcome)
                if other != outcome:
                    raise Problem(
                        f"expected words of its own, got {word!r}, which is {other}, too",
                        ("words", outcome),
                    )
        return self

    @model_validator(mode="after")
    def _something_tells(self) -> Self:
        if self.results == "all" and self.status is None and self.error is None:
            raise Problem(
                "expected status or error, because a result of each item must say something, "
                "got neither",
                ("status",),
            )
        if self.success_words and self.success is None:
            raise Problem("expected the place where these words stand, got nothing", ("success",))
        return self

    @model_validator(mode="after")
    def _names_are_apart(self) -> Self:
        if self.items is not None and self.items == self.applied_items:
            raise Problem(
                f"expected another list than items, got {self.items} twice", ("applied_items",)
            )
        for at in ("index", "status", "error", "code"):
            name = getattr(self, at)
            if name is not None and name in (self.key, self.index if at != "index" else None):
                raise Problem(
                    f"expected a name of its own, got {name}, which tells the item already", (at,)
                )
        names = list((self.counts or {}).values())
        if len(set(names)) < len(names):
            raise Problem(
                f"expected different names, got {', '.join(names)}",
                ("counts",),
            )
        return self


def plain_word(value: object) -> str:
    """A word as it is compared: `Not Found`, `not-found` and `NOT_FOUND` are one."""
    return str(value).strip().lower().replace(" ", "_").replace("-", "_")


class PasonsTest(Section):
    """How a connection is tested without changing anything."""

    method: Literal["HEAD", "GET", "POST_empty_array"] = "POST_empty_array"
    path: str | None = None
    """Another path than that of the requests, `/v1/ping`."""
    expect: list[Whole] = Field(default_factory=lambda: [200, 204, 400, 405, 422], min_length=1)

    @field_validator("path")
    @classmethod
    def _path_is_absolute(cls, path: str | None) -> str | None:
        return path if path is None else _plain_path(path)

    @field_validator("expect")
    @classmethod
    def _statuses_prove_something(cls, statuses: list[int]) -> list[int]:
        for status in statuses:
            if not 200 <= status < 500 or status in _NO_PROOF:
                raise ValueError(
                    "expected statuses that only a known key is answered with "
                    f"(no redirect, 401, 403, 5xx), got {status}"
                )
        return statuses
