"""YAML as it was meant: text stays text, and every mistake has its line."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsync_dagster.config.yaml_file import YamlMistakes, read_yaml


def _value(text: str, **environment: str) -> object:
    return read_yaml(text.encode(), environment).value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("017", "017"),
        ("0", 0),
        ("-17", -17),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("1.50", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("01e3", "01e3"),
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("2026-10-01", "2026-10-01"),
        ('"17"', "17"),
        ("!!str 17", "17"),
    ],
)
def test_a_plain_word_means_what_it_looks_like(text: str, expected: object) -> None:
    value = _value(f"key: {text}")
    assert value == {"key": expected}
    assert isinstance(value, dict)
    assert type(value["key"]) is type(expected)


def test_keys_are_always_text() -> None:
    assert _value("017: a\n1: b\nno: c\n2.50: d") == {"017": "a", "1": "b", "no": "c", "2.50": "d"}


def test_anchors_and_merges_repeat_a_section_and_let_it_be_changed() -> None:
    text = "a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}\nc: *x\n"
    assert _value(text) == {"a": {"p": 1, "q": 2}, "b": {"p": 1, "q": 3}, "c": {"p": 1, "q": 2}}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (b"a: 1\nb: 2\na: 3\n", 3, "expected each key once, got it again (first on line 1)"),
        (b"a: 1\nb: {c: 1, c: 2}\n", 2, "expected each key once"),
        (b"a: [1, 2\n", 2, "expected YAML"),
        (b"a: 1\n\tb: 2\n", 2, "expected YAML"),
        (b"a: *nowhere\n", 1, "undefined alias"),
        (b"a: &x [*x]\n", 1, "an alias of itself"),
        (b"a: !!python/object:os.system ls\n", 1, "expected plain YAML, got a tag"),
        (b"a: !secret x\n", 1, "expected plain YAML, got a tag"),
        (b"? [1]\n: 2\n", 1, "expected a word as key"),
        (b"a: 1\n---\nb: 2\n", 2, "expected YAML"),
        (b"a: 1\nb: \xff\n", 2, "expected UTF-8"),
        (b"a: \x00\n", 1, "control characters"),
        (b"a: ${NOT_SET_HERE}\n", 1, "environment variable NOT_SET_HERE to be set"),
        (b"a: ${not a name}\n", 1, "expected ${NAME}"),
        (b"a: ${TRACKER_API_KEY}\n", 1, "expected no secret in a plain value"),
        (b"a: ${DB_PASSWORD:-x}\n", 1, "expected no secret in a plain value"),
        (b"b: {<<: 3}\n", 1, "expected a section to merge"),
        (b"[" * 5_000, 1, "too many levels"),
    ],
)
def test_a_mistake_is_named_with_its_line(text: bytes, line: int, words: str) -> None:
    with pytest.raises(YamlMistakes) as caught:
        read_yaml(text, {})
    ((where, _, message), *_) = caught.value.mistakes
    assert where == line
    assert words in message


def test_aliases_of_aliases_do_not_eat_the_memory() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
    )
    with pytest.raises(YamlMistakes, match="too many values"):
        read_yaml(bomb.encode(), {})


def test_variables_are_filled_in_with_their_default_and_can_be_escaped() -> None:
    text = "a: ${HOST:-localhost}/x\nb: ${PORT:-1}${PORT:-2}\nc: $${HOST}\nd: $5"
    expected = {"a": "shop/x", "b": "12", "c": "${HOST}", "d": "$5"}
    assert _value(text, HOST="shop") == expected


def test_an_empty_variable_counts_as_not_set() -> None:
    assert _value("a: ${HOST:-localhost}", HOST="") == {"a": "localhost"}


def test_words_of_the_parser_never_repeat_what_may_be_a_secret() -> None:
    with pytest.raises(YamlMistakes) as caught:
        read_yaml(b"api_key: *hunter2hunter2\n", {})
    assert "hunter2" not in str(caught.value)


@given(st.binary(max_size=200))
def test_no_bytes_end_in_anything_but_values_or_mistakes(data: bytes) -> None:
    with contextlib.suppress(YamlMistakes):
        read_yaml(data, {})
