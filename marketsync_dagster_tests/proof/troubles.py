"""Every way in which a platform, or the way to it, misbehaves during a push, and how that ends.

The table is what `docs/faults.md` is written from; `matrix` runs it. `End` is of six rows in three
batches of two over one connection, two attempts per batch.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class End:
    """What a trouble comes to."""

    rows: str
    """Outcomes of the six rows, as the ledger keeps them."""
    calls: int
    """HTTP attempts, each in the ledger."""
    state: str
    """Of the channel in this run; `not shown` makes it red."""
    history: str
    """The push's word in the history: success, partial, failed."""
    again: int = 0
    """How many rows the next ordinary run sends, once the platform is well."""
    silent: bool = False
    """A run that comes earlier than the platform wants makes no call."""
    left: int = 0
    """Rows that the platform does not show even then: only a full push mends them."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One behaviour; `address` stands for one that is met before any request is sent."""

    name: str
    tracker_ke: End
    pasons: End
    action: dict[str, Any] = field(default_factory=dict)
    times: int | None = 1
    """How often; None: for the whole run."""
    match: dict[str, Any] = field(default_factory=lambda: {"nth": 2})
    address: str = ""
    account: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What the account says otherwise than the others."""

    def end(self, platform: str) -> End:
        """What it comes to on a platform."""
        return self.tracker_ke if platform == "tracker_ke" else self.pasons


def _at(name: str, address: str, **account: Any) -> Trouble:
    """Nothing can be sent: an address that is none."""
    end = End("6 retryable", 2, "not shown", "failed", again=6)
    return Trouble(name, end, end, address=address, account=account)


def _once(name: str, kind: str, tracker: End, pasons: End | None = None, /, **said: Any) -> Trouble:
    """It strikes the second of three requests."""
    account = said.pop("account", {})
    return Trouble(name, tracker, pasons or tracker, {"kind": kind, **said}, account=account)


def _ever(name: str, kind: str, tracker: End, pasons: End | None = None, /, **said: Any) -> Trouble:
    """It goes on as long as the run does."""
    account = said.pop("account", {})
    action = {"kind": kind, **said}
    return Trouble(name, tracker, pasons or tracker, action, None, {}, account=account)


_QUICK = {"timeouts": {"connect_s": 0.3, "read_s": 0.15}}
_SHORT = {"retry": {"retry_after_cap_s": 0.2}}
_BRIEF = {"retry": {"budget_s": 0.5}}
_OTHER = {"hello": "world"}
_NO = {"success": False, "error": {"code": "INVALID_REQUEST", "message": "no"}}

FINE = End("6 applied", 3, "pushed", "success")
MENDED = End("6 applied", 4, "pushed", "success")
"""Tried once more within the run."""
UNPROVEN = End("4 applied, 2 accepted_unverified", 3, "pushed", "success")
UNTRUE = replace(UNPROVEN, left=2)
"""Held to be taken, by configuration or because Pasons says that it works on it; not stored."""
REFUSED = End("4 applied, 2 refused", 3, "refused rows", "partial", left=2)
ADDRESS = End("2 applied, 2 refused, 2 retryable", 2, "not shown", "partial", again=2, left=2)
"""The platform's word is about the address or the account: no other batch is tried."""
SILENT = End("4 retryable, 2 unknown", 2, "not shown", "failed", again=6)
DOWN = End("6 retryable", 2, "not shown", "failed", again=6)
ELSEWHERE = End("2 refused, 4 retryable", 1, "not shown", "failed", again=4, left=2)
LIED = End("6 applied", 3, "pushed", "success", left=2)

TROUBLES: dict[str, tuple[Trouble, ...]] = {
    "Nothing can be sent": (
        _at("nobody listens at the address", "closed"),
        _at("connecting runs into its timeout, before anything is sent", "deaf", **_QUICK),
        _at("the host's name cannot be resolved", "unknown"),
        _at("TLS with a certificate that nobody vouches for", "untrusted"),
    ),
    "The connection breaks": (
        _once(
            "timeout, after the batch was applied",
            "apply_then_hang",
            MENDED,
            seconds=2,
            account=_QUICK,
        ),
        _once("timeout, the batch was not applied", "hang", MENDED, seconds=2, account=_QUICK),
        _ever("timeouts for ever", "hang", SILENT, seconds=2, account=_QUICK),
        _once("reset before the batch was applied", "reset", MENDED),
        _once(
            "reset after applying, before the first byte of the answer",
            "apply_then_reset",
            MENDED,
            reset=True,
        ),
        _once("reset in the middle of the body", "apply_then_reset", MENDED),
        _ever("resets for ever", "reset", SILENT),
        _ever("applied and reset, for ever", "apply_then_reset", SILENT),
        _once("a kept connection is cut when it is used again", "close_on_reuse", MENDED),
        _once("a body at one byte per second", "slow_drip", MENDED, bytes_per_s=1, account=_QUICK),
    ),
    "A 2xx that is none": (
        _once("200 with a web page", "html_200", MENDED),
        _once("200 with a web page, and applied", "html_200", MENDED, applied=True),
        _ever("200 with web pages for ever", "html_200", SILENT),
        _once("200 with truncated JSON", "truncated_json", MENDED),
        _ever("200 with truncated JSON for ever", "truncated_json", SILENT),
        _once("200 with truncated gzip", "gzip_error", MENDED),
        _once("200 with a byte order mark before the JSON", "bom_json", FINE),
        _once("200 with JSON of another kind", "status", MENDED, UNTRUE, status=200, body=_OTHER),
        _once("200 with an empty body", "status", MENDED, status=200, body=""),
        _once("200 that says `success: false`", "status", REFUSED, status=200, body=_NO),
        _once(
            "202, and no word of how it ended", "status", MENDED, UNTRUE, status=202, body=_OTHER
        ),
        _once("204", "empty_204", MENDED, UNPROVEN),
    ),
    "Some of the batch": (
        _once(
            "200 with one item refused",
            "item_error",
            End("5 applied, 1 refused", 3, "refused rows", "partial", left=1),
            position=1,
            error="Product not found",
        ),
        _once("200 with a passing error of one item", "item_error", MENDED, position=1),
        _once("200 with fewer results than items", "short_results", MENDED),
        _once("200 with results of other items", "wrong_ids", MENDED),
    ),
    "Redirects": (
        _ever("301 to another host: not followed, no credential leaves", "redirect", ELSEWHERE),
        _ever(
            "307 to another path of the host: not followed",
            "redirect",
            ELSEWHERE,
            location="/elsewhere",
            code=307,
        ),
    ),
    "Refusals": (
        _once("400", "status", REFUSED, status=400),
        _once(
            "401 once",
            "token_dies",
            End("2 applied, 4 auth_failed", 2, "not shown", "partial", again=4),
        ),
        _ever(
            "401 for ever", "revoke_key", End("6 auth_failed", 1, "not shown", "failed", again=6)
        ),
        _once("403", "status", ADDRESS, status=403),
        _once("404", "status", ADDRESS, status=404),
        _once("409", "status", REFUSED, status=409),
        _once(
            "413: the batch is sent in halves",
            "status",
            End("6 applied", 5, "pushed", "success"),
            status=413,
        ),
        _ever(
            "413 for every request, even of one item",
            "status",
            End("6 refused", 9, "refused rows", "failed", left=6),
            status=413,
        ),
        _once("422", "status", REFUSED, status=422),
    ),
    "Asked to wait": (
        _once("429 with seconds", "retry_after", MENDED, form="float", value=0.2),
        _once("429 with an HTTP date", "retry_after", MENDED, form="http_date", value=1),
        _once(
            "429 with an HTTP date by a clock that is two hours off",
            "retry_after",
            MENDED,
            form="http_date",
            value=1,
            date_skew_s=7200,
        ),
        _once(
            "429 without a figure (on Tracker KE: a minute, here capped)",
            "retry_after",
            MENDED,
            form="none",
            account=_SHORT,
        ),
        _once("429 with a negative figure", "retry_after", MENDED, form="negative"),
        _once(
            "429 with 86400 seconds: more than the run's patience",
            "retry_after",
            End("2 applied, 4 retryable", 2, "not shown", "partial", again=4, silent=True),
            form="huge",
        ),
        _ever(
            "429 for ever: until the run's patience is spent",
            "retry_after",
            End("6 retryable", 3, "not shown", "failed", again=6),
            form="float",
            value=0.2,
            account=_BRIEF,
        ),
    ),
    "Out of order": (
        _once("500 once", "status", MENDED, status=500),
        _ever("500 for ever", "status", DOWN, status=500),
        _once("503 once", "status", MENDED, status=503),
        _ever("503 for ever", "status", DOWN, status=503),
        _once("an error page of 10 MB: its beginning is read", "big_error_body", MENDED, mb=10),
        _once("an error that repeats our key and signature: masked", "echo_secret", MENDED),
    ),
    "Answers that lie": (
        _once("taken, not stored, and nothing said", "drop_silently", LIED),
        _once(
            "stored at a hundred times the price, and nothing said",
            "price_damage",
            LIED,
            mode="x100",
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """One trouble of a platform's catalogue while its three pages are read."""

    name: str
    rows: int
    """Products known afterwards, of 250 (251 where one was added meanwhile)."""
    calls: int
    state: str
    """`failed`: the copy from before stays in force, and the run is red."""
    action: dict[str, Any]
    times: int | None = 1


KNOWN_BEFORE = 250
READINGS = (
    Reading("a page that repeats the one before", 250, 6, "done", {"kind": "duplicate_page"}),
    Reading("a product is added while it is read", 251, 6, "done", {"kind": "page_drift"}),
    Reading(
        "a product goes while it is read",
        250,
        6,
        "done",
        {"kind": "page_drift", "insert": 0, "remove": 1},
    ),
    Reading("500 once", 250, 4, "done", {"kind": "status", "status": 500}),
    Reading("500 for ever", 250, 3, "failed", {"kind": "status", "status": 500}, None),
    Reading("truncated JSON once", 250, 4, "done", {"kind": "truncated_json"}),
    Reading("reset once", 250, 4, "done", {"kind": "reset"}),
    Reading("a web page for ever", 250, 3, "failed", {"kind": "html_200"}, None),
    Reading(
        "JSON of another kind", 250, 2, "failed", {"kind": "status", "status": 200, "body": {}}
    ),
    Reading("401", 250, 2, "failed", {"kind": "revoke_key"}),
    Reading("301 to another host", 250, 2, "failed", {"kind": "redirect"}),
    Reading(
        "429 with seconds", 250, 4, "done", {"kind": "retry_after", "form": "float", "value": 0.2}
    ),
    Reading(
        "429 with 86400 seconds: no call before that is over",
        250,
        2,
        "failed",
        {"kind": "retry_after", "form": "huge"},
    ),
)
