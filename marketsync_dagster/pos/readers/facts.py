"""What a document says outside its records, as long as it says one thing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_TITLE = re.compile(r"([^:]{1,60}):\s*(\S.*)", re.DOTALL)


class Facts:
    """Values by path; each also by its short name where no other path has it."""

    LONGEST = 1000
    """A longer text is no fact: a disclaimer, or a picture."""
    MOST = 500

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._doubtful: dict[str, None] = {}

    def add(self, path: str, name: str, value: str) -> None:
        """One value; the same again changes nothing."""
        before = self._values.get(path)
        if before is None:
            if len(self._values) < self.MOST:
                self._values[path] = value
                self._names[path] = name
        elif before != value:
            self._doubtful[path] = None

    def told(self) -> tuple[dict[str, str], list[str]]:
        """Name or path -> value, and a warning where a path has several values."""
        sure = [path for path in self._values if path not in self._doubtful]
        short = [self._names[path].casefold() for path in self._values]
        facts = {
            self._names[path]
            if short.count(self._names[path].casefold()) == 1
            else path: self._values[path]
            for path in sure
        }
        names = ", ".join(f"`{path}`" for path in list(self._doubtful)[:10])
        if not names:
            return facts, []
        return facts, [f"Outside the records {names} has several values, and is not used."]


def of_lines(lines: Iterable[Sequence[str]]) -> tuple[dict[str, str], list[str]]:
    """What the lines before a header say, and warnings: `Store | 028`, `Store: 028`, or a title, of
    which the first is kept."""
    facts = Facts()
    title = ""
    for cells in lines:
        filled = [cell.strip() for cell in cells if cell.strip()]
        match = _TITLE.fullmatch(filled[0]) if len(filled) == 1 else None
        if len(filled) == 2:
            name, value = filled[0].rstrip(":").rstrip(), filled[1]
        elif match:
            name, value = (part.strip() for part in match.groups())
        else:
            title = title or (filled[0] if len(filled) == 1 else "")
            continue
        if name and len(name) + len(value) <= Facts.LONGEST:
            facts.add(name, name, value)
    told, doubtful = facts.told()
    return ({"title": title[: Facts.LONGEST], **told} if title else told), doubtful
