"""The section `sources`: places that the extracts of several outlets come from.

A source says where and how; which outlet a file or a row is of is told by `outlet`, and what each
outlet is called there by its `extract.keys`. The values of secrets are never here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from marketsync_dagster.config.accounts import SecretRef
from marketsync_dagster.config.problems import At, Problem, Problems, smells_of_secret
from marketsync_dagster.config.reading import Reading
from marketsync_dagster.config.scalars import FilePath, Number, Section

_OTHER_SECRETS = re.compile(
    r"(?:^|_)(?:connection_string|passphrase|sas|pkey|pin)(?:$|_)", re.IGNORECASE
)
_NO_SECRETS = frozenset({"key_filename", "keys", "look_for_keys", "allow_agent", "auth_timeout"})
"""Names that only look as if they held a secret."""
_HOLDS_A_PASSWORD = re.compile(
    r"://[^/?#@]*:[^/?#@]+@|[?&;](?:password|passwd|pwd|token|secret)=", re.IGNORECASE
)


def _reference(value: dict[str, Any], at: At) -> SecretRef:
    try:
        return SecretRef.model_validate(value)
    except ValidationError:
        # its error holds the value, which may be the secret itself
        message = "expected a reference such as {env: NAME} or {secret: NAME}, got something else"
    raise Problem(message, at)


def _is_reference(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and set(value) <= {"env", "secret"}


def _options(value: Any) -> Any:
    """Options with references to secrets instead of the sections that say them."""
    if not isinstance(value, dict):
        raise Problem("expected a section of `key: value` lines")
    return {key: _option(one, (key,), str(key)) for key, one in value.items()}


def _option(value: Any, at: At, name: str) -> Any:
    if isinstance(value, SecretRef):
        return value
    if _is_reference(value):
        return _reference(value, at)
    if isinstance(value, dict):
        return {key: _option(one, (*at, key), str(key)) for key, one in value.items()}
    if isinstance(value, list):
        return [_option(one, (*at, index), name) for index, one in enumerate(value)]
    if isinstance(value, str | int | float) and not isinstance(value, bool) and _is_secret(name):
        raise Problem("expected a reference such as {env: NAME}, got something else", at)
    return value


def _is_secret(name: str) -> bool:
    if name in _NO_SECRETS:
        return False
    return smells_of_secret(name) or _OTHER_SECRETS.search(name) is not None


def _address(value: Any) -> Any:
    if _is_reference(value) or isinstance(value, dict):
        return _reference(value, ())
    if isinstance(value, str) and _HOLDS_A_PASSWORD.search(value):
        raise Problem(
            "expected an address without a password, got one with it: keep it whole as a secret "
            "({env: NAME}), or, for files, its user and password in `options`"
        )
    if isinstance(value, str) and "://" not in value:
        raise Problem("expected an address such as s3://bucket/folder or postgresql://host/name")
    if not isinstance(value, str | SecretRef | None):
        raise Problem("expected an address, or a reference such as {env: NAME}")
    return value


class OutletRule(Section):
    """How a file, or a row, of a shared source tells which outlet it is of."""

    from_: Literal["name", "column", "directory", "content"] = Field(alias="from")
    """name: of the file; directory: of the folder it is in; column: each row has its outlet, or
    each outlet its columns; content: what the document says of itself."""
    pattern: str | None = None
    """name, directory: a regular expression with a group `outlet`; null: as the preset says, or
    the whole name of the folder."""
    column: str | None = Field(default=None, min_length=1)
    """The header of the column with the outlet; null: recognised by its name."""

    @field_validator("pattern")
    @classmethod
    def _has_the_group(cls, pattern: str | None) -> str | None:
        if pattern is None:
            return None
        try:
            groups = re.compile(pattern).groupindex
        except re.error as error:
            raise ValueError(f"expected a regular expression ({error})") from None
        if "outlet" not in groups:
            raise ValueError("expected a group such as (?P<outlet>[0-9]+) in it")
        return pattern

    @model_validator(mode="after")
    def _says_what_is_used(self) -> Self:
        if self.pattern is not None and self.from_ not in ("name", "directory"):
            raise Problem("expected no pattern, which is for `from: name`", ("pattern",))
        if self.column is not None and self.from_ != "column":
            raise Problem("expected no column, which is for `from: column`", ("column",))
        return self


OF_FILES = ("pattern", "time_pattern", "settle_s", "delimiter", "encoding", "sheet")
"""Keys of reading that mean nothing where there are no files."""

_TAKES = {
    "directory": {"path", "url", "options"},
    "sql": {"url", "query", "timeout_s"},
    "api": {"adapter", "options", "timeout_s"},
}
"""Kind -> the keys of it."""


class SourceSettings(Reading):
    """One shared source."""

    kind: Literal["directory", "sql", "api"]
    path: FilePath | None = None
    """directory: a folder of this machine."""
    url: Annotated[str | SecretRef | None, BeforeValidator(_address)] = None
    """directory: of a folder elsewhere, `s3://bucket/folder`; sql: of the database."""
    query: str | None = Field(default=None, min_length=1)
    """sql: one SELECT, for all outlets."""
    adapter: str | None = Field(default=None, min_length=1)
    """api: the name under which its adapter is registered."""
    options: Annotated[dict[str, Any], BeforeValidator(_options)] = Field(default_factory=dict)
    """What the file system or the adapter takes besides; secrets by reference."""
    outlet: OutletRule | None = None
    """Needed where several outlets use the source."""
    timeout_s: Number = Field(default=300.0, gt=0, le=86_400)
    """sql, api: after how long a query or a pull is given up."""

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        found = [*self._keys_of_other_kinds()]
        found += self._directory_problems() if self.kind == "directory" else self._asked_problems()
        rule = self.outlet
        column = None if rule is None else rule.column
        if column is not None and self.columns.get("outlet", column) != column:
            message = f"expected the header that columns.outlet says, got '{column}'"
            found.append(Problem(message, ("outlet", "column")))
        if found:
            raise Problems(found)
        return self

    def _keys_of_other_kinds(self) -> Iterator[Problem]:
        foreign = {"path", "url", "query", "adapter", "options", "timeout_s"} - _TAKES[self.kind]
        for key in sorted(foreign & self.model_fields_set):
            yield Problem(f"expected no {key} for kind {self.kind}", (key,))

    def _directory_problems(self) -> Iterator[Problem]:
        if (self.path is None) == (self.url is None):
            got = "nothing" if self.path is None else "both"
            yield Problem(f"expected either path or url, got {got}", ("path",))
        if isinstance(self.url, SecretRef):
            message = "expected a plain address, its user and password in `options`"
            yield Problem(f"{message}, got a reference", ("url",))
        if self.path is not None and self.options:
            yield Problem("expected no options beside path", ("options",))

    def _asked_problems(self) -> Iterator[Problem]:
        """Of a database or an interface, which has no files."""
        for key in ("url", "query") if self.kind == "sql" else ("adapter",):
            if getattr(self, key) is None:
                message = f"expected {key} for kind {self.kind}, got nothing (the key is missing)"
                yield Problem(message, (key,))
        for key in OF_FILES:
            if key in self.model_fields_set:
                message = f"expected no {key} for kind {self.kind}, which has no files"
                yield Problem(message, (key,))
        if self.outlet is not None and self.outlet.from_ in ("name", "directory"):
            message = f"expected column or content for kind {self.kind}, which has no files"
            yield Problem(message, ("outlet", "from"))

    def references(self) -> Iterator[tuple[At, SecretRef]]:
        """Every reference to a secret, with its path in the section."""
        if isinstance(self.url, SecretRef):
            yield ("url",), self.url
        yield from _references(self.options, ("options",))


def _references(value: Any, at: At) -> Iterator[tuple[At, SecretRef]]:
    if isinstance(value, SecretRef):
        yield at, value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _references(one, (*at, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _references(one, (*at, index))
