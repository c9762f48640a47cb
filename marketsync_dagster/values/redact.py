"""Keeps secrets out of every text that leaves the process.

Whoever resolves a secret registers it here; whoever writes a text that may carry foreign words
(error bodies, exceptions, URLs) passes it through `scrub`.
"""

from __future__ import annotations

import base64
import re
import threading
from urllib.parse import quote, quote_plus

MASK = "***"
MINIMUM_LENGTH = 4
"""Shorter secrets would mask ordinary words; configuration refuses them."""

_lock = threading.Lock()
_forms: set[str] = set()
_pattern: re.Pattern[str] | None = None


def _forms_of(secret: str) -> set[str]:
    """Every way in which a secret may turn up: plain, URL-encoded, base64 at any offset."""
    raw = secret.encode()
    forms = {secret, quote(secret, safe=""), quote_plus(secret)}
    for offset in range(3):
        # base64 of a longer text holds the secret shifted by 0, 1 or 2 bytes: keep the
        # characters that depend on the secret alone.
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(b"\0" * offset + raw).decode().rstrip("=")
            start = (offset * 8 + 5) // 6
            end = (offset + len(raw)) * 8 // 6
            forms.add(text[start:end])
    # JSON escapes quotes and backslashes
    forms.add(secret.replace("\\", "\\\\").replace('"', '\\"'))
    return {form for form in forms if len(form) >= MINIMUM_LENGTH}


def register_secret(secret: str) -> None:
    """Make `scrub` mask this secret, in all its forms, from now on in this process."""
    global _pattern
    if len(secret) < MINIMUM_LENGTH:
        return
    with _lock:
        forms = _forms_of(secret)
        if forms <= _forms:
            return
        _forms.update(forms)
        longest_first = sorted(_forms, key=len, reverse=True)
        _pattern = re.compile("|".join(re.escape(form) for form in longest_first))


def scrub(text: str) -> str:
    """`text` with every registered secret masked."""
    return text if _pattern is None else _pattern.sub(MASK, text)


def mask(secret: str) -> str:
    """A secret as it may be shown: its kind and its last two characters, `pk_demo_***89`."""
    prefix = re.match(r"^(?:[a-z]+_){1,2}", secret)
    tail = secret[-2:] if len(secret) >= 12 else ""
    return f"{prefix.group(0) if prefix else ''}{MASK}{tail}"
