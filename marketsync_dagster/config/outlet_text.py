"""Adding outlets to marketsync.yaml as text, so that every comment and every line stays.

What is written is checked as a whole before anybody writes it to the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from marketsync_dagster.config.load import read_settings
from marketsync_dagster.config.settings import Settings
from marketsync_dagster.config.yaml_file import compose
from marketsync_dagster.values.errors import ConfigError


@dataclass(frozen=True)
class NewOutlet:
    """An outlet that is to be added."""

    outlet: str
    """Its name in the configuration."""
    name: str
    extract: Mapping[str, str | Sequence[str]]
    others: Mapping[str, str] = field(default_factory=dict)
    """`currency` and `timezone`, where they are not what holds anyway."""


def with_outlets(raw: bytes, file: Path, new: Sequence[NewOutlet]) -> bytes:
    """The text of `file` with more outlets at the end of its section `outlets`.

    ConfigError where the section is not written one key to a line, and ConfigMistakes where the
    whole would not be valid. Everything that was there means the same as before.
    """
    before = read_settings(raw, file)
    text = raw.decode("utf-8-sig")
    at, indent = _end_of_outlets(text)
    end = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    if lines[at - 1].rstrip("\r\n") == lines[at - 1]:
        lines[at - 1] += end
    lines[at:at] = [f"{' ' * indent}{_written(one)}{end}" for one in new]
    bom = b"\xef\xbb\xbf" if raw.startswith(b"\xef\xbb\xbf") else b""
    changed = bom + "".join(lines).encode()
    _prove(before, read_settings(changed, file), new)
    return changed


def _end_of_outlets(text: str) -> tuple[int, int]:
    """How many lines there are up to the last one of the outlets, and their indentation."""
    node = compose(text)
    assert isinstance(node, yaml.MappingNode)  # it was read before
    key, value = next(
        (key, value)
        for key, value in node.value
        if isinstance(key, yaml.ScalarNode) and key.value == "outlets"
    )
    flow = node.flow_style or getattr(value, "flow_style", True)
    if flow or value.start_mark.line < key.start_mark.line:
        raise ConfigError(
            "outlets cannot be added: the section `outlets` is written in braces or as an alias",
            "write each outlet on a line of its own below `outlets:`",
        )
    return _last_line(value) + 1, value.value[0][0].start_mark.column


def _last_line(node: yaml.Node) -> int:
    """The line, from 0, on which a node ends, without what follows it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        if isinstance(node, yaml.MappingNode):
            key, value = last
            # an alias stands where it is used, but its node where it is defined
            return max(key.end_mark.line, _last_line(value))
        return _last_line(last)
    end = node.end_mark
    return end.line - 1 if end.column == 0 and end.line > node.start_mark.line else end.line


def _written(new: NewOutlet) -> str:
    parts = [f"name: {_quoted(new.name)}"]
    parts += [f"{key}: {_plain(value)}" for key, value in new.others.items()]
    extract = ", ".join(f"{key}: {_plain(value)}" for key, value in new.extract.items())
    return f"{new.outlet}: {{{', '.join(parts)}, extract: {{{extract}}}}}"


def _plain(value: str | Sequence[str]) -> str:
    if not isinstance(value, str):
        return f"[{', '.join(map(_quoted, value))}]"
    return value if re.fullmatch(r"[A-Za-z][A-Za-z0-9_/]*", value) else _quoted(value)


def _quoted(text: str) -> str:
    """In quotes, always: `028` and `no` are names of outlets."""
    return json.dumps(text.replace("${", "$${"), ensure_ascii=not text.isprintable())


def _prove(before: Settings, after: Settings, new: Sequence[NewOutlet]) -> None:
    """That everything is as it was, and the new outlets are as they were meant."""
    added = {one.outlet: one for one in new}
    old = {name: outlet for name, outlet in after.outlets.items() if name not in added}
    rest = after.model_copy(update={"outlets": old})
    meant = all(
        name in after.outlets and _is_meant(after, name, one) for name, one in added.items()
    )
    if rest.model_dump() != before.model_dump() or not meant:
        raise ConfigError(
            "outlets cannot be added: the file would mean something else; nothing was changed",
            "add one by hand below the last outlet, then try again",
        )


def _is_meant(settings: Settings, name: str, one: NewOutlet) -> bool:
    outlet = settings.outlets[name]
    keys = one.extract.get("keys", [])
    others = {key: getattr(outlet, key) for key in one.others}
    return outlet.name == one.name and outlet.extract.keys == list(keys) and others == one.others
