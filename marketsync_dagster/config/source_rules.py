"""What must hold between the sections `sources` and `outlets`, and what an outlet takes over.

A wrong price must not come from a file of another outlet: who shares a source says how it tells
them apart.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from fnmatch import translate
from typing import TYPE_CHECKING

from marketsync_dagster.config.outlets import OWN
from marketsync_dagster.config.problems import At, Problem, closest
from marketsync_dagster.config.reading import Reading
from marketsync_dagster.config.sources import OF_FILES

if TYPE_CHECKING:
    from marketsync_dagster.config.settings import Settings
    from marketsync_dagster.config.sources import SourceSettings


def users_of(settings: Settings, source: str) -> list[str]:
    """The outlets of a shared source, in the order of the configuration."""
    return [name for name, outlet in settings.outlets.items() if outlet.extract.source == source]


def outlets_name_their_sources(settings: Settings) -> Iterator[Problem]:
    """Every `extract.source` is there; other rules follow the names."""
    if OWN in settings.sources:
        message = f"expected another name: '{OWN}' stands for an outlet's own directory"
        yield Problem(message, ("sources", OWN))
    known = [OWN, *settings.sources]
    for name, outlet in settings.outlets.items():
        source = outlet.extract.source
        if source not in known:
            choice = f" ({', '.join(settings.sources)})" if 0 < len(settings.sources) <= 12 else ""
            yield Problem(
                f"expected '{OWN}' or one of sources{choice}{closest(source, known)}, "
                f"got '{source}'",
                ("outlets", name, "extract", "source"),
            )


def sources_tell_outlets_apart(settings: Settings) -> Iterator[Problem]:
    """Several outlets of a source need a rule, and each a key that is its own."""
    for source, said in settings.sources.items():
        users = users_of(settings, source)
        yield from _rule_can_be_followed(source, said)
        if said.outlet is None:
            if len(users) > 1:
                yield Problem(
                    "expected how outlets are told apart, such as `outlet: {from: name}`, because "
                    f"{_listed(users)} use it, got nothing",
                    ("sources", source, "outlet"),
                )
            continue
        holders: dict[str, str] = {}
        for name in users:
            at: At = ("outlets", name, "extract", "keys")
            keys = settings.outlets[name].extract.keys
            if not keys:
                yield Problem(
                    f"expected what the outlet is called in sources.{source}, such as "
                    '`keys: ["028"]`, got nothing',
                    at,
                )
            for index, key in enumerate(keys):
                other = holders.setdefault(same_key(key), name)
                if other != name:
                    message = f"expected a key of its own, got '{key}', which outlets.{other} has"
                    yield Problem(message, (*at, index))


def _rule_can_be_followed(source: str, said: SourceSettings) -> Iterator[Problem]:
    rule = said.outlet
    if rule is None:
        return
    if said.preset == "generic" and rule.from_ == "name" and rule.pattern is None:
        yield Problem(
            'expected a regular expression such as "_(?P<outlet>[0-9]+)_", because the preset '
            "generic knows no names of files, got nothing",
            ("sources", source, "outlet", "pattern"),
        )
    if said.preset == "generic" and rule.from_ == "content":
        yield Problem(
            "expected a preset that knows where a document names its outlet, got generic",
            ("sources", source, "preset"),
        )
    if rule.from_ == "directory" and any("/" not in pattern for pattern in said.patterns):
        yield Problem(
            'expected a pattern with the folder that names the outlet, such as "*/*.csv"',
            ("sources", source, "pattern"),
        )


def outlets_say_what_their_source_takes(settings: Settings) -> Iterator[Problem]:
    """Keys about files mean nothing to a database, a column of outlets not to one outlet."""
    for name, outlet in settings.outlets.items():
        source = settings.sources.get(outlet.extract.source)
        if source is None:
            continue
        said = outlet.extract.model_fields_set
        if source.kind != "directory":
            for key in OF_FILES:
                if key in said:
                    at = ("outlets", name, "extract", key)
                    yield Problem(f"expected no {key} for a source of kind {source.kind}", at)
        rule = source.outlet
        if rule is None or rule.column is None:
            continue
        if outlet.extract.columns.get("outlet", rule.column) != rule.column:
            message = f"expected the header that sources.{outlet.extract.source}.outlet says"
            yield Problem(message, ("outlets", name, "extract", "columns", "outlet"))


def no_extract_is_read_for_two_outlets(settings: Settings) -> Iterator[Problem]:
    """An outlet's own files are nobody else's, and each is taken by one of its patterns."""
    folders: dict[str, list[tuple[str, str, re.Pattern[str]]]] = {}
    for name, source in settings.sources.items():
        if source.path is not None:
            beside = folders.setdefault(os.path.normpath(source.path), [])
            beside += [
                (f"sources.{name}", pattern.lower(), re.compile(translate(pattern.lower())))
                for pattern in source.patterns
                if "/" not in pattern
            ]
    for name, outlet in settings.outlets.items():
        said = outlet.extract
        if said.path is None or said.shared is not None:
            continue
        beside, me = folders.setdefault(os.path.normpath(said.path), []), f"outlets.{name}"
        for index, written in enumerate(said.patterns):
            pattern = written.lower()
            taken = re.compile(translate(pattern))
            at: At = ("outlets", name, "extract", "pattern")
            if not isinstance(said.pattern, str):
                at = (*at, index)
            for other, theirs, takes in beside:
                both = takes.match(pattern) or taken.match(theirs)
                if other == me and both:
                    message = f"'{written}' and '{theirs}' take the same files"
                    yield Problem(f"expected patterns of different files: {message}", at)
                elif pattern == theirs:
                    yield Problem(
                        f"expected files of its own, got the path and pattern of {other}",
                        ("outlets", name, "extract", "path"),
                    )
                elif both:
                    yield Problem(
                        f"expected files of its own, got '{written}' beside '{theirs}' of "
                        f"{other} in one folder: one of them takes the files of both",
                        at,
                    )
            beside.append((me, pattern, taken))


def take_over(settings: Settings) -> None:
    """Fill in what the outlets' shared sources say wherever an outlet says nothing itself."""
    for name, outlet in settings.outlets.items():
        source = settings.sources.get(outlet.extract.source)
        if source is None:
            continue
        said = outlet.extract.model_fields_set
        filled = {key: getattr(source, key) for key in Reading.model_fields if key not in said}
        rule = source.outlet
        if rule is not None and rule.column is not None:
            columns = filled.get("columns", outlet.extract.columns)
            filled["columns"] = {**columns, "outlet": rule.column}
        filled["path"] = source.path
        if source.kind != "directory":
            filled["pattern"] = "*"  # whatever it is called: there is only one answer
        extract = outlet.extract.model_copy(update=filled)
        settings.outlets[name] = outlet.model_copy(update={"extract": extract})


def same_key(key: str) -> str:
    """How readers compare what outlets are called: `Main_Outlet` is `main outlet`."""
    return " ".join(key.replace("_", " ").casefold().split())


def _listed(names: list[str]) -> str:
    shown = names if len(names) <= 3 else [*names[:2], f"{len(names) - 2} more"]
    return f"{', '.join(shown[:-1])} and {shown[-1]}"
