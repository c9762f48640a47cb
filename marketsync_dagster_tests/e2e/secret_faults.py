"""What can befall a call: every fault of the sandbox, and answers that repeat a secret.

Lists of scenarios for one account, in an order in which few runs meet all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

OUTLETS = ("north", "south", "east", "west")
FAILING: list[dict[str, Any]] = [
    {"kind": "echo_secret"},
    {"kind": "echo_secret", "status": 503},
    {"kind": "html_200"},
    {"kind": "truncated_json"},
    {"kind": "gzip_error"},
    {"kind": "empty_204"},
    {"kind": "big_error_body", "mb": 0.2},
    {"kind": "retry_after", "form": "float", "value": 0.01},
    {"kind": "apply_then_hang", "seconds": 2},
    {"kind": "apply_then_reset"},
    {"kind": "apply_then_reset", "reset": True},
    {"kind": "hang", "seconds": 2},
    {"kind": "reset"},
    {"kind": "slow_drip", "bytes_per_s": 1},
]
"""Faults after which the same call is tried again."""
ANSWERED: list[dict[str, Any]] = [
    {"kind": "echo_secret", "status": 400},
    {"kind": "short_results"},
    {"kind": "wrong_ids"},
    {"kind": "more_results"},
    {"kind": "reversed_results"},
    {"kind": "drop_silently"},
    {"kind": "price_damage"},
    {"kind": "bom_json"},
    {"kind": "close_on_reuse"},
]
"""Faults that leave nothing to try again."""
PAGES: list[dict[str, Any]] = [{"kind": "page_drift"}, {"kind": "duplicate_page"}]
STOPPERS: list[dict[str, Any]] = [
    {"kind": "revoke_key"},
    {"kind": "token_dies"},
    {"kind": "echo_secret", "status": 404},
    {"kind": "echo_secret", "status": 403},
]
"""Faults after which a push says no more; each outlet has one of them."""
RUN = 5
"""So many failures in a row that no platform counts as down."""


def failing(secret: str) -> list[dict[str, Any]]:
    """Answers that repeat a secret where programs look for words and figures."""
    page = f"<html><title>{'x' * 190} {secret}</title><p>{secret}</p></html>"
    return [
        {"kind": "status", "status": 500, "body": page},
        {"kind": "status", "status": 500, "body": "y" * (500 - len(secret) // 2) + secret},
        {
            "kind": "status",
            "status": 503,
            "body": {"error": {"code": secret, "message": f"no {secret}", "retry_after": secret}},
            "headers": {"X-Request-Id": secret, "Retry-After": secret, "Content-Encoding": secret},
        },
    ]


def answered(secret: str) -> list[dict[str, Any]]:
    """The same in answers that settle a call."""
    return [
        {"kind": "item_error", "position": 0, "error": f"not allowed for {secret}"},
        {"kind": "status", "status": 400, "body": {"detail": [{"loc": [secret], "got": secret}]}},
    ]


def stopping(secrets: Sequence[str], outlet: str) -> list[dict[str, Any]]:
    """What ends a push: credentials refused, and a redirect that carries them along."""
    plain = secrets[0].replace("_", "").isalnum()
    host = secrets[0] if plain else "elsewhere"  # taken apart, a URL has its host in lower case
    return [
        {"kind": "redirect", "location": f"https://{host}.invalid/?key={'&'.join(secrets)}"},
        {"kind": "echo_secret", "status": 401},
        STOPPERS[OUTLETS.index(outlet)],
    ]


def push_faults(secrets: Sequence[str], outlet: str) -> list[dict[str, Any]]:
    """Everything that can befall a push, in an order in which one push meets most of it."""
    return [*_pushed(secrets, []), *stopping(secrets, outlet)]


def import_faults(secrets: Sequence[str], outlet: str) -> list[dict[str, Any]]:
    """The same of a push by imports, and how these may go on."""
    (secret,) = secrets
    imports = [
        {"kind": "import_fails", "reason": f"no import of {secret} at line 2"},
        {"kind": "import_errors", "message": f"not allowed for {secret}"},
        {"kind": "older_import"},
        {"kind": "status", "status": 201, "body": {"import_id": secret}},
        {"kind": "import_stuck", "seconds": 0.1},
    ]
    redirect, refused, other = stopping(secrets, outlet)
    return [*_pushed(secrets, imports), redirect, refused if outlet == OUTLETS[0] else other]


def _pushed(secrets: Sequence[str], more: list[dict[str, Any]]) -> list[dict[str, Any]]:
    retried = [fault for secret in secrets for fault in failing(secret)] + FAILING
    settled = [fault for secret in secrets for fault in answered(secret)] + more + ANSWERED
    mixed: list[dict[str, Any]] = []
    while retried or settled:
        mixed += [*settled[:1], *retried[:RUN]]
        settled, retried = settled[1:], retried[RUN:]
    return mixed


def product_faults(secrets: Sequence[str], outlet: str) -> list[dict[str, Any]]:
    """What can befall products that are offered: the first ends one run, the rest another."""
    retried = [fault for secret in secrets for fault in failing(secret)]
    return [
        {"kind": "echo_secret", "status": 401},
        *FAILING[:2],
        *retried,
        *answered(secrets[0])[:1],
    ]


def page_faults(secrets: Sequence[str], outlet: str) -> list[dict[str, Any]]:
    """What can befall a catalogue that is read."""
    few = [*FAILING[:5], *failing(secrets[-1]), *PAGES]
    return [*few, *stopping(secrets, outlet)[:2]]


def status_faults(secrets: Sequence[str], outlet: str) -> list[dict[str, Any]]:
    """What can befall a call that asks how imports stand."""
    (secret,) = secrets
    said = {"import_id": secret, "status": secret, "reason_status": secret}
    told = {"kind": "status", "status": 200, "body": {**said, "data": [said]}}
    return [*failing(secret), {"kind": "echo_secret", "status": 400}, told, *FAILING[:4]]


def report_faults(secrets: Sequence[str], outlet: str) -> list[dict[str, Any]]:
    """What can befall a call for the report of an import."""
    (secret,) = secrets
    table = {"kind": "status", "status": 200, "body": f'"{secret}";"{secret}"\n"2";"x'}
    return [
        {"kind": "report_late", "seconds": 0.05},
        {"kind": "report_malformed"},
        {"kind": "echo_secret", "status": 400},
        *failing(secret),
        table,
    ]


def shown_page_faults(secrets: Sequence[str], outlet: str) -> list[dict[str, Any]]:
    """What can befall the reading of offers for the mapping."""
    lists = [{"kind": "orders_move"}, {"kind": "index_lag"}, {"kind": "repeat_rows", "rows": 1}]
    return [FAILING[0], *failing(secrets[-1]), *lists, {"kind": "wrong_total"}]


def shown_faults(secrets: Sequence[str], outlet: str) -> list[dict[str, Any]]:
    """What can befall the reading of what is shown, and reasons that are shown with it."""
    (secret,) = secrets
    offer = {
        "shop_sku": "00001",
        "product_sku": "prod_00001",
        "price": 1,
        "quantity": 1,
        "active": False,
        "inactivity_reasons": [secret],
        "currency_iso_code": secret,
    }
    page = {"offers": [offer], "total_count": 1}
    told = {"kind": "status", "status": 200, "body": page}
    return [FAILING[0], *failing(secret), told]


def account_faults(secrets: Sequence[str], outlet: str) -> list[dict[str, Any]]:
    """A shop that tells of itself what nobody should."""
    (secret,) = secrets
    names = ("shop_name", "currency_iso_code", "shop_state")
    return [{"kind": "status", "status": 200, "body": dict.fromkeys(names, secret)}]
