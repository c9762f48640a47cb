"""pydantic's errors in MarketSync's words: path, "expected ...", "got ...", the closest key.

Works on the model alone; lines and files are added by `config.load`.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from marketsync_dagster.config.accounts import PLATFORMS
from marketsync_dagster.config.names_said import names_that_lead_nowhere
from marketsync_dagster.config.problems import At, Problem, Problems, closest, shown
from marketsync_dagster.config.settings import Settings

_PLATFORMS = " or ".join(map(repr, PLATFORMS))
_EXPECTED = {
    "string_type": "text (in quotes where it looks like a number)",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "decimal_type": "a number",
    "decimal_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a section of `key: value` lines",
    "model_type": "a section of `key: value` lines",
    "model_attributes_type": "a section of `key: value` lines",
    "list_type": "a list",
    "path_type": "a path",
    "string_too_short": "text that is not empty",
    "string_too_long": "at most 8 characters",
}


def problems_of(error: ValidationError, data: Any) -> Iterator[tuple[At, str, bool]]:
    """Each mistake as (path in the file, message, whether it is about the key itself)."""
    details = error.errors(include_url=False)
    told: set[At] = set()
    for detail in details:
        for problem in _problems_of(detail, data):
            told.add(problem[0])
            yield problem
    if all(detail["loc"] for detail in details):  # the rules between sections were not asked
        for at, message in names_that_lead_nowhere(data):
            if at not in told:
                yield at, message, False


def _problems_of(detail: ErrorDetails, data: Any) -> Iterator[tuple[At, str, bool]]:
    at = _place(detail["loc"], data)
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, Problems | Problem):
        for problem in cause.problems if isinstance(cause, Problems) else [cause]:
            where = (*at, *problem.at)
            yield where, _with_value(problem.message, where, data), False
    elif detail["type"] == "extra_forbidden":
        known = list(_keys(_models_at(detail["loc"][:-1])))
        yield at, f"expected a known key{closest(str(at[-1]), known)}, got an unknown one", True
    elif detail["type"] == "missing":
        yield at, f"expected {_wanted(detail)}, got nothing (the key is missing)", True
    elif detail["type"].startswith("union_tag"):
        yield (*at, "platform"), _expectation(detail, data, at), False
    else:
        key = detail["loc"][-1:] == ("[key]",)
        message = _expectation(detail, data, at)
        yield at, message if key else _with_value(message, at, data), key


def _place(loc: tuple[str | int, ...], data: Any) -> At:
    """The path in the file: pydantic's, without the tags of unions and the marks of keys."""
    at: list[str | int] = []
    here = data
    for index, part in enumerate(loc):
        if part == "[key]":
            continue
        if len(at) == 2 and at[0] == "accounts" and index == 2 and part == _tag(here):
            continue
        at.append(part)
        if isinstance(here, dict):
            here = here.get(part)
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            here = here[part]
        else:
            here = None
    return tuple(at)


def _tag(account: Any) -> Any:
    return account.get("platform") if isinstance(account, dict) else None


def _expectation(detail: ErrorDetails, data: Any, at: At) -> str:
    kind, ctx = detail["type"], detail.get("ctx", {})
    if kind == "value_error":
        text = str(ctx["error"])
        if detail["loc"][-1:] == ("[key]",):
            return f"{text}, got the key {shown(at[-1])}"
        return text
    if kind in ("literal_error", "enum"):
        choices = re.findall(r"'([^']*)'", ctx["expected"])
        value = detail["input"]
        near = closest(value, choices) if isinstance(value, str) else ""
        if detail["loc"][-1:] == ("[key]",):
            return f"expected one of the keys {ctx['expected']}{near}, got an unknown one"
        return f"expected {ctx['expected']}{near}"
    if kind.startswith("union_tag"):
        near = ""
        account = detail["input"]
        if isinstance(account, dict) and isinstance(account.get("platform"), str):
            near = closest(account["platform"], list(PLATFORMS))
            return f"expected {_PLATFORMS}{near}, got {shown(account['platform'])}"
        return f"expected {_PLATFORMS}, got nothing (the key is missing)"
    if kind == "too_short":
        return "expected at least one entry"
    if kind in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        return f"expected {_bounds(detail)}"
    return f"expected {_EXPECTED[kind]}" if kind in _EXPECTED else detail["msg"]


def _with_value(message: str, at: At, data: Any) -> str:
    if ", got " in message:
        return message
    here = data
    for part in at:
        if isinstance(here, dict):
            here = here.get(part)
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            here = here[part]
        else:
            here = None
    return f"{message}, got {shown(here, at)}"


def _bounds(detail: ErrorDetails) -> str:
    """`a number between 0 and 1`, from what the field says of itself."""
    limits: dict[str, Any] = dict(detail.get("ctx", {}))
    whole = isinstance(detail["input"], int)
    for model in _models_at(detail["loc"][:-1]):
        info = _field(model, detail["loc"][-1])
        for rule in info.metadata if info else ():
            for name in ("ge", "gt", "le", "lt"):
                if hasattr(rule, name):
                    limits[name] = getattr(rule, name)
        whole = info is not None and "int" in str(info.annotation)
    noun = "a whole number" if whole else "a number"
    if "ge" in limits and "le" in limits:
        return f"{noun} between {limits['ge']} and {limits['le']}"
    if "gt" in limits:
        return f"{noun} above {limits['gt']}"
    if "ge" in limits:
        return f"{noun} of {limits['ge']} or more"
    return f"{noun} of at most {limits.get('le', limits.get('lt'))}"


def _wanted(detail: ErrorDetails) -> str:
    for model in _models_at(detail["loc"][:-1]):
        info = _field(model, detail["loc"][-1])
        annotation = info.annotation if info else None
        if annotation is None:
            continue
        if get_origin(annotation) is Literal:
            return " or ".join(repr(word) for word in get_args(annotation))
        members = _members(annotation)
        if any(member.__name__ == "SecretRef" for member in members):
            return "a reference such as {env: NAME}"
        if members or get_origin(annotation) is dict:
            return "a section"
    return "a value"


def _models_at(loc: tuple[str | int, ...]) -> list[type[BaseModel]]:
    """The sections that can stand at `loc`, found by following the annotations from the top."""
    types_here: list[Any] = [Settings]
    for part in loc:
        following: list[Any] = []
        for here in types_here:
            if isinstance(here, type) and issubclass(here, BaseModel):
                tag = here.model_fields.get("platform")
                if tag is not None and part in get_args(tag.annotation):
                    following.append(here)
                    continue
                if tag is not None and part in PLATFORMS:
                    continue
                info = _field(here, part)
                if info is not None:
                    following.extend(_alternatives(info.annotation))
            else:
                following.extend(_alternatives(get_args(here)[-1] if get_args(here) else None))
        types_here = following
    return [here for here in types_here if isinstance(here, type) and issubclass(here, BaseModel)]


def _alternatives(annotation: Any) -> list[Any]:
    """The members of a union, each without its `Annotated`; lists and dicts stay as they are."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return [one for member in get_args(annotation) for one in _alternatives(member)]
    if hasattr(annotation, "__metadata__"):
        return _alternatives(get_args(annotation)[0])
    return [annotation]


def _members(annotation: Any) -> list[type[BaseModel]]:
    return [
        one
        for one in _alternatives(annotation)
        if isinstance(one, type) and issubclass(one, BaseModel)
    ]


def _field(model: type[BaseModel], key: str | int) -> FieldInfo | None:
    for name, info in model.model_fields.items():
        if key in (name, info.alias):
            return info
    return None


def _keys(models: list[type[BaseModel]]) -> Iterator[str]:
    for model in models:
        for name, info in model.model_fields.items():
            yield info.alias or name
