"""Price lists of chains for tests: several files of one outlet, read together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from marketsync_dagster.pos.documents import documents_of
from marketsync_dagster.pos.model import Extract, ExtractSpec
from marketsync_dagster.pos.presets.base import Naming, Preset
from marketsync_dagster.pos.read import extract_of, read_document


def together(preset: str, files: Mapping[str, Path | bytes], spool: Path, **spec: Any) -> Extract:
    """The extract of one outlet from several files, name -> content."""
    asked = ExtractSpec(preset=preset, **spec)
    contents = []
    for place, (name, source) in enumerate(files.items()):
        room = spool / str(place)
        room.mkdir()
        contents += [
            read_document(document, asked)
            for document in documents_of(source, file=name, spool=room)
        ]
    return extract_of(contents, asked)


def naming_of(preset: Preset, name: str) -> tuple[Naming, dict[str, str]] | None:
    """The first rule that a file's name fits, and what it finds there."""
    for rule in preset.naming:
        match = re.search(rule.pattern, name, re.IGNORECASE)
        if match:
            said = {group: text for group, text in match.groupdict().items() if text is not None}
            return rule, said
    return None


def moment(said: Mapping[str, str]) -> str:
    """`2026-11-20 03:00:00` of the groups of a rule."""
    date = f"{said['Y']}-{said['m']:0>2}-{said['d']:0>2}"
    clock = ":".join(f"{said.get(part, '0'):0>2}" for part in "HMS")
    return f"{date} {clock}"
