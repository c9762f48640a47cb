"""The section `accounts`: credentials, address and wire contract of each, one class per platform.

The values of secrets are never here, only where they are to be found.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, PrivateAttr, field_validator, model_validator

from marketsync_dagster.config.problems import Problem, smells_of_secret
from marketsync_dagster.config.scalars import Cron, Day, Name, Number, Section, Whole

PLATFORMS = ("tracker_ke", "pasons")
"""Platforms that can be named in an account; more come with their adapters."""

Schedule = Literal["partial", "full", "stock"]
"""Schedules that an account can have for itself."""


class SecretRef(Section):
    """Where a secret is to be found, never the secret itself: `{env: NAME}`."""

    env: str

    _where: str = PrivateAttr(default="")

    @model_validator(mode="before")
    @classmethod
    def _not_in_clear(cls, value: Any) -> Any:
        if not isinstance(value, dict | SecretRef):
            raise ValueError("expected a reference such as {env: NAME}, got something else")
        return value

    @field_validator("env")
    @classmethod
    def _is_a_variable(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            # what stands here by mistake may be the secret itself
            raise ValueError("expected the name of an environment variable, got something else")
        return name

    @property
    def where(self) -> str:
        """The path in marketsync.yaml, `accounts.tracker_demo.api_key`; empty if not loaded."""
        return self._where

    def found_at(self, where: str) -> None:
        """Remember the path in the file, for messages."""
        self._where = where

    def __str__(self) -> str:
        return f"{{env: {self.env}}}"


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

    @field_validator("base_url")
    @classmethod
    def _url_is_safe(cls, url: str) -> str:
        match = re.fullmatch(
            r"(https?)://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::([0-9]{1,5}))?(/[^?#@\s\\]*)?", url
        )
        if match is None or not 0 < int(match[3] or 443) < 65536:
            raise ValueError("expected https://host/path without credentials, query or fragment")
        if match[1] == "http" and not _is_loopback(match[2]):
            raise ValueError("expected https (http is for this machine only)")
        return url.rstrip("/")


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
    user: str = ""

    @field_validator("header")
    @classmethod
    def _header_is_one(cls, name: str) -> str:
        return _header_name(name)

    @model_validator(mode="after")
    def _key_is_given(self) -> Self:
        if self.scheme != "none" and self.key is None:
            raise Problem(
                f"expected a secret because the scheme is {self.scheme}, got nothing", ("key",)
            )
        return self


def _header_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
        raise ValueError("expected the name of an HTTP header")
    return name


class PasonsStore(Section):
    """Where the store's id goes in a request."""

    model_config = ConfigDict(**(Section.model_config | {"populate_by_name": True}))
    in_: Literal["path", "header", "body", "query", "none"] = Field(default="none", alias="in")
    name: str = Field(default="store_id", min_length=1)


class PasonsRequest(Section):
    """What a request looks like; the wire contract is configuration (contract section 3.2)."""

    method: Literal["POST", "PUT", "PATCH"] = "POST"
    path: str = "/v1/inventory"
    store: PasonsStore = PasonsStore()
    envelope: str | None = None
    fields: dict[Literal["sku", "selling_price", "stock_status"], str] = Field(default_factory=dict)
    types: dict[
        Literal["selling_price", "stock_status"],
        Literal["number", "string", "minor_units", "int01", "bool", "enum"],
    ] = Field(default_factory=dict)
    enum: dict[Literal["in_stock", "limited_stock", "out_of_stock"], str] = Field(
        default_factory=dict
    )
    headers: dict[str, str] = Field(default_factory=dict)
    """Sent as they are; what is secret goes into `auth`."""
    batch: Whole = Field(default=500, ge=1, le=10_000)
    max_bytes: Whole = Field(default=250_000, ge=1_000)

    @field_validator("path")
    @classmethod
    def _path_is_absolute(cls, path: str) -> str:
        if not re.fullmatch(r"/[^?#@\s\\]*", path):
            raise ValueError("expected a path that begins with / and has no query")
        return path

    @field_validator("headers")
    @classmethod
    def _headers_are_plain(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            _header_name(name)
            if smells_of_secret(name):
                raise ValueError(
                    f"expected no secret in clear: {name} belongs into auth, as {{env: NAME}}, "
                    "got one"
                )
            if not value.isascii() or not value.isprintable():
                raise ValueError(f"expected printable ASCII for {name}, got something else")
        return headers

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
        names = [
            self.fields.get("sku", "sku"),
            self.fields.get("selling_price", "selling_price"),
            self.fields.get("stock_status", "stock_status"),
        ]
        if len(set(names)) != 3 or not all(names):
            raise Problem(f"expected three different names, got {', '.join(names)}", ("fields",))
        return self


class PasonsResponse(Section):
    """How per-item results are found in an answer."""

    items: str | None = "results"
    key: str = "sku"
    status: str = "status"
    error: str = "error"
    results: Literal["all", "failures_only"] = "failures_only"
    if_absent: Literal["accepted_unverified", "unknown"] = "accepted_unverified"


class PasonsTest(Section):
    method: Literal["HEAD", "GET", "POST_empty_array"] = "POST_empty_array"
    expect: list[Whole] = Field(default_factory=lambda: [200, 204, 400, 405, 422])


class PasonsAccount(AccountBase):
    """A Pasons outlet: one endpoint and key per outlet (contract section 3)."""

    platform: Literal["pasons"]
    auth: PasonsAuth
    request: PasonsRequest = PasonsRequest()
    response: PasonsResponse = PasonsResponse()
    full_push: Literal["upsert", "replace"] = "upsert"
    test_connection: PasonsTest = PasonsTest()


Account = Annotated[TrackerAccount | PasonsAccount, Field(discriminator="platform")]
