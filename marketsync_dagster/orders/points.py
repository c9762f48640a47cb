"""The moments between two durable steps of pulling, deciding, forwarding and telling, by name.

Whoever passes one tells its observer; the tests kill runs there.
"""

from __future__ import annotations

from collections.abc import Callable

Observer = Callable[[str], None]
"""Told the name of each point as it is passed."""

PULL = (
    "page_read",
    "raw_written",
    "raw_committed",
    "book_written",
    "page_committed",
    "pull_finished",
)
DECIDE = ("decisions_written", "decided")
TELL = (
    "command_intent_written",
    "command_intended",
    "command_before_call",
    "command_answered",
    "command_outcome_written",
    "command_committed",
)
FORWARD = (
    "routes_written",
    "routed",
    "forward_intent_written",
    "forward_intended",
    "forward_before_call",
    "forward_answered",
    "forward_outcome_written",
    "forward_committed",
)
TOKEN = ("token_minted", "token_kept")
DROP = ("drop_staged", "drop_marked", "drop_renamed")
ANSWER = ("answer_kept", "answer_applied", "answer_moved")
STANDING = ("standings_read", "standings_written", "standings_committed")
WRITE_BACK = ("updates_written", "updates_wanted")
POINTS = (*PULL, *DECIDE, *TELL, *FORWARD, *TOKEN, *DROP, *ANSWER, *STANDING, *WRITE_BACK)


def unobserved(_: str) -> None:
    """Nobody watches."""
