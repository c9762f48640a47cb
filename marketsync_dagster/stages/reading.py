"""How one outlet's documents are told from others', and read: the configuration, put together.

Names of files, time and coverage are judged here; nothing is opened.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from marketsync_dagster.pos import presets
from marketsync_dagster.pos.files import TimeSource, extract_time
from marketsync_dagster.pos.layouts import outlet_key
from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.naming import coverage_by_name, match_of, outlet_by_name
from marketsync_dagster.pos.presets.base import Naming
from marketsync_dagster.values.errors import ExtractError

if TYPE_CHECKING:
    from marketsync_dagster.config.outlets import ExtractSettings
    from marketsync_dagster.config.settings import Settings
    from marketsync_dagster.pos.sources.base import Arrival

Coverage = Literal["full", "delta"]
ASKED = {"sql": "query", "api": "interface"}
"""Kinds of sources that have no files -> what they are asked."""


@dataclass(frozen=True)
class Reading:
    """One outlet's side of its source."""

    outlet: str
    source: str
    """Under which the ledger remembers what has come: outlets of a shared one have the same."""
    label: str
    """What stands before a file's name where people see it; empty: nothing."""
    said: ExtractSettings
    rule: str
    """How an outlet is known: name, directory, column or content; empty: it is the only one."""
    outlet_pattern: str | None
    zone: tzinfo
    spec: ExtractSpec
    asked: str = ""
    """What a source that is no directory is asked: `query` or `interface`; empty: it has files."""

    @property
    def is_shared(self) -> bool:
        """Whether other outlets may come from the same source."""
        return self.said.shared is not None

    def file(self, name: str, member: str = "") -> str:
        """A document as people see it; what a gzip holds goes by the name of the gzip."""
        if name.lower().endswith(".gz"):
            member = ""
        if self.asked:
            name = ""  # it has no file that anybody could look at
        return "/".join(part for part in (self.label, name, member) if part)

    def refusal(self, error: ExtractError) -> ExtractError:
        """`error`, without advice about an export where there is no file that was exported."""
        if not self.asked:
            return error
        message, step = error.message, error.next_step
        if error.code in ("empty", "header_only"):
            message = f"{self.label}: the {self.asked} gave no rows; nothing was changed"
            step = f"see why the {self.asked} gives none: an empty answer is never taken for an "
            step += "empty shop"
        elif error.code == "not_in_file":
            step = f"correct `keys`, or see why the {self.asked} has no row of the outlet"
        elif "export" in step.lower():
            step = f"correct the {self.asked}, or what the till has there"
        return ExtractError(error.code, message, step)

    def is_ours(self, key: str) -> bool:
        """Whether this is what the outlet is called in its source."""
        return outlet_key(key) in {outlet_key(one) for one in self.spec.keys}

    def spec_for(self, coverage: Coverage) -> ExtractSpec:
        """How a document of this coverage is read."""
        return dataclasses.replace(self.spec, coverage=coverage)

    def outlet_by_name(self, name: str) -> str | None:
        """Which outlet a file is of by its name or folder; None: they do not say."""
        folder, _, last = name.rpartition("/")
        if self.rule == "directory":
            if self.outlet_pattern is None:
                return folder.rpartition("/")[2] or None
            match = re.search(self.outlet_pattern, folder, re.IGNORECASE)
        elif self.outlet_pattern is not None:
            match = re.search(self.outlet_pattern, last, re.IGNORECASE)
        else:
            return outlet_by_name(self._naming(last), last)
        return (match.group("outlet") or None) if match else None

    def role_of(self, name: str) -> str:
        """What adds to products, by its name, is called so; products, and all else, are ``."""
        if self.spec.preset == presets.AUTO:
            return ""
        for layout in presets.find(self.spec.preset).layouts:
            if layout.file and re.search(layout.file, name, re.IGNORECASE):
                return layout.name if layout.adds else ""
        return ""

    def coverage_of(self, *names: str) -> Coverage:
        """Of a document with these names, its own before its archive's: declared, recognised by a
        name, else full."""
        if self.said.coverage != "auto":
            return self.said.coverage
        for name in map(_last, names):
            if found := coverage_by_name(self._naming(name), name):
                return found
        return "full"

    def time_of(
        self, arrival: Arrival, member: str = "", declared: str = ""
    ) -> tuple[datetime, TimeSource]:
        """When a document was made: declared in it, by its name, its archive's, else its mtime; of
        what a source was asked, when it was read.

        Raises ExtractError: no_time.
        """
        if declared:
            try:
                return extract_time(Path(arrival.name), declared=declared, zone=self.zone)
            except ExtractError:
                pass  # what cannot be read says nothing
        names = [name for name in (_last(member), arrival.last_name) if name]
        refusal: ExtractError | None = None
        for name in names:
            try:
                if (moment := self._by_name(name)) is not None:
                    return moment, "name"
            except ExtractError as error:
                refusal = error
        if refusal is not None:
            raise refusal
        seconds = arrival.modified if arrival.modified is not None else arrival.arrived
        moment = datetime.fromtimestamp(seconds, UTC) if seconds else datetime.now(UTC)
        return moment, "read" if self.asked else "mtime"

    def _by_name(self, name: str) -> datetime | None:
        if self.said.time_pattern is None:
            match = match_of(self._naming(name), name, "d")
            if match is not None and (moment := _moment(match, self.zone)) is not None:
                return moment
        pattern = self.said.time_pattern
        try:
            moment, known_from = extract_time(Path(name), pattern=pattern, zone=self.zone)
        except ExtractError as error:
            if error.code == "missing":  # there is no such path to take the mtime of
                return None
            raise
        return moment if known_from == "name" else None

    def _naming(self, name: str) -> Sequence[Naming]:
        if self.spec.preset == presets.AUTO:
            return presets.recognise(_last(name), []).naming
        return presets.find(self.spec.preset).naming


def reading_of(settings: Settings, outlet: str) -> Reading:
    """What the configuration says of an outlet's extracts."""
    said = settings.outlets[outlet].extract
    shared = settings.source_of(outlet)
    rule = shared.outlet if shared is not None else None
    label = str(said.path) if said.path is not None else (said.shared or "")
    return Reading(
        outlet=outlet,
        source=said.shared or label,
        label=label,
        said=said,
        rule=rule.from_ if rule is not None else "",
        outlet_pattern=rule.pattern if rule is not None else None,
        zone=ZoneInfo(settings.timezone_of(outlet)),
        spec=spec_of(settings, outlet),
        asked=ASKED.get(shared.kind, "") if shared is not None else "",
    )


def spec_of(settings: Settings, outlet: str) -> ExtractSpec:
    """How the outlet's configuration says that its extracts are to be read."""
    said = settings.outlets[outlet].extract
    return ExtractSpec(
        columns=said.columns,
        currency=settings.currency_of(outlet),
        coverage="delta" if said.coverage == "delta" else "full",
        delimiter=said.delimiter,
        encoding=said.encoding,
        decimal=said.decimal,
        duplicates=said.duplicates,
        preset=said.preset,
        records=tuple(said.records),
        fields=said.fields,
        sheet=said.sheet,
        keys=tuple(said.keys),
        numeric_identifiers=said.numeric_identifiers,
        weighed=said.weighed,
        timezone=settings.timezone_of(outlet),
    )


def _last(name: str) -> str:
    return name.rsplit("/", 1)[-1]


def _moment(match: re.Match[str], zone: tzinfo) -> datetime | None:
    said = {name: value for name, value in match.groupdict().items() if value}
    year = said.get("Y") or ("20" + said["y"] if "y" in said else "")
    try:
        return datetime(
            int(year), int(said["m"]), int(said["d"]), int(said.get("H", 0)),
            int(said.get("M", 0)), int(said.get("S", 0)), tzinfo=zone,
        ).astimezone(UTC)  # fmt: skip
    except (KeyError, ValueError):
        return None
