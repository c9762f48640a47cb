"""Keeps secrets out of every text that leaves the process.

Whoever resolves a secret registers it here; whoever writes a text that may carry foreign words
(error bodies, exceptions, URLs) passes it through `scrub`.
"""

from __future__ import annotations

import base64
import html
import logging
import re
import threading
import traceback

MASK = "***"
MINIMUM_LENGTH = 4
"""Shorter secrets would mask ordinary words; configuration refuses them."""

TOGETHER = 16
"""Secrets that one pattern looks for: making a pattern takes as long as there are secrets in it."""

_lock = threading.Lock()
_secrets: list[str] = []
_patterns: tuple[re.Pattern[str], ...] = ()
"""One for each `TOGETHER` secrets, in the order they were registered."""


def _forms_of(secret: str) -> set[str]:
    """Every text that holds the whole secret: itself, and its base64 at any offset."""
    raw = secret.encode("utf-8", "surrogateescape")
    forms = {secret}
    for offset in range(3):
        # base64 of a longer text holds the secret shifted by 0, 1 or 2 bytes: keep the
        # characters that depend on the secret alone.
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(b"\0" * offset + raw).decode().rstrip("=")
            start = (offset * 8 + 5) // 6
            end = (offset + len(raw)) * 8 // 6
            forms.add(text[start:end])
    return {form for form in forms if len(form) >= MINIMUM_LENGTH}


def _spelled(form: str) -> str:
    """A pattern for `form` as URLs, JSON, Python and HTML write it, once or several times over."""
    return "".join(c if c.isascii() and c.isalnum() else _any_spelling(c) for c in form)


def _any_spelling(character: str) -> str:
    code = ord(character)
    octets = character.encode("utf-8", "surrogateescape")
    named = html.escape(character)[1:-1]
    spellings = [
        r"\\+" if character == "\\" else r"\\*" + re.escape(character),
        "".join(f"%(?:25)*(?i:{octet:02x})" for octet in octets),
        rf"\\+u(?i:{code:04x})",
        rf"&(?:amp;)*(?:#0*{code};|#[xX]0*(?i:{code:x});{f'|{named};' if named else ''})",
    ]
    if character == "%":
        spellings.append("%(?:25)*")
    if character == "&":
        spellings.append("&(?:amp;)*")
    if character == " ":
        spellings.append(r"\+")
    return f"(?:{'|'.join(reversed(spellings))})"


def register_secret(secret: str) -> None:
    """Make `scrub` mask this secret, in all its forms, from now on in this process.

    Every line that anything in the process logs is scrubbed from the first secret on.
    """
    global _patterns
    if len(secret) < MINIMUM_LENGTH:
        return
    with _lock:
        if secret in _secrets:
            return
        if not _secrets:
            _scrub_what_is_logged()
        _secrets.append(secret)
        first = (len(_secrets) - 1) // TOGETHER * TOGETHER
        forms = {form for known in _secrets[first:] for form in _forms_of(known)}
        longest_first = sorted(forms, key=len, reverse=True)
        newest = re.compile("|".join(map(_spelled, longest_first)))
        _patterns = (*_patterns[: first // TOGETHER], newest)


def _scrub_what_is_logged() -> None:
    """Libraries log too, and what they log may be an exception with a secret in it."""
    make = logging.getLogRecordFactory()

    def scrubbed(*args: object, **kwargs: object) -> logging.LogRecord:
        record = make(*args, **kwargs)
        try:
            text = record.getMessage()
        except (TypeError, ValueError, KeyError):  # logging would print message and arguments
            text, record.msg, record.args = "", scrub(f"{record.msg!r} {record.args!r}"), ()
        clean = scrub(text)
        if clean != text:  # else as it was: some formatters read the arguments
            record.msg, record.args = clean, ()
        if record.exc_info and record.exc_info[1] is not None:
            record.exc_text, record.exc_info = traceback_of(record.exc_info[1]), None
        return record

    logging.setLogRecordFactory(scrubbed)


def traceback_of(error: BaseException) -> str:
    """The traceback of an error and of everything behind it, without secrets."""
    return scrub("".join(traceback.format_exception(error))).rstrip()


def scrub(text: str) -> str:
    """`text` with every registered secret masked."""
    # all of them are looked for in what was written: a mask would hide the rest of another one
    found = [match.span() for pattern in _patterns for match in pattern.finditer(text)]
    if not found:
        return text
    parts: list[str] = []
    at = 0
    for start, end in sorted(found):
        if start >= at:
            parts += [text[at:start], MASK]
        at = max(at, end)
    return "".join([*parts, text[at:]])


def mask(secret: str) -> str:
    """A secret as it may be shown: its kind and its last two characters, `pk_demo_***89`.

    Only known kinds are shown: `correct_horse_battery` has none.
    """
    prefix = re.match(r"^(?:pk|sk)_(?:(?:demo|live|test|secret)_)?", secret)
    tail = secret[-2:] if len(secret) >= 12 else ""
    return f"{prefix.group(0) if prefix else ''}{MASK}{tail}"
