"""Holds requests and responses against Mirakl's official OpenAPI document, wherever one is at hand.

`MIRAKL_OPENAPI` names the file (.json or .json.gz); it is no part of this repository. The document
is stricter here than it is written: values that its words list are the only ones, and no object has
a property that it does not name. It seldom says what may be null; its own examples have null in
optional properties, so it is allowed there, and where the words say that it is null at first.
"""

from __future__ import annotations

import gzip
import json
import os
import re
from datetime import datetime
from email import policy
from email.parser import BytesParser
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

VARIABLE = "MIRAKL_OPENAPI"
ROOT = "urn:mirakl"
NULL = {"type": "null"}
TOLD_LATER = "Null before shipping"
"""Words with which the document says that a property that it requires is null at first."""

SEVERAL = "comma-separated list"
KEPT = ("type", "format", "enum", "required", "minLength", "maxLength", "maxItems", "description")
WHOLE = {"int32": 2**31, "int64": 2**63}

needs_document = pytest.mark.skipif(
    not os.environ.get(VARIABLE),
    reason=f"{VARIABLE} does not name Mirakl's OpenAPI document; without it nothing is compared",
)


class NotConforming(AssertionError):
    """A request or response that the official document does not allow; the message says where."""


# --- the document, as JSON Schema


@cache
def document() -> dict[str, Any]:
    """The official document, its schemas converted."""
    path = Path(os.environ[VARIABLE])
    content = path.read_bytes()
    whole = json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)
    schemas = whole["components"]["schemas"]
    whole["components"]["schemas"] = {n: _converted(s, schemas) for n, s in schemas.items()}
    for _, _, _, operation in _operations(whole):
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for content in (body.get("content", {}) for body in bodies):
            for media in content.values():
                media["schema"] = _converted(media.get("schema", {}), schemas)
    return whole


def _operations(whole: dict[str, Any]) -> list[tuple[str, str, str, dict[str, Any]]]:
    """Code, method, path and operation of every call."""
    return [
        (operation["operationId"], method.upper(), path, operation)
        for path, methods in whole["paths"].items()
        for method, operation in methods.items()
        if isinstance(operation, dict) and "operationId" in operation
    ]


def _named_values(words: str) -> list[str]:
    """The values that a description lists, deprecated ones included."""
    if "Enum: " not in words:
        return []
    return re.findall(r'`"([^"]*)"`', words[words.index("Enum: ") :])


def _converted(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}
    result = {name: schema[name] for name in KEPT if name in schema}
    listed = _named_values(schema.get("description", ""))
    if listed and schema.get("type") == "string":
        result.setdefault("enum", listed)
    if "items" in schema:
        result["items"] = _converted(schema["items"], schemas)
    if "properties" in schema:
        required = set(schema.get("required", ()))
        result["properties"] = {
            name: inner
            if name in required and TOLD_LATER not in given.get("description", "")
            else {"anyOf": [inner, NULL]}
            for name, given, inner in (
                (name, given, _converted(given, schemas))
                for name, given in schema["properties"].items()
            )
        }
        if "discriminator" not in schema and "allOf" not in schema:
            result["additionalProperties"] = False
    if "discriminator" in schema:
        rule = schema["discriminator"]
        kinds = rule.get("mapping", {}).items()
        result["allOf"] = [
            _kind(rule["propertyName"], value, schemas[target.rpartition("/")[2]], schemas)
            for value, target in kinds
        ]
    return result


def _kind(name: str, value: str, own: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """What an object of one kind, told by property `name`, is beyond what all kinds are."""
    alone = {key: own[key] for key in ("type", "properties", "required") if key in own}
    then = _converted(alone, schemas)
    then.pop("additionalProperties", None)
    return {"if": {"properties": {name: {"const": value}}, "required": [name]}, "then": then}


def _formats() -> FormatChecker:
    checker = FormatChecker(formats=())

    @checker.checks("date-time", raises=ValueError)
    def _date_time(value: object) -> bool:
        return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None

    for name, limit in WHOLE.items():
        checker.checks(name)(
            lambda value, limit=limit: not isinstance(value, int) or -limit <= value < limit
        )
    return checker


@cache
def _registry() -> Registry[Any]:
    resource: Resource[Any] = DRAFT202012.create_resource(document())
    return Registry().with_resource(ROOT, resource)


@cache
def _validator(*steps: str) -> Draft202012Validator:
    """Of the schema that stands below these steps of the document."""
    pointer = "/".join(step.replace("~", "~0").replace("/", "~1") for step in steps)
    return Draft202012Validator(
        {"$ref": f"{ROOT}#/{quote(pointer)}"}, registry=_registry(), format_checker=_formats()
    )


def _check_json(place: str, value: Any, *steps: str) -> None:
    found = sorted(_validator(*steps).iter_errors(value), key=lambda fault: list(fault.path))
    if found:
        words = "; ".join(f"{fault.json_path}: {fault.message[:200]}" for fault in found[:5])
        raise NotConforming(f"{place}: {words}")


@cache
def _operation(code: str) -> tuple[str, str, dict[str, Any]]:
    """Method, path and operation of a call."""
    found = {known: (method, path, each) for known, method, path, each in _operations(document())}
    return found[code]


def _need(holds: bool, place: str, words: str) -> None:
    if not holds:
        raise NotConforming(f"{place}: {words}")


def _loaded(place: str, body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as fault:
        raise NotConforming(f"{place}: is not JSON: {fault}") from fault


# --- responses


def check_response(call_code: str, status: int, headers: dict[str, str], body: bytes) -> None:
    """NotConforming unless a response is one that the call may have.

    The document knows no errors; they are JSON with a `message`, and 429 says when to come back.
    """
    place = f"{call_code} {status}"
    named = {name.lower(): value for name, value in headers.items()}
    method, path, operation = _operation(call_code)
    if status >= 400:
        told = _loaded(place, body)
        _need(isinstance(told, dict), place, "an error is an object")
        _need(isinstance(told.get("message"), str), place, "an error has a message")
        if status == 429:
            _need(named.get("retry-after", "").isdecimal(), place, "Retry-After is in seconds")
        return
    response = operation["responses"].get(str(status))
    _need(response is not None, place, f"only {', '.join(operation['responses'])} are answers")
    for name in response.get("headers", {}):
        target = urlsplit(named.get(name.lower(), ""))
        _need(bool(target.scheme and target.netloc), place, f"{name} is a URL")
        _call_of("GET", target.path)
    media = named.get("content-type", "").partition(";")[0]
    content = response.get("content", {})
    if not content:
        return
    _need(media in content, place, f"{media or 'no type'} is none of {', '.join(content)}")
    if media == "application/json":
        steps = ("paths", path, method.lower(), "responses", str(status), "content", media)
        _check_json(place, _loaded(place, body), *steps, "schema")
    else:
        _need(bool(body), place, "a file has content")


# --- requests


def check_request(method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> str:
    """The code of the call that a request is; NotConforming unless the document allows it.

    `path` may stand below any other (`/mirakl/api/offers`).
    """
    code, named = _call_of(method, path)
    _, template, operation = _operation(code)
    place, given = f"{code} request", {name.lower(): value for name, value in headers.items()}
    key = given.get("authorization", "")
    _need(bool(key) and " " not in key, place, "Authorization is the key and nothing else")
    known = {(p["in"], p["name"]): p for p in operation.get("parameters", ())}
    for name, value in named.items():
        _check_parameter(place, name, value, known[("path", name)]["schema"])
    asked = parse_qsl(query, keep_blank_values=True)
    for name, value in asked:
        parameter = known.get(("query", name), {}) or _general(operation).get(name)
        _need(parameter is not None, place, f"there is no parameter {name}")
        several = SEVERAL in (parameter or {}).get("description", "")
        for one in value.split(",") if several else [value]:
            _check_parameter(place, name, one, (parameter or {}).get("schema", {}))
    needed = {n for (where, n), p in known.items() if where == "query" and p.get("required")}
    _need(needed <= {name for name, _ in asked}, place, f"{', '.join(needed)} must be given")
    content = operation.get("requestBody", {}).get("content", {})
    if not content:
        _need(not body, place, "there is no body")
        return code
    media = given.get("content-type", "").partition(";")[0]
    _need(media in content, place, f"{media or 'no type'} is none of {', '.join(content)}")
    if media == "application/json":
        steps = ("paths", template, method.lower(), "requestBody", "content", media, "schema")
        _check_json(place, _loaded(place, body), *steps)
    else:
        _check_file(place, given["content-type"], body, operation)
    return code


def check_logged(entry: dict[str, Any]) -> str:
    """`check_request` for an entry of the sandbox's log, read with bodies."""
    body = entry["body"]
    if not isinstance(body, str):
        body = "" if body is None else json.dumps(body)
    headers = entry["headers"]
    return check_request(entry["method"], entry["path"], entry["query"], headers, body.encode())


@cache
def _call_of(method: str, path: str) -> tuple[str, dict[str, str]]:
    """Code and path parameters of a request: of all templates that fit, the most exact one."""
    _need("/api/" in path, path, "is not below /api")
    wanted = path[path.index("/api/") :]
    found: list[tuple[int, str, dict[str, str]]] = []
    for code, known, template, _ in _operations(document()):
        pattern = re.sub(r"\{([^}]+)\}", r"(?P<\1>[^/]+)", template)
        match = re.fullmatch(pattern, wanted) if known == method else None
        if match is not None:
            found.append((template.count("{"), code, match.groupdict()))
    _need(bool(found), f"{method} {path}", "there is no such call")
    _, code, named = min(found, key=lambda entry: entry[0])
    return code, named


def _general(operation: dict[str, Any]) -> dict[str, Any]:
    """Parameters that the document describes for many calls at once."""
    words, whole = operation.get("description", ""), {"schema": {"type": "integer"}}
    text: dict[str, Any] = {"schema": {"type": "string"}}
    found: dict[str, Any] = {}
    if "offset pagination" in words:
        found |= {"max": {"schema": {"type": "integer", "maximum": 100}}, "offset": whole}
    if "seek pagination" in words:
        found |= {"limit": {"schema": {"type": "integer", "maximum": 100}}, "page_token": text}
    if "Sort fields" in words:
        fields = re.findall(r"<b>(\w+)</b>", words)
        found["sort"] = {"schema": {"type": "string", "enum": fields}}
        found["order"] = {"schema": {"type": "string", "enum": ["asc", "desc"]}}
    if "Localization" in words:
        found["locale"] = text
    return found


def _check_parameter(place: str, name: str, text: str, schema: dict[str, Any]) -> None:
    schema = schema.get("items", schema)
    value: Any = text
    if schema.get("type") == "integer":
        _need(re.fullmatch(r"-?\d+", text) is not None, place, f"{name} is a whole number")
        value = int(text)
    elif schema.get("type") == "boolean":
        _need(text in ("true", "false"), place, f"{name} is true or false")
        value = text == "true"
    rules = Draft202012Validator(schema, format_checker=_formats())
    for fault in rules.iter_errors(value):
        raise NotConforming(f"{place}: {name}: {fault.message[:200]}")


def _check_file(place: str, content_type: str, body: bytes, operation: dict[str, Any]) -> None:
    """A form with one file, whose columns are among those that the document names."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    parts = BytesParser(policy=policy.HTTP).parsebytes(head + body).iter_parts()
    files = {part.get_param("name", header="content-disposition"): part for part in parts}
    _need(set(files) == {"file"}, place, f"a form with a file was expected, not {set(files)}")
    lines = files["file"].get_payload(decode=True)
    text = lines.decode("utf-8-sig") if isinstance(lines, bytes) else ""
    _need("\n" in text, place, "the file has no lines")
    words = _original_words(operation)
    columns = set(re.findall(r"[a-z]+(?:-[a-z]+)+|price|quantity|channels", words))
    header = {cell.strip('"') for cell in text.splitlines()[0].split(";")}
    _need(header <= columns, place, f"there is no column {', '.join(header - columns)}")


def _original_words(operation: dict[str, Any]) -> str:
    """What the document says of the file of a form."""
    schema = operation["requestBody"]["content"]["multipart/form-data"]["schema"]
    if "$ref" in schema:
        schema = document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return " ".join(re.findall("<code>(.*?)</code>", schema["properties"]["file"]["description"]))
