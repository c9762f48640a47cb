"""What to do about a key that a platform did not take."""

from __future__ import annotations

MEND_CLOCK = "set this machine's clock, or switch its time synchronisation on"


def credential_hint(words: str, hint: str) -> str:
    """`hint`; or to set the clock, where the platform's words are about the time that the call was
    signed at."""
    return MEND_CLOCK if "timestamp" in words.casefold() else hint
