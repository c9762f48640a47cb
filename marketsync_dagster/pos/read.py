"""From documents to one outlet's extract: reader, columns, preset, types, in this order."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from marketsync_dagster.pos import columns as column_names
from marketsync_dagster.pos import layouts, presets
from marketsync_dagster.pos.assembly import Assembly
from marketsync_dagster.pos.content import Content
from marketsync_dagster.pos.content import read_document as read_with
from marketsync_dagster.pos.documents import Document, documents_of
from marketsync_dagster.pos.joining import add_to, by_document, odd_records, together
from marketsync_dagster.pos.layouts import outlet_key
from marketsync_dagster.pos.model import Extract, ExtractSpec, NothingAccepted
from marketsync_dagster.pos.naming import outlet_by_name
from marketsync_dagster.pos.parts import (
    SLICE,
    OutletPart,
    one_of,
    outlet_column,
    part_of,
    says_nothing,
)
from marketsync_dagster.pos.profile import Profiler
from marketsync_dagster.pos.reasons import FILE_REASONS, refuse
from marketsync_dagster.pos.tables import Limits
from marketsync_dagster.pos.texts import Texts


def read_extract(
    source: Path | bytes, spec: ExtractSpec, *, file: str, limits: Limits | None = None
) -> Extract:
    """Read one original, archive or not, as the extract of the outlet that `spec.keys` names.

    Raises ExtractError where it cannot be trusted as a whole (codes: `reasons.FILE_REASONS`), and
    NothingAccepted, which carries the rejects, where no row is good. Contract: DESIGN 11.
    """
    with tempfile.TemporaryDirectory(prefix="marketsync-spool-") as spool:
        found = documents_of(source, file=file, spool=Path(spool), limits=limits)
        contents = [read_document(document, spec, limits) for document in found]
    return extract_of(_of_outlet(contents, spec, file), spec)


def _of_outlet(contents: Sequence[Content], spec: ExtractSpec, file: str) -> list[Content]:
    """Of the members of an archive those whose names do not say another outlet."""
    if len(contents) < 2:
        return list(contents)
    named = [outlet_by_name(one.preset.naming, one.document.last_name) for one in contents]
    there = list(dict.fromkeys(one for one in named if one))
    if there:
        one_of(there, spec.keys, file)
    keys = {outlet_key(key) for key in spec.keys}
    pairs = zip(contents, named, strict=True)
    return [one for one, name in pairs if not (keys and name) or outlet_key(name) in keys]


def read_document(document: Document, spec: ExtractSpec, limits: Limits | None = None) -> Content:
    """All records of a document, of all outlets, as text; to be read once for many outlets.

    `spec.keys` do not matter. Raises ExtractError.
    """
    if spec.preset == presets.AUTO:
        return _recognised(document, spec, limits)
    content = read_with(document, presets.find(spec.preset), spec, limits)
    if spec.preset == presets.GENERIC.name and not spec.columns:
        content = _looking_like(content)
    return content


def _looking_like(content: Content) -> Content:
    """With a warning where a preset knows documents of this name or with these headers."""
    found = presets.recognise(content.document.last_name, content.headers)
    if found is presets.GENERIC:
        return content
    words = f"it looks like an export of {found.title}: `preset: {found.name}` knows its habits"
    return replace(content, warnings=[*content.warnings, words])


def _recognised(document: Document, spec: ExtractSpec, limits: Limits | None) -> Content:
    """Read with the preset that the document's name and headers fit."""
    by_name = presets.recognise(document.last_name, [])
    if by_name is not presets.GENERIC:
        return _said(read_with(document, by_name, spec, limits), by_name.name)
    content = read_with(document, presets.GENERIC, spec, limits)
    preset = presets.recognise(document.last_name, content.headers)
    if preset is not presets.GENERIC:
        content = read_with(document, preset, spec, limits)
    return _said(content, preset.name)


def _said(content: Content, name: str) -> Content:
    return replace(content, warnings=[*content.warnings, f"read with the preset {name}"])


def outlets_in(content: Content, spec: ExtractSpec) -> list[str]:
    """What the outlets of a document are called in it; []: it does not say."""
    found = layouts.outlets_of(content.headers, content.layout, spec)
    if found:
        return found
    column = outlet_column(content, spec)
    if column is not None:
        return [one for one in content.values(column) if one]
    names = content.preset.outlet_fact
    said = [content.facts[name] for name in names if content.facts.get(name)]
    return said[:1]


def extract_of(contents: Sequence[Content], spec: ExtractSpec) -> Extract:
    """The extract of the outlet `spec.keys` from all documents that are about it: products, and
    what adds to them (stock, promotions).

    Raises as `read_extract` does; not_in_file where no record is of the outlet, many_outlets where
    nothing says which of several is meant.
    """
    if spec.decimal is None and contents:
        spec = replace(spec, decimal=contents[0].preset.decimal)
    contents = [content for content in contents if not says_nothing(content, spec)]
    contents = with_stock(contents, spec)
    parts = [part_of(content, spec) for content in contents]
    products = [part for part in parts if not part.content.layout.adds]
    if not products:
        names = ", ".join(content.document.name for content in contents)
        message = f"{names}: there is stock or are promotions, and no products"
        raise refuse("no_products", message)
    first, names = products[0], [part.content.document.name for part in products]
    assembly = Assembly(spec, first.chosen, names)
    profiler = Profiler()
    if len(parts) == 1 and first.content.records > SLICE and first.is_sliced:
        assembly.evidence(first.slices())
    for texts, last in _slices(parts, products):
        looked_at = {
            name: column for name, column in texts.columns.items() if name in column_names.READ
        }
        profiler.add(looked_at)
        assembly.add(texts, last=last)
    if assembly.records == 0:
        raise refuse("header_only", f"{', '.join(names)} has a header and no records")
    accepted = assembly.finish()
    rejects = assembly.rejects.frame()
    if assembly.records != accepted.count + len(rejects) + assembly.dropped:
        raise AssertionError(
            f"{names[0]}: {assembly.records} records are not {accepted.count} accepted + "
            f"{len(rejects)} rejected + {assembly.dropped} duplicates"
        )
    content = first.content
    extract = Extract(
        rows=accepted,
        rejects=rejects,
        records=assembly.records,
        accepted=accepted.count,
        rejected=len(rejects),
        duplicates=assembly.dropped,
        continued=assembly.continued,
        file=names[0],
        documents=[
            part.content.document for part in sorted(parts, key=lambda one: one.content.layout.adds)
        ],
        encoding=content.encoding,
        delimiter=content.delimiter,
        header_line=content.header_line,
        columns=first.chosen.header,
        ignored=first.chosen.ignored,
        coverage=spec.coverage,
        warnings=[*(word for content in contents for word in content.warnings), *assembly.warnings],
        profile=profiler.profile(
            content.headers,
            first.chosen.header,
            encoding=content.encoding,
            delimiter=content.delimiter,
            coverage=spec.coverage,
        ),
    )
    if not extract.accepted:
        raise NothingAccepted(
            f"{', '.join(names)}: none of {extract.records} records can be used",
            FILE_REASONS["nothing_accepted"],
            extract,
        )
    return extract


def with_stock(contents: Sequence[Content], spec: ExtractSpec) -> list[Content]:
    """Tables of stock without prices say more of the products of the other tables."""
    found = [
        replace(content, layout=layout)
        if content.preset is presets.GENERIC
        and (layout := layouts.stock_layout(content.headers, spec)) is not None
        else content
        for content in contents
    ]
    alone = all(content.layout.adds for content in found)
    # alone, such a table lacks its prices
    return list(contents) if alone else found


def _slices(
    parts: Sequence[OutletPart], products: Sequence[OutletPart]
) -> Iterator[tuple[Texts, bool]]:
    """The outlet's records, and whether a document ends with them; those of a document all at
    once where some depend on others."""
    if len(parts) == 1 and parts[0].is_sliced:
        faults = odd_records(parts[0])
        for texts, last in _with_last(parts[0].slices()):
            yield replace(texts, faults=(*texts.faults, *faults)), last
            faults = ()
        return
    texts = together(products)
    for part in parts:
        if part.content.layout.adds:
            texts = add_to(texts, part.whole(), part.content)
    finish = products[0].content.layout.finish
    for document in by_document(texts if finish is None else finish(texts, products[0].spec)):
        yield document, True


def _with_last(slices: Iterator[Texts]) -> Iterator[tuple[Texts, bool]]:
    """Each slice, and whether it is the last one."""
    waiting = next(slices)
    for texts in slices:
        yield waiting, False
        waiting = texts
    yield waiting, True
