"""Who may call Qikink, and how often: forms, tokens, secrets, the minute. Both profiles."""

from __future__ import annotations

import hmac
import math
from urllib.parse import parse_qsl

from marketsync_dagster.sandbox.qikink_accounts import QikinkAccount
from marketsync_dagster.sandbox.shown import QIKINK
from marketsync_dagster.sandbox.wire import Request
from marketsync_dagster.sandbox.world import World

FORM = "application/x-www-form-urlencoded"


def is_type(request: Request, wanted: str) -> bool:
    """Whether a request says that its body is of a type."""
    return request.header("content-type").partition(";")[0].strip().lower() == wanted


def form_of(request: Request) -> dict[str, str]:
    """The fields of a form; empty for anything else."""
    if not is_type(request, FORM) or len(request.body) > 65_536:
        return {}
    try:
        text = request.body.decode()
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=100))
    except ValueError:
        return {}


def knows_secret(account: QikinkAccount, given: str) -> bool:
    """Whether a text is one of the client's secrets; every one is compared."""
    found = False
    for secret in account.secrets:
        found |= hmac.compare_digest(secret.encode(), given.encode("utf-8", "surrogatepass"))
    return found


def wait_of(world: World, account: QikinkAccount) -> int | None:
    """Count a call, or say for how many seconds there may be none."""
    if not world.settings.quota or account.per_minute is None:
        return None
    window = world.window(QIKINK, account.client_id)
    wait = window.admit(world.now(), account.per_minute, None)
    return None if wait is None else math.ceil(wait)
