"""What a case of the corpus is, and whether what came of it is what its row says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from marketsync_dagster.pos.model import Extract, ExtractSpec
from marketsync_dagster.pos.read import read_extract
from marketsync_dagster.pos.reasons import FILE_REASONS, ROW_REASONS
from marketsync_dagster.values.errors import ExtractError

Reject = tuple[int, str | None, str, str]
"""Line, column, value, reason."""


@dataclass(frozen=True)
class Case:
    """A file: its bytes, or what makes them, and how it is to be read."""

    name: str
    data: bytes | Callable[[], bytes]

    def bytes(self) -> bytes:
        """The file."""
        return self.data if isinstance(self.data, bytes) else self.data()


@dataclass(frozen=True)
class Refused(Case):
    """A file that is refused: the code and words of the message."""

    code: str
    says: str = ""
    spec: dict[str, Any] = field(default_factory=dict)
    file: str = "till.csv"

    def fault(self) -> str:
        """What is not as it should be; ``: nothing."""
        try:
            extract = read(self)
        except ExtractError as error:
            found = (error.code, error.next_step)
            if found != (self.code, FILE_REASONS[self.code]):
                return f"{found} and not {self.code!r}: {error.message}"
            missing = [words for words in (self.says, self.file) if words not in error.message]
            # what is asked for wrongly is wrong in every file
            if missing == [self.file] and self.code in ("unknown_column", "unknown_encoding"):
                return ""
            return f"{missing} is not in {error.message!r}" if missing else ""
        return f"it was read: {extract.frame.to_dict('records')}"


@dataclass(frozen=True)
class Rejected(Case):
    """A file with rejects: line, column, value, reason of each; `good` are the other SKUs."""

    rejects: list[Reject]
    good: list[str] = field(default_factory=lambda: ["G1"])
    spec: dict[str, Any] = field(default_factory=dict)
    file: str = "till.csv"
    told: str = ""
    """The file that the rejects name, where it is the member of an archive."""

    def fault(self) -> str:
        """What is not as it should be; ``: nothing."""
        try:
            extract = read(self)
        except ExtractError as error:
            return f"refused as {error.code}: {error.message}"
        found = extract.rejects
        column = [None if value != value else value for value in found["column"].tolist()]
        rows = list(zip(found["line"], column, found["value"], found["reason"], strict=True))
        if rows != self.rejects:
            return f"rejected are {rows}"
        if extract.frame["sku"].tolist() != self.good:
            return f"accepted are {extract.frame['sku'].tolist()}"
        if set(found["file"]) != {self.told or self.file}:
            return f"the rejects name {set(found['file'])}"
        for reason, step in zip(found["reason"], found["next_step"], strict=True):
            if not step.endswith(ROW_REASONS[reason]):
                return f"the next step of {reason} is {step!r}"
        return lawless(extract)


@dataclass(frozen=True)
class Odd(Case):
    """A file, and what some columns of its frame must hold; `also` are fields of the Extract."""

    frame: dict[str, list[Any]]
    spec: dict[str, Any] = field(default_factory=dict)
    also: dict[str, Any] = field(default_factory=dict)
    file: str = "till.csv"

    def fault(self) -> str:
        """What is not as it should be; ``: nothing."""
        try:
            extract = read(self)
        except ExtractError as error:
            return f"refused as {error.code}: {error.message}"
        if len(extract.rejects):
            return f"rejected are {extract.rejects.to_dict('records')}"
        for column, expected in self.frame.items():
            values = extract.frame[column].astype(object)
            if (found := values.where(values.notna(), None).tolist()) != expected:
                return f"{column} is {found}"
        for name, expected in self.also.items():
            if (value := getattr(extract, name)) != expected:
                return f"{name} is {value!r}"
        return lawless(extract)


def read(case: Refused | Rejected | Odd) -> Extract:
    """Read the file of a case."""
    return read_extract(case.bytes(), ExtractSpec(**{"currency": "KES", **case.spec}),
                        file=case.file)  # fmt: skip


def lawless(extract: Extract) -> str:
    """Where records are not accepted + rejected + duplicates; ``: they are."""
    if extract.records == extract.accepted + extract.rejected + extract.duplicates:
        return ""
    return (
        f"{extract.records} records are not {extract.accepted} accepted + {extract.rejected} "
        f"rejected + {extract.duplicates} duplicates"
    )
