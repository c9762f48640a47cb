"""The section `accounts`: credentials, address and wire contract of each, one class per platform.

The values of secrets are never here, only where they are to be found.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, PrivateAttr, field_validator, model_validator

from marketsync_dagster.config.mirakl import MiraklCalls, MiraklImports, MiraklOffer, MiraklParts
from marketsync_dagster.config.pasons import (
    STORE_PLACE,
    PasonsFull,
    PasonsRequest,
    PasonsResponse,
    PasonsStore,
    PasonsTest,
    header_name,
    only_the_store_is_filled_in,
)
from marketsync_dagster.config.problems import Problem
from marketsync_dagster.config.qikink import QikinkParts, QikinkProducts
from marketsync_dagster.config.scalars import Cron, Day, Name, Number, Section, Whole

__all__ = [
    "PLATFORMS",
    "Account",
    "AccountBase",
    "MiraklAccount",
    "MiraklCalls",
    "MiraklImports",
    "MiraklOffer",
    "PasonsAccount",
    "PasonsAuth",
    "PasonsFull",
    "PasonsRequest",
    "PasonsResponse",
    "PasonsStore",
    "PasonsTest",
    "QikinkAccount",
    "QikinkProducts",
    "Quota",
    "Reconcile",
    "Retry",
    "Schedule",
    "SecretRef",
    "Timeouts",
    "TrackerAccount",
    "secret_name",
]

Schedule = Literal["partial", "full", "stock", "products"]
"""Schedules that an account can have for itself."""


_LIKE_A_VALUE = re.compile(r"(?:pk|sk)_|(?=.*[0-9])[a-z0-9]{20,}$")
"""What is given as a name by mistake may be the secret itself."""


def secret_name(text: str) -> str:
    """`text` if it can be the name of a stored secret; ValueError, without it, if not."""
    if not re.fullmatch(r"[a-z0-9_]{1,64}", text) or _LIKE_A_VALUE.match(text):
        raise ValueError(
            "expected the name of a stored secret (lower-case letters, digits and underscores), "
            "got something else"
        )
    return text


class SecretRef(Section):
    """Where a secret is to be found, never the secret itself: `{env: NAME}`, an environment
    variable, or `{secret: NAME}`, what `marketsync secrets set NAME` has stored."""

    env: str | None = None
    secret: str | None = None

    _where: str = PrivateAttr(default="")

    @model_validator(mode="before")
    @classmethod
    def _not_in_clear(cls, value: Any) -> Any:
        if not isinstance(value, dict | SecretRef):
            raise ValueError("expected a reference such as {env: NAME}, got something else")
        return value

    @field_validator("env")
    @classmethod
    def _is_a_variable(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            # what stands here by mistake may be the secret itself
            raise ValueError("expected the name of an environment variable, got something else")
        return name

    @field_validator("secret")
    @classmethod
    def _is_a_name(cls, name: str | None) -> str | None:
        return name if name is None else secret_name(name)

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        if (self.env is None) == (self.secret is None):
            got = "nothing" if self.env is None else "both"
            raise Problem(f"expected either {{env: NAME}} or {{secret: NAME}}, got {got}")
        return self

    @property
    def words(self) -> str:
        """What it refers to, for messages: `environment variable X`, `stored secret x`."""
        return (
            f"stored secret {self.secret}"
            if self.env is None
            else (f"environment variable {self.env}")
        )

    @property
    def how_to_set(self) -> str:
        """The command that sets it."""
        return (
            f"marketsync secrets set {self.secret}"
            if self.env is None
            else f"export {self.env}=..."
        )

    @property
    def where(self) -> str:
        """The path in marketsync.yaml, `accounts.tracker_demo.api_key`; empty if not loaded."""
        return self._where

    def found_at(self, where: str) -> None:
        """Remember the path in the file, for messages."""
        self._where = where

    def __str__(self) -> str:
        return f"{{secret: {self.secret}}}" if self.env is None else f"{{env: {self.env}}}"


class Quota(Section):
    """What a platform allows one account."""

    per_minute: Whole | None = Field(default=60, ge=1)
    """Calls in any sliding minute; null: no limit."""
    concurrency: Whole = Field(default=4, ge=1, le=8)
    pause_s: Number = Field(default=0.0, ge=0)
    """Pause between two batches of one push."""


class Timeouts(Section):
    connect_s: Number = Field(default=5, gt=0)
    read_s: Number = Field(default=30, gt=0)


class Retry(Section):
    """How often one call is tried, and how long all tries of one push may take."""

    attempts: Whole = Field(default=3, ge=1, le=10)
    base_s: Number = Field(default=1.0, ge=0)
    cap_s: Number = Field(default=60.0, ge=0)
    budget_s: Number = Field(default=300.0, ge=0)
    retry_after_cap_s: Number = Field(default=300.0, ge=0)


class Reconcile(Section):
    """How what a platform shows is compared with what it acknowledged, where it can be read."""

    most: Whole | None = Field(default=1_000, ge=1)
    """Listings that one run asks for by name, a call each; those that were read longest ago come
    first. null: all. What a platform lists by pages is not asked for by name while it agrees."""
    grace_s: Number = Field(default=120, ge=0)
    """What was acknowledged less than so long ago may not be shown yet."""


class AccountBase(Section):
    """What every account says, whatever its platform."""

    base_url: str
    quota: Quota = Quota()
    timeouts: Timeouts = Timeouts()
    retry: Retry = Retry()
    catalog: Name | None = None
    """Scope shared by accounts that list the same platform catalogue; default: the account."""
    rotated_on: Day | None = None
    schedules: dict[Schedule, Cron] = Field(default_factory=dict)
    """Instead of the common schedule of that name; null: none for this account."""
    reconcile: Reconcile = Reconcile()

    def secret_references(self) -> Iterator[tuple[tuple[str, ...], SecretRef]]:
        """Every secret that the account refers to, and where, in the order of the classes."""
        yield from _references(self, ())

    @field_validator("base_url")
    @classmethod
    def _url_is_safe(cls, url: str) -> str:
        return _safe_url(url)


def _safe_url(url: str) -> str:
    """`url` without a slash at its end; ValueError where no secret should be sent to it."""
    match = re.fullmatch(
        r"(https?)://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::([0-9]{1,5}))?(/[^?#@\s\\]*)?", url
    )
    if match is None or not 0 < int(match[3] or 443) < 65536:
        raise ValueError("expected https://host/path without credentials, query or fragment")
    if match[1] == "http" and not _is_loopback(match[2]):
        raise ValueError("expected https (http is for this machine only)")
    return url.rstrip("/")


def _references(
    section: Section, at: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], SecretRef]]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, SecretRef):
            yield (*at, name), value
        elif isinstance(value, Section):
            yield from _references(value, (*at, name))


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:  # a name: it could resolve to any address
        return False


class TrackerAccount(AccountBase):
    """A Tracker KE key: one price per product per key (contract sections 2.2, 2.4, 2.6)."""

    platform: Literal["tracker_ke"]
    api_key: SecretRef
    api_secret: SecretRef | None = None
    signing: Literal["none", "tracker_doc", "canonical_v1"] = "none"
    timestamp_unit: Literal["s", "ms"] = "s"
    empty_body: Literal["{}", ""] = "{}"
    send_secret: bool = False
    """The doc's "Method 1", the secret in clear in `X-API-Secret`: off unless asked for."""
    environment: Literal["demo", "live"] | None = None
    """Refuses a key of the other kind (`pk_demo_`, `pk_live_`) before any call."""
    supermarket: str | None = Field(default=None, min_length=1)
    """Our name among the prices that a product shows (`current_prices`); null: the only one at the
    channel's location is ours. Needed for reading back alone."""
    batch: Whole = Field(default=100, ge=1, le=500)
    max_bytes: Whole = Field(default=90_000, ge=1_000)

    @model_validator(mode="after")
    def _signing_needs_a_secret(self) -> Self:
        if self.api_secret is None and self.signing != "none":
            raise Problem(
                f"expected a secret because signing is {self.signing}, got nothing",
                ("api_secret",),
            )
        if self.api_secret is None and self.send_secret:
            raise Problem(
                "expected a secret because send_secret is true, got nothing", ("api_secret",)
            )
        return self


class PasonsAuth(Section):
    scheme: Literal["bearer", "header", "basic", "none"] = "bearer"
    key: SecretRef | None = None
    header: str = "X-API-Key"
    prefix: str = ""
    """With the scheme `header`, what stands before the key: `Token `."""
    user: str = ""
    """With the scheme `basic`; the key is its password."""
    secret: SecretRef | None = None
    """A second secret, sent beside the key in a header of its own."""
    secret_header: str = "X-API-Secret"  # noqa: S105 - the name of a header

    @field_validator("header", "secret_header")
    @classmethod
    def _header_is_one(cls, name: str) -> str:
        return header_name(name)

    @field_validator("prefix", "user")
    @classmethod
    def _text_is_plain(cls, text: str) -> str:
        if not text.isascii() or not text.isprintable():
            raise ValueError("expected printable ASCII, got something else")
        return text

    @model_validator(mode="after")
    def _key_is_given(self) -> Self:
        if self.scheme != "none" and self.key is None:
            raise Problem(
                f"expected a secret because the scheme is {self.scheme}, got nothing", ("key",)
            )
        if self.scheme == "none" and self.key is not None:
            raise Problem("expected no key, because the scheme is none, got one", ("key",))
        if self.user and self.scheme != "basic":
            raise Problem(
                f"expected nothing, because the scheme is {self.scheme}, got a user", ("user",)
            )
        if self.scheme == "basic" and ":" in self.user:
            raise Problem("expected a name without a colon, got one with it", ("user",))
        if self.prefix and self.scheme != "header":
            raise Problem(
                f"expected nothing, because the scheme is {self.scheme}, got a prefix", ("prefix",)
            )
        if self.secret is not None and self.secret_header.lower() in self.taken():
            raise Problem(
                f"expected a header of its own, got {self.secret_header}, which carries the key",
                ("secret_header",),
            )
        return self

    def taken(self) -> frozenset[str]:
        """The headers, in lower case, that carry credentials besides `secret_header`."""
        if self.scheme == "none":
            return frozenset()
        return frozenset({self.header.lower() if self.scheme == "header" else "authorization"})


class PasonsAccount(AccountBase):
    """A Pasons outlet: one endpoint and key per outlet (contract section 3)."""

    platform: Literal["pasons"]
    auth: PasonsAuth
    request: PasonsRequest = PasonsRequest()
    response: PasonsResponse = PasonsResponse()
    full_push: Literal["upsert", "replace"] = "upsert"
    """What a full push does to what it leaves out: nothing, or takes it off sale."""
    test_connection: PasonsTest = PasonsTest()

    def carries_the_store(self) -> bool:
        """Whether any request tells the store: in header, body or query, or in its URL."""
        paths = [self.test_connection.path or ""]
        if self.request.full is not None:
            paths.append(self.request.full.path or "")
        return self.tells_the_store() or any(STORE_PLACE in path for path in paths)

    def tells_the_store(self) -> bool:
        """Whether ordinary pushes tell it, so that stores can share an address."""
        request = self.request
        in_body = request.store.in_ in ("header", "body", "row", "query")
        return in_body or STORE_PLACE in self.base_url + request.path

    @field_validator("base_url")
    @classmethod
    def _only_the_store_is_filled_in(cls, url: str) -> str:
        only_the_store_is_filled_in(url)
        return url

    @model_validator(mode="after")
    def _full_pushes_tell_the_store_too(self) -> Self:
        request = self.request
        full = None if request.full is None else request.full.path
        in_path = request.store.in_ in ("path", "none") and STORE_PLACE in request.path
        if full is not None and in_path and STORE_PLACE not in self.base_url + full:
            raise Problem(
                f"expected {STORE_PLACE}, because request.path has it, got a path for every store",
                ("request", "full", "path"),
            )
        return self

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        request = self.request
        if request.full is not None and self.full_push != "replace":
            raise Problem(
                f"expected full_push: replace, because request.full is given, got {self.full_push}",
                ("full_push",),
            )
        credentials = set(self.auth.taken())
        if self.auth.secret is not None:
            credentials.add(self.auth.secret_header.lower())
        places: dict[tuple[str, ...], list[str]] = {("request", "headers"): list(request.headers)}
        if request.full is not None:
            places["request", "full", "headers"] = list(request.full.headers)
        if request.store.in_ == "header":
            places["request", "store", "name"] = [request.store.name]
        for at, names in places.items():
            for name in names:
                if name.lower() in credentials:
                    raise Problem(
                        f"expected another header, got {name}, which carries the credentials", at
                    )
        return self


_AN_HOUR_S = 3600.0
"""Mirakl counts the calls of an hour, and one more makes a ban longer: it is waited for."""


class MiraklAccount(MiraklParts, AccountBase):
    """A shop on a marketplace that Mirakl runs, such as Best Buy's (contract section 6)."""

    platform: Literal["mirakl"]
    retry: Retry = Retry(retry_after_cap_s=_AN_HOUR_S)
    api_key: SecretRef
    """Goes as it is into `Authorization`, without `Bearer`."""

    @field_validator("retry", mode="before")
    @classmethod
    def _waits_an_hour(cls, given: Any) -> Any:
        return {"retry_after_cap_s": _AN_HOUR_S, **given} if isinstance(given, dict) else given


class QikinkAccount(QikinkParts, AccountBase):
    """A client of Qikink, which prints on demand: it fulfils orders and lists nothing (contract
    section 5)."""

    platform: Literal["qikink"]
    quota: Quota = Quota(per_minute=30)
    client_id: SecretRef
    client_secret: SecretRef

    @field_validator("token_url")
    @classmethod
    def _token_url_is_safe(cls, url: str | None) -> str | None:
        return None if url is None else _safe_url(url)

    @model_validator(mode="after")
    def _fits_the_profile(self) -> Self:
        for key, said in (
            ("signing", self.signing != "none"),
            ("idempotency_key", self.idempotency_key),
            ("token_url", self.token_url is not None),
        ):
            if said and self.profile == "real":
                raise Problem("expected nothing, because profile real has no such thing", (key,))
        return self


Account = Annotated[
    TrackerAccount | PasonsAccount | MiraklAccount | QikinkAccount,
    Field(discriminator="platform"),
]
PLATFORMS: tuple[str, ...] = tuple(
    get_args(kind.model_fields["platform"].annotation)[0] for kind in get_args(get_args(Account)[0])
)
"""Platforms that can be named in an account; more come with their adapters."""
