"""Exceptions on their way out of our code, made fit for storage.

Whoever catches an exception that leaves us (Dagster, above all) stores its text and everything
that it carries: the exceptions that it was raised from, or raised while handling. What is raised
in its place has our words only.
"""

from __future__ import annotations

from marketsync_dagster.values.errors import MarketSyncError
from marketsync_dagster.values.redact import scrub


class Defect(Exception):
    """Something that nobody expected, in scrubbed words; its traceback is in the run's log."""


def disarmed(error: BaseException, keep: tuple[type[BaseException], ...] = ()) -> BaseException:
    """What to raise instead of `error`, outside of its `except`: no secret, nothing behind it.

    Errors of ours, those of the kinds `keep` and interrupts stay what they are; any other becomes
    a `Defect`, because what else a foreign exception holds is its own business.
    """
    kept = (MarketSyncError, Defect, *keep)
    if isinstance(error, Exception) and not isinstance(error, kept):
        return Defect(scrub(f"{type(error).__name__}: {error}")).with_traceback(error.__traceback__)
    error.args = tuple(map(_scrubbed, error.args))
    for name, value in list(vars(error).items()):
        if name != "__notes__" and isinstance(value, str):
            setattr(error, name, scrub(value))
    if hasattr(error, "__notes__"):
        error.__notes__ = [scrub(str(note)) for note in error.__notes__]
    error.__cause__ = error.__context__ = None
    return error


def _scrubbed(value: object) -> object:
    return scrub(value) if isinstance(value, str) else value
