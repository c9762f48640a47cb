"""Telling people: all that is due goes out in one message, with one apprise call.

What there is to tell is `stages.troubles`; what was told is journalled in `ledger.alerts`, before
the call and after it. Product names and platforms' answers come from outside: `plain` makes them
harmless wherever the message is shown.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from marketsync_dagster.config.accounts import SecretRef
from marketsync_dagster.ledger import alerts
from marketsync_dagster.ledger.alerts import Alert, Trouble
from marketsync_dagster.ledger.leases import release, take_lease
from marketsync_dagster.values.errors import Busy, MarketSyncError
from marketsync_dagster.values.redact import register_secret, scrub
from marketsync_dagster.values.times import from_iso, to_iso, utcnow

if TYPE_CHECKING:
    from marketsync_dagster.stages.project import Project

LEASE = "alerts"
TIMEOUT_S = 20.0
LEASE_S = 120.0
SHOWN = 12
"""Troubles that one message names; the others are counted."""
LONGEST = 1900
"""Characters of a message: the shortest limit among the usual chat services is 2,000."""
_LINE = 260
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 30.0, 3600.0
_SECRET_PART = 10
_HARMLESS = str.maketrans({"<": "‹", ">": "›", "`": "'", "*": "∗", "|": "¦", "\\": "/"})
# controls, line ends, and what turns text around or hides it
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+")


@dataclass(frozen=True, slots=True)
class Told:
    """What one message came to at one target; `error` is empty where it was taken."""

    target: str
    """The reference in the configuration, never the address."""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What one round of telling came to."""

    alerts: int = 0
    """How many troubles were told of, to at least one target."""
    waiting: int = 0
    """How many are told later."""
    reasons: tuple[str, ...] = ()


# --- words ---------------------------------------------------------------------------------------


def plain(text: str, most: int = _LINE) -> str:
    """`text` in one line without markup, mentions or links; `most` characters of it."""
    text = _INVISIBLE.sub(" ", scrub(text)).translate(_HARMLESS)
    text = text.replace("@", "(at)").replace("://", ": //").replace("](", "] (")
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def compose(told: Sequence[Alert], place: str) -> tuple[str, str]:
    """Title and body of the one message about all of `told`."""
    new = [alert for alert in told if alert.state == "open"]
    over = [alert for alert in told if alert.state != "open"]
    if len(told) == 1:
        title = ("over: " if over else "") + plain(told[0].title, 120)
    else:
        counts = [f"{len(new)} new" if new else "", f"{len(over)} over" if over else ""]
        title = f"{', '.join(filter(None, counts))} ({_kinds(told)})"
    lines: list[str] = []
    left = SHOWN
    for alert in new[:left]:
        lines.append(f"- {plain(alert.title)}: {plain(alert.message)}")
        if alert.next_step:
            lines.append(f"  next: {plain(alert.next_step)}")
    left = max(left - len(new), 3)
    lines += [f"- over: {plain(alert.title)} (since {alert.at[:16]}Z)" for alert in over[:left]]
    hidden = max(len(new) - SHOWN, 0) + max(len(over) - left, 0)
    tail = [f"and {hidden} more"] if hidden else []
    tail += [f"all: marketsync alerts list --open ({plain(place, 80)})"]
    room = LONGEST - sum(len(line) + 1 for line in tail)
    kept: list[str] = []
    for line in lines:
        if room < len(line) + 1:
            kept.append("…")
            break
        kept.append(line)
        room -= len(line) + 1
    return f"MarketSync: {title}", "\n".join([*kept, *tail])


_WORDS = {
    "run_failed": "failed runs",
    "outlet_failed": "failed outlets",
    "plan_held": "held plans",
    "extract_changed": "extracts that look different",
    "import_lost": "lost imports",
    "no_success": "channels without success",
    "order_deadline": "deadlines of orders",
    "order_held": "held orders",
    "order_task": "questions about orders",
    "order_state_unknown": "unknown states of orders",
    "order_not_forwarded": "orders that are not on their way",
    "order_not_told": "orders whose source does not know",
    "order_not_delivered": "deliveries that failed",
    "test": "test",
}


def _kinds(told: Sequence[Alert]) -> str:
    return ", ".join(
        word for kind, word in _WORDS.items() if any(alert.kind == kind for alert in told)
    )


def place_of(project: Project) -> str:
    """Which installation speaks, for people with several."""
    return f"{project.settings.root.name} on {socket.gethostname()}"


# --- the call ------------------------------------------------------------------------------------


def send(
    project: Project, targets: Sequence[SecretRef], title: str, body: str, kind: str = "warning"
) -> list[Told]:
    """Send one message to all `targets` with one apprise call; what each made of it, in order."""
    from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType

    asset = AppriseAsset(app_id="MarketSync", app_desc="MarketSync", secure_logging=True)
    call = Apprise(asset=asset)
    errors: dict[int, str] = {}
    secrets_of = project.secrets
    for number, target in enumerate(targets):
        try:
            url = secrets_of.resolve(target)
        except MarketSyncError as error:
            errors[number] = str(error)
            continue
        _register_parts(url)
        service = Apprise.instantiate(url, asset=asset, tag=f"target{number}")
        if service is None:
            errors[number] = f"{target.words} holds no address that apprise knows"
        else:
            call.add(service)
    if len(call):
        result: Any = call.notify(
            body=body,
            title=title,
            notify_type=NotifyType(kind),
            body_format=NotifyFormat.TEXT,
            timeout=TIMEOUT_S,
        )
        said = {tag: one for one in result for tag in one.tag}
        for number in range(len(targets)):
            one = said.get(f"target{number}")
            if one is None:  # what apprise does not speak of is not taken for told
                errors.setdefault(number, "apprise says nothing about it")
            elif not one:
                words = "; ".join(plain(str(entry.message)) for entry in one.logs())
                errors[number] = words or f"not taken ({one.status.name.lower()})"
    return [
        Told(str(target), scrub(errors.get(number, ""))) for number, target in enumerate(targets)
    ]


def mask_targets(project: Project) -> None:
    """Have the targets' addresses masked in what is kept from now on, before any is used."""
    for target in project.settings.alerts.targets:
        with contextlib.suppress(MarketSyncError):  # what is wrong with it is told when it is used
            _register_parts(project.secrets.resolve(target))


def _register_parts(url: str) -> None:
    """A library may log a part of the address: mask those parts too, but no host's name."""
    rest = url.partition("://")[2] or url
    user, at, _ = rest.partition("/")[0].rpartition("@")
    if at:
        register_secret(unquote(user.rpartition(":")[2]))
    for part in re.split(r"[/?&=:@#,;]", rest):
        if len(part) >= _SECRET_PART and "." not in part:
            register_secret(part)
            register_secret(unquote(part))


# --- the journal ---------------------------------------------------------------------------------


def pause_after(attempts: int) -> timedelta:
    """How long to wait after so many calls without success: 30 s, doubled, at most an hour."""
    return timedelta(seconds=min(_FIRST_PAUSE_S * 2 ** min(attempts - 1, 20), _LONGEST_PAUSE_S))


def is_due(alert: Alert, now: datetime) -> bool:
    """Whether an undelivered alert is to be told now, or its last try was too short ago."""
    if not alert.attempts or alert.tried_at is None or alert.delivery == "no target":
        return True
    tried = from_iso(alert.tried_at)
    # a clock that was ahead must not keep people in the dark
    return not now - pause_after(alert.attempts) < tried <= now


def deliver(project: Project, now: datetime | None = None) -> Delivered:
    """Tell people of all that is due: one message, unless some targets have a part of it already.

    Only one process tells at a time; another leaves it to the next round.
    """
    waiting = alerts.undelivered(project.ledger)
    if not waiting:
        return Delivered()
    targets = project.settings.alerts.targets
    if not targets:
        alerts.without_target(project.ledger, [one for one in waiting if one.delivery == "pending"])
        return Delivered(waiting=len(waiting), reasons=("alerts.targets is empty: nobody is told",))
    try:
        lease = take_lease(project.ledger, LEASE, f"{project.user}", LEASE_S)
    except Busy as busy:
        return Delivered(waiting=len(waiting), reasons=(busy.message,))
    try:
        # what another has told in the meantime is not told again
        waiting = alerts.undelivered(project.ledger)
        due = [alert for alert in waiting if is_due(alert, now or utcnow())]
        told, reasons = 0, []
        for group, lacking in _by_targets(due, targets):
            found = _tell(project, group, lacking)
            told += len(group) if any(not one.error for one in found) else 0
            reasons += [f"{one.target}: {one.error}" for one in found if one.error]
        later = len(alerts.undelivered(project.ledger))
        return Delivered(told, later, tuple(dict.fromkeys(reasons)))
    finally:
        release(project.ledger, lease)


def _by_targets(
    due: Sequence[Alert], targets: Sequence[SecretRef]
) -> list[tuple[list[Alert], list[SecretRef]]]:
    """The alerts that go to the same targets, together."""
    groups: dict[tuple[str, ...], list[Alert]] = {}
    for alert in due:
        # a target that left the configuration is not waited for
        lacking = [
            str(one) for one in targets if alert.missing is None or str(one) in alert.missing
        ]
        groups.setdefault(tuple(lacking), []).append(alert)
    return [
        (group, [one for one in targets if str(one) in names]) for names, group in groups.items()
    ]


def _tell(project: Project, group: list[Alert], targets: list[SecretRef]) -> list[Told]:
    alerts.begin_delivery(project.ledger, group)
    title, body = compose(group, place_of(project))
    kind = "warning" if any(alert.state == "open" for alert in group) else "success"
    found = send(project, targets, title, body, kind) if targets else []
    bad = [one for one in found if one.error]
    nobody = bool(bad) and len(bad) == len(found) and all(one.missing is None for one in group)
    alerts.end_delivery(
        project.ledger,
        group,
        missing=None if nobody else [one.target for one in bad],
        error="; ".join(f"{one.target}: {one.error}" for one in bad),
    )
    return found


def test_targets(project: Project) -> list[Told]:
    """Send a test message to every target; the result is kept as an alert of kind `test`."""
    targets = project.settings.alerts.targets
    now = to_iso(utcnow())
    names = ", ".join(str(target) for target in targets)
    trouble = Trouble(
        key=f"test {now} {secrets.token_hex(4)}",
        kind="test",
        title="test of the alerts",
        message=f"sent by {project.user} to {names}",
    )
    (key,) = alerts.raise_alerts(project.ledger, [trouble])
    (row,) = [one for one in alerts.open_alerts(project.ledger, ["test"]) if one.key == key]
    alerts.begin_delivery(project.ledger, [row])
    body = f"This is a test, sent by {plain(project.user)}: alerts of {plain(place_of(project))} "
    found = send(project, targets, "MarketSync: test", body + "arrive here.", "info")
    bad = [one for one in found if one.error]
    alerts.end_delivery(
        project.ledger,
        [row],
        missing=None if len(bad) == len(found) else [one.target for one in bad],
        error="; ".join(f"{one.target}: {one.error}" for one in bad),
    )
    alerts.end_alerts(project.ledger, [key], tell=False)
    return found
