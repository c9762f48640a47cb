"""YAML text as plain values, with the line of every one of them.

Stricter than YAML 1.1 where that loses what was written: `017` stays text, dates stay text, `no`
is text, a key that is said twice is a mistake. Knows nothing of what the file is about.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from marketsync_dagster.config.problems import At, closest, smells_of_secret

MAX_BYTES = 5_000_000
_MAX_VALUES = 100_000  # aliases of aliases can stand for more than memory holds
_NULL, _BOOL, _INT, _FLOAT, _STR, _MERGE = (
    f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str", "merge")
)
_VARIABLE = re.compile(r"\$(\$\{|\{([^}:]*)(?::-([^}]*))?\})")


class _Loader(yaml.SafeLoader):
    """Only composes nodes; what plain words mean is decided by the table below.

    Not the C loader: that one crashes the process on deeply nested text.
    """

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


for _tag, _pattern, _first in (
    (_NULL, r"~|null|Null|NULL|", "~nN\0"),
    (_BOOL, r"true|True|TRUE|false|False|FALSE", "tTfF"),
    (_INT, r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    (
        _FLOAT,
        r"[-+]?(?:(?:0|[1-9][0-9]*)?\.[0-9]+(?:[eE][-+]?[0-9]+)?|[1-9][0-9]*[eE][-+]?[0-9]+|\.inf)",
        "-+0123456789.",
    ),
    (_MERGE, r"<<", "<"),
):
    _Loader.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})$"), [*_first, ""])


def compose(text: str) -> yaml.Node | None:
    """The nodes of a text, with their places; yaml.YAMLError as it comes."""
    return yaml.compose(text, Loader=_Loader)


class YamlMistakes(ValueError):
    """What is wrong with the text as YAML, each with its line and path."""

    def __init__(self, mistakes: list[tuple[int, At, str]]) -> None:
        super().__init__("; ".join(message for _, _, message in mistakes))
        self.mistakes = mistakes


@dataclass
class Document:
    """What the text says, and on which physical line each part of it stands."""

    value: Any = None
    lines: dict[At, int] = field(default_factory=dict)
    key_lines: dict[At, int] = field(default_factory=dict)
    written: dict[At, str] = field(default_factory=dict)
    """Scalars as they stand in the text, before they were read as numbers."""

    def line_of(self, at: At, *, key: bool = False) -> int:
        """The line of the value (or key) at `at`, or of the nearest part around it."""
        lines = self.key_lines | {(): 1} if key else self.lines
        while at not in lines and at:
            at, lines = at[:-1], self.key_lines | self.lines
        return lines.get(at, 1)


def read_yaml(raw: bytes, environment: Mapping[str, str] = os.environ) -> Document:
    """Read one document, with `${NAME:-default}` filled in; `YamlMistakes` names every mistake."""
    if len(raw) > MAX_BYTES:
        raise YamlMistakes([(1, (), f"expected at most {MAX_BYTES} bytes, got {len(raw)}")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise YamlMistakes([(line, (), "expected UTF-8 text, got other bytes")]) from None
    try:
        node = compose(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        # the words of the parser may quote the text, which may be a secret
        words = re.sub(r"""'[^']{2,}'|"[^"]{2,}\"""", "...", error.problem or "not YAML")
        raise YamlMistakes([(line, (), f"expected YAML, got a mistake: {words}")]) from None
    except yaml.YAMLError:  # a character that YAML forbids
        raise YamlMistakes([(1, (), "expected YAML text, got control characters")]) from None
    except RecursionError:
        raise YamlMistakes([(1, (), "expected YAML, got too many levels")]) from None
    reader = _Reader(Document(), environment)
    if node is not None:
        try:
            reader.document.value = reader.read(node, ())
        except RecursionError:
            raise YamlMistakes([(1, (), "expected YAML, got too many levels")]) from None
    if reader.mistakes:
        raise YamlMistakes(sorted(reader.mistakes, key=lambda mistake: mistake[0]))
    return reader.document


class _Reader:
    def __init__(self, document: Document, environment: Mapping[str, str]) -> None:
        self.document = document
        self.environment = environment
        self.mistakes: list[tuple[int, At, str]] = []
        self._open: set[int] = set()
        self._values = 0

    def read(self, node: yaml.Node, at: At) -> Any:
        line = node.start_mark.line + 1
        self.document.lines.setdefault(at, line)
        self._values += 1
        if self._values > _MAX_VALUES:
            raise YamlMistakes([(line, (), "expected a configuration, got too many values")])
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, at, line)
        if id(node) in self._open:
            self.mistakes.append((line, at, "expected a value, got an alias of itself"))
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self.read(item, (*at, index)) for index, item in enumerate(node.value)]
            assert isinstance(node, yaml.MappingNode)
            return self._mapping(node, at)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, at: At) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.mistakes.append((line, at, "expected a word as key, got a list or section"))
                continue
            if key_node.tag == _MERGE:
                merged |= self._merge(value_node, at, line)
                continue
            key = str(key_node.value)
            if key in found:
                first = self.document.key_lines[*at, key]
                message = f"expected each key once, got it again (first on line {first})"
                self.mistakes.append((line, (*at, key), message))
                continue
            self.document.key_lines[*at, key] = line
            found[key] = self.read(value_node, (*at, key))
        return merged | found

    def _merge(self, node: yaml.Node, at: At, line: int) -> dict[str, Any]:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for source in reversed(sources):
            value = self.read(source, at)
            if not isinstance(value, dict):
                self.mistakes.append((line, (*at, "<<"), "expected a section to merge"))
                continue
            merged |= value
        return merged

    def _scalar(self, node: yaml.ScalarNode, at: At, line: int) -> Any:
        text = str(node.value)
        self.document.written[at] = text
        if node.tag == _NULL:
            return None
        if node.tag == _BOOL:
            return text.lower() == "true"
        try:
            if node.tag == _INT:
                return int(text)
            if node.tag == _FLOAT:
                return float(text.replace(".inf", "inf"))
        except ValueError:
            self.mistakes.append((line, at, "expected a number, got something else"))
            return None
        if node.tag not in (_STR, "!"):
            self.mistakes.append((line, at, "expected plain YAML, got a tag"))
            return None
        return self._filled_in(text, at, line)

    def _filled_in(self, text: str, at: At, line: int) -> str:
        """`text` with `${NAME}` and `${NAME:-default}` replaced; `$${` stands for `${`."""

        def value(match: re.Match[str]) -> str:
            if match[1] == "${":
                return "${"
            name, default = match[2], match[3]
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                self.mistakes.append((line, at, "expected ${NAME} or ${NAME:-default}"))
            elif smells_of_secret(name):
                message = f"expected no secret in a plain value, got ${{{name}}}"
                self.mistakes.append((line, at, f"{message} (write {{env: {name}}})"))
            elif self.environment.get(name):
                return self.environment[name]
            elif default is not None:
                return default
            else:
                near = closest(name, [key for key in self.environment if "_" in key])
                message = f"expected environment variable {name} to be set{near}, got nothing"
                self.mistakes.append((line, at, message))
            return ""

        return _VARIABLE.sub(value, text)
