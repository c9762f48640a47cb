"""Reading docs/runbook.md as a person does: sections, and the commands of each, in order."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

RUNBOOK = Path(__file__).parents[2] / "docs" / "runbook.md"


@dataclass(slots=True)
class Section:
    """One heading, what to type under it, and what to write into marketsync.yaml before."""

    title: str
    commands: list[str] = field(default_factory=list)
    yaml: dict[str, object] = field(default_factory=dict)


def sections(text: str) -> dict[str, Section]:
    """Title -> section, in order; a block that is neither `sh` nor `yaml` is a mistake."""
    found: dict[str, Section] = {}
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        section = Section(part.splitlines()[0].strip())
        for kind, block in re.findall(r"^```(\w*)\n(.*?)^```$", part, re.DOTALL | re.MULTILINE):
            if kind == "sh":
                section.commands += [line for line in block.splitlines() if line.strip()]
            elif kind == "yaml":
                section.yaml |= yaml.safe_load(block)
            else:
                raise AssertionError(f"{section.title}: a block of kind {kind!r}")
        found[section.title] = section
    return found
