"""A mistake in marketsync.yaml: where it is, and what was expected there.

Validators raise these; `config.load` turns them, and pydantic's own, into lines that name file,
line and path. Nothing here reads files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from marketsync_dagster.values.errors import ConfigError

At = tuple[str | int, ...]
_SECRET_WORDS = re.compile(
    r"(?:^|[_\-.])(?:key|apikey|secrets?|tokens?|passwords?|passwd|pwd|auth|authorization"
    r"|credentials?|headers|bearer|signature)(?:$|[_\-.])",
    re.IGNORECASE,
)


_LIKE_A_SECRET = re.compile(
    r"\s*(?:(?:pk|sk)_\w|bearer\s|basic\s|(?=\S*[0-9])(?=\S*[A-Za-z])[A-Za-z0-9+/=_\-]{20,}\s*$)",
    re.IGNORECASE,
)
"""A value in the wrong place may be a key: one of a known kind, or a long run of signs."""


class Problem(ValueError):
    """One mistake at `at`, relative to the section that is being checked."""

    def __init__(self, message: str, at: At = ()) -> None:
        super().__init__(message)
        self.message = message
        self.at = at


class Problems(ValueError):
    """Several mistakes found at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{path_text(p.at)}: {p.message}" for p in problems))
        self.problems = list(problems)


@dataclass(frozen=True)
class Mistake:
    """One mistake as it is reported: `marketsync.yaml:14: channels[1].outlet: expected ...`."""

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.line else f"{self.file}: "
        return f"{place}{self.path + ': ' if self.path else ''}{self.message}"


class ConfigMistakes(ConfigError):
    """Every mistake of one configuration, each on its own line."""

    def __init__(self, mistakes: Sequence[Mistake], next_step: str) -> None:
        super().__init__("\n".join(map(str, mistakes)), next_step)
        self.mistakes = list(mistakes)


def path_text(at: Sequence[str | int]) -> str:
    """`("channels", 1, "guard")` as people write it: `channels[1].guard`."""
    text = ""
    for part in at:
        text += f"[{part}]" if isinstance(part, int) else f"{'.' if text else ''}{part}"
    return text


def smells_of_secret(word: str) -> bool:
    """Whether a key or a variable of this name may hold a secret."""
    return _SECRET_WORDS.search(word) is not None


def shown(value: Any, at: Sequence[str | int] = ()) -> str:
    """`value` as an error may show it: short, and never where its key smells of a secret."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a section"
    if isinstance(value, list):
        return "a list"
    if any(isinstance(part, str) and smells_of_secret(part) for part in at):
        return "something else (not shown)"
    # a URL may carry credentials before its host, or a token in its query
    if isinstance(value, str) and "://" in value and re.search(r"[@?]", value):
        return "a URL with credentials or a query (not shown)"
    if isinstance(value, str) and _LIKE_A_SECRET.match(value):
        return "something that looks like a secret (not shown)"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:56] + '..."'


def closest(word: str, known: Sequence[str]) -> str:
    """` (did you mean 'pattern'?)`, or nothing where no known word is near."""
    near = get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return f" (did you mean '{near[0]}'?)" if near else ""
