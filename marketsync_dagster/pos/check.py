"""The report of `marketsync check-extract`: what would become of a file, without configuration.

A file may hold several documents: those of one outlet are read together, as a run would read them,
and the others each on their own.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from marketsync_dagster.pos.columns import READ
from marketsync_dagster.pos.content import Content
from marketsync_dagster.pos.detect import Format, told
from marketsync_dagster.pos.documents import Document, documents_of
from marketsync_dagster.pos.drift import drift
from marketsync_dagster.pos.layouts import outlet_key
from marketsync_dagster.pos.model import Extract, ExtractSpec, NothingAccepted
from marketsync_dagster.pos.naming import coverage_by_name, outlet_by_name
from marketsync_dagster.pos.others import Other, others_in
from marketsync_dagster.pos.parts import outlet_column
from marketsync_dagster.pos.presets.base import Preset
from marketsync_dagster.pos.quarantine import Rejects, printable
from marketsync_dagster.pos.read import extract_of, outlets_in, read_document, with_stock
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.values.errors import ExtractError
from marketsync_dagster.values.words import counted

_WANTED = ("name", "barcode", "stock")
"""Columns that an extract can do without, and a shop hardly."""
MOST = 10_000
"""Rejected rows in one report; the file that `--out` names has all of them."""
_NAMED = 20
"""Headers that are named in one sentence."""
_REJECT = ("file", "line", "column", "value", "reason", "next_step")


@dataclass(frozen=True)
class Part:
    """What became of one document, or of several that are one extract."""

    file: str
    outlet: str
    """As the file calls it; ``: it does not say."""
    outlets: tuple[str, ...] = ()
    """Of a document with several: all of them."""
    preset: str = "generic"
    extract: Extract | None = None
    """None: it is refused, or a delta in which nothing has changed."""
    refusal: ExtractError | None = None
    others: tuple[Other, ...] = ()
    """Rows of its documents that are of no outlet, or of another one than is asked for: they are
    not read."""
    remarks: tuple[str, ...] = ()
    """What is to be said of how it was asked for."""


@dataclass(frozen=True)
class _Read:
    content: Content
    preset: Preset
    outlets: tuple[str, ...]
    by_name: str
    """The outlet that the document is of as a whole; ``: it does not say."""
    spec: ExtractSpec


def read(path: Path, spec: ExtractSpec, *, coverage: str = "auto") -> list[Part]:
    """Every extract of a file, even if none of its rows can be used; `spec.keys` name one outlet.

    `coverage` auto: what the name says by the preset, else full. What is refused is a part that
    says so. Raises ExtractError where the file cannot be opened, or a file of one document not be
    read.
    """
    if path.is_dir():
        there = sorted(one.name for one in path.iterdir() if one.is_file())
        such = f", such as {printable(str(path / there[0]))}" if there else ""
        message = f"{path.absolute()} is a directory"
        raise ExtractError("unreadable", message, f"Name one file{such}.")
    with tempfile.TemporaryDirectory(prefix="marketsync-check-") as spool:
        documents = documents_of(path, file=path.name, spool=Path(spool))
        parts: list[Part] = []
        found: list[_Read] = []
        for document in documents:
            try:
                found.append(_read(document, spec, coverage, path.name))
            except ExtractError as error:
                if len(documents) == 1:
                    raise
                parts.append(Part(document.name, "", preset=spec.preset, refusal=error))
        contents = with_stock([one.content for one in found], spec)
        pairs = zip(found, contents, strict=True)
        found = [dataclasses.replace(one, content=content) for one, content in pairs]
        parts += [_extracted(group) for group in _groups(found, spec)]
    return sorted(parts, key=lambda part: part.file)


def _read(document: Document, spec: ExtractSpec, coverage: str, file: str) -> _Read:
    content = read_document(document, spec)
    preset = content.preset
    if coverage == "auto":
        said = coverage_by_name(preset.naming, document.last_name, file)
        spec = dataclasses.replace(spec, coverage=said or "full")
    outlets = outlets_in(content, spec)
    by_name = outlet_by_name(preset.naming, document.last_name) or ""
    facts = [content.facts[name] for name in preset.outlet_fact if content.facts.get(name)]
    return _Read(content, preset, tuple(outlets), by_name or (facts[0] if facts else ""), spec)


def _groups(found: list[_Read], spec: ExtractSpec) -> list[list[_Read]]:
    """The documents that are one extract each: those of one outlet, with what adds to them."""
    keys = {outlet_key(key) for key in spec.keys}
    if keys:
        asked = [one for one in found if not one.by_name or outlet_key(one.by_name) in keys]
        if found and not asked:
            named = list(dict.fromkeys(one.by_name for one in found))
            listed = ", ".join(map(repr, named[:20])) + (" ..." if len(named) > 20 else "")
            words = " or ".join(map(repr, spec.keys))
            message = f"nothing is of the outlet {words}; there are {listed}"
            raise refuse("not_in_file", message)
        found = asked
    products = [one for one in found if not one.content.layout.adds]
    added = [one for one in found if one.content.layout.adds]
    groups: dict[tuple[str, str], list[_Read]] = {}
    for place, one in enumerate(products):
        # asked for by name, what does not say its outlet is of this one
        own = outlet_key(one.by_name) if one.by_name else f"\0{place}"
        groups.setdefault(("" if keys else own, one.spec.coverage), []).append(one)
    alone: list[list[_Read]] = []
    for one in added:
        fitting = [
            group
            for (own, _), group in groups.items()
            if keys or not one.by_name or outlet_key(one.by_name) == own
        ]
        for group in fitting:
            group.append(one)
        if not fitting:
            alone.append([one])
    return [*groups.values(), *alone]


def _extracted(group: list[_Read]) -> Part:
    first = group[0]
    spec = first.spec
    outlet = first.by_name
    wanted = {outlet_key(key) for key in spec.keys}
    outlets = tuple(dict.fromkeys(name for one in group for name in one.outlets))
    if not outlet:
        outlet = next((one for one in outlets if outlet_key(one) in wanted), "")
    part = Part(
        first.content.document.name,
        outlet,
        outlets,
        first.preset.name,
        others=_others(group) if wanted else (),
        remarks=(*_without_effect(group), *(() if wanted else _nameless(group))),
    )
    try:
        extract = extract_of([one.content for one in group], spec)
    except NothingAccepted as error:
        extract = error.extract
    except ExtractError as error:
        if error.code == "header_only" and spec.coverage == "delta":
            return part
        return dataclasses.replace(part, refusal=error)
    return dataclasses.replace(part, extract=extract)


def _others(group: list[_Read]) -> tuple[Other, ...]:
    """The rows of all documents that are not of the outlet that is asked for."""
    found: dict[str, Other] = {}
    for one in group:
        for other in others_in(one.content, one.spec, one.spec.keys):
            known = found.get(other.outlet)
            if known is not None:
                other = dataclasses.replace(known, rows=known.rows + other.rows)
            found[other.outlet] = other
    # a column of another outlet is no row
    return tuple(other for other in found.values() if other.rows)


def _nameless(group: list[_Read]) -> Iterator[str]:
    """What is said where rows without an outlet stand among those of the only one that is named."""
    for one in group:
        if len(one.outlets) != 1 or outlet_column(one.content, one.spec) is None:
            continue
        name, file = one.outlets[0], one.content.document.name
        for other in others_in(one.content, one.spec, one.outlets):
            if other.outlet or not other.rows:
                continue
            rows = counted(other.rows, "row")
            verbs = ("names", "is") if other.rows == 1 else ("name", "are")
            yield (
                f"{file}: {rows} {verbs[0]} no outlet, the first on line {other.line}, and "
                f"{verbs[1]} read with those of {name!r}; with --outlet, and in a source that "
                "several outlets share, they are passed over"
            )


_FORMS: Mapping[str, frozenset[Format]] = {
    "sheet": frozenset({Format.XLSX, Format.XLS}),
    "records": frozenset({Format.XML, Format.JSON}),
    "delimiter": frozenset({Format.CSV}),
    "encoding": frozenset({Format.CSV, Format.XML, Format.JSON, Format.JSONL}),
}
"""Options that are of some formats only."""


def _without_effect(group: list[_Read]) -> Iterator[str]:
    """What is said of options that no document of a group can have."""
    spec = group[0].spec
    there = dict.fromkeys(one.content.document.format for one in group)
    for option, forms in _FORMS.items():
        if getattr(spec, option) and not forms & there.keys():
            yield f"--{option} has no effect: it is not for {' or '.join(map(told, there))}"


def passed_over(part: Part) -> list[str]:
    """Sentences on the rows that are not the outlet's."""
    lines: list[str] = []
    none = sum(other.rows for other in part.others if not other.outlet)
    if none:
        first = next(other.line for other in part.others if not other.outlet)
        names = "names" if none == 1 else "name"
        lines.append(
            f"passed over: {counted(none, 'row')} that {names} no outlet, the first on line {first}"
        )
    named = [other for other in part.others if other.outlet]
    if named:
        listed = ", ".join(repr(other.outlet) for other in named[:_NAMED])
        more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
        rows = counted(sum(other.rows for other in named), "row")
        first = min(other.line for other in named)
        lines.append(
            f"passed over: {rows} of {counted(len(named), 'other outlet')} ({listed}{more}), the "
            f"first on line {first}"
        )
    return lines


def how_read(extract: Extract, preset: str = "generic") -> list[str]:
    """Sentences on what the file was taken for: its columns, its encoding, what is odd."""
    shown = {name: header for name, header in extract.columns.items() if not name.startswith("_")}
    used = ", ".join(f"{name}={header}" for name, header in shown.items())
    lines = [f"read as {_form(extract)}; columns {used}"]
    if len(extract.documents) > 1:
        names = [one.name for one in extract.documents]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        lines.append(f"made of {', '.join(names[:_NAMED])}{more}")
    if extract.ignored:
        left = len(extract.ignored) - _NAMED
        more = f" and {left} more" if left > 0 else ""
        lines.append(f"not read: {', '.join(extract.ignored[:_NAMED])}{more}")
    missing = [name for name in _WANTED if name not in shown]
    if "stock_status" in shown and "stock" in missing:
        missing.remove("stock")
    if missing:
        named = ",".join(
            f"{name}={header.replace(',', chr(92) + ',')}"
            for name, header in shown.items()
            # what is not named is not read any more: also which outlet a row is of
            if name in (*READ, "outlet") and preset == "generic"
        ).replace("'", "'\\''")
        words = f"--columns '{named}{',' if named else ''}{missing[0]}=HEADER'"
        lines.append(f"no column for {', '.join(missing)}; if there is one, say so: {words}")
    return [*lines, *extract.warnings]


def _form(extract: Extract) -> str:
    form = extract.documents[0].format
    if form is Format.CSV:
        delimiter = {"\t": "tab", " ": "blank"}.get(extract.delimiter, extract.delimiter)
        return f"{extract.encoding}, delimiter {delimiter}"
    text = form in (Format.XML, Format.JSON, Format.JSONL)
    return f"{told(form)} in {extract.encoding}" if text else told(form)


def against(extract: Extract, other: Extract) -> list[dict[str, str]]:
    """What `extract` differs in from `other`: `{"change", "column", "words"}` each."""
    assert extract.profile is not None
    assert other.profile is not None
    return [dataclasses.asdict(change) for change in drift(other.profile, extract.profile)]


def report(parts: Sequence[Part]) -> dict[str, Any]:
    """`{"rows", "accepted", "rejected", "duplicates", "rejects": [...], ...}`, ready for JSON.

    Numbers are those of all parts, which `parts` has one by one. Each reject is `{"file", "line",
    "column", "value", "reason", "next_step"}`; `column` is null where the whole line is meant. Of
    more than MOST rejects some of each reason are there, and `rejects_left_out` counts the others.
    """
    rejects = all_rejects(parts)
    listed = some(rejects, MOST)
    counts = rejects["reason"].value_counts()
    said = [part for part in parts if part.extract is not None]
    whole = {
        name: sum(getattr(part.extract, name) for part in said)
        for name in ("accepted", "rejected", "duplicates", "continued")
    }
    return {
        "rows": sum(whole[name] for name in ("accepted", "rejected", "duplicates")),
        "accepted": whole["accepted"],
        "rejected": whole["rejected"],
        "duplicates": whole["duplicates"],
        "rejects": listed,
        "rejects_left_out": len(rejects) - len(listed),
        "reasons": {str(reason): int(count) for reason, count in counts.items()},
        "continued": whole["continued"],
        "passed_over": sum(other.rows for part in said for other in part.others),
        "parts": [_told(part) for part in parts],
    }


def _told(part: Part) -> dict[str, Any]:
    found: dict[str, Any] = {
        "file": part.file,
        "outlet": part.outlet or None,
        "outlets": list(part.outlets),
        "preset": part.preset,
    }
    if part.refusal is not None:
        error = part.refusal
        said = {"code": error.code, "message": error.message, "next_step": error.next_step}
        return {**found, "refused": said}
    extract = part.extract
    if extract is None:
        return {**found, "coverage": "delta", "rows": 0}
    names = ("records", "accepted", "rejected", "duplicates", "continued")
    return {
        **found,
        "documents": [
            {"file": one.name, "format": str(one.format), "sha256": one.sha256}
            for one in extract.documents
        ],
        "coverage": extract.coverage,
        "encoding": extract.encoding,
        "delimiter": extract.delimiter,
        "columns": {n: h for n, h in extract.columns.items() if not n.startswith("_")},
        "ignored": extract.ignored,
        **{("rows" if name == "records" else name): getattr(extract, name) for name in names},
        "warnings": [*extract.warnings, *part.remarks],
        "passed_over": [
            {"outlet": other.outlet or None, "rows": other.rows, "line": other.line}
            for other in part.others
        ],
    }


def all_rejects(parts: Sequence[Part]) -> pd.DataFrame:
    """The rejected rows of all parts, as `Extract.rejects` has them."""
    frames = [part.extract.rejects for part in parts if part.extract is not None]
    filled = [frame for frame in frames if len(frame)]
    if len(filled) == 1:
        return filled[0]
    return pd.concat(filled, ignore_index=True) if filled else Rejects([]).frame()


def some(rejects: pd.DataFrame, most: int) -> list[dict[str, Any]]:
    """All rejects, or where there are more than `most`, the first of each reason, by line."""
    if len(rejects) > most:
        each = max(most // rejects["reason"].nunique(), 1)
        rejects = rejects.groupby("reason", sort=False).head(each).head(most)
    listed = rejects[list(_REJECT)].astype(object)
    rows = listed.where(listed.notna(), None).itertuples(index=False, name=None)
    return [dict(zip(_REJECT, row, strict=True)) for row in rows]


def spread(rejects: Sequence[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """As `some`, of rejects that are listed."""
    if len(rejects) <= most:
        return list(rejects)
    each = max(most // len({reject["reason"] for reject in rejects}), 1)
    seen: Counter[str] = Counter()
    found: list[dict[str, Any]] = []
    for reject in rejects:
        seen[reject["reason"]] += 1
        if seen[reject["reason"]] <= each:
            found.append(reject)
    return found[:most]
