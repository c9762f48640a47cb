"""Shared sources, what outlets take over from them, and the keys of reading."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from marketsync_dagster.config.reading import Preset, Reading
from marketsync_dagster.config.secrets import references
from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster_tests.config.texts import load, mistakes

CHAIN = """\
version: 1
sources:
  chain:
    kind: directory
    path: drop
    pattern: "*.csv"
    outlet: {from: name, pattern: "_(?P<outlet>[0-9]+)_"}
    coverage: auto
    decimal: ","
    columns: {price: Cijena}
  till_db:
    kind: sql
    url: {env: TILL_DB}
    query: select branch, sku, price from product
    outlet: {from: column, column: branch}
outlets:
  a: {name: A, extract: {source: chain, keys: ["028", "28"]}}
  b: {name: B, extract: {source: chain, keys: ["031"], decimal: ".", coverage: full}}
  c: {name: C, extract: {source: till_db, keys: C}}
  d: {name: D, extract: {path: extracts/d, preset: loyverse, keys: [Shop D]}}
"""


def changed(old: str, new: str) -> str:
    assert CHAIN.count(old) == 1, old
    return CHAIN.replace(old, new)


def test_an_outlet_takes_over_what_its_source_says(tmp_path: Path) -> None:
    settings = load(tmp_path, CHAIN)
    a, b, c, d = (settings.outlets[name].extract for name in "abcd")
    assert (a.decimal, a.coverage, a.columns) == (",", "auto", {"price": "Cijena"})
    assert (b.decimal, b.coverage, b.columns) == (".", "full", {"price": "Cijena"})
    assert (a.shared, a.path, a.patterns) == ("chain", Path("drop"), ("*.csv",))
    assert a.keys == ["028", "28"]
    assert c.patterns == ("*",)
    assert (c.shared, c.path, c.keys, c.columns) == ("till_db", None, ["C"], {"outlet": "branch"})
    assert (d.shared, d.path, d.preset) == (None, Path("extracts/d"), "loyverse")
    assert settings.source_of("a") is settings.sources["chain"]
    assert settings.source_of("d") is None


def test_secrets_of_sources_are_among_the_references(tmp_path: Path) -> None:
    text = changed(
        "    path: drop\n",
        "    url: s3://feeds/chain\n"
        "    options: {key: {env: S3_KEY}, client_kwargs: {endpoint_url: 'https://s3.example', "
        "aws_session_token: {secret: s3_token}}, anon: false}\n",
    )
    settings = load(tmp_path, text)
    found = {one.path: str(one.ref) for one in references(settings)}
    assert found == {
        "sources.chain.options.key": "{env: S3_KEY}",
        "sources.chain.options.client_kwargs.aws_session_token": "{secret: s3_token}",
        "sources.till_db.url": "{env: TILL_DB}",
    }
    options = settings.sources["chain"].options
    assert options["key"].where == "sources.chain.options.key"
    assert options["client_kwargs"]["endpoint_url"] == "https://s3.example"


_BAD = [
    # names
    (
        "source: till_db",
        "source: till",
        (
            "outlets.c.extract.source: expected 'directory' or one "
            "of sources (chain, till_db) (did you mean 'till_db'?), got 'till'"
        ),
    ),
    ("source: till_db", "source: Till", "outlets.c.extract.source: expected lower-case letters"),
    ("  chain:\n", "  directory:\n", "sources.directory: expected another name"),
    # which outlet
    (
        '    outlet: {from: name, pattern: "_(?P<outlet>[0-9]+)_"}\n',
        "",
        (
            "sources.chain.outlet: expected how outlets are told apart, such as "
            "`outlet: {from: name}`, "
            "because a and b use it"
        ),
    ),
    (
        ', keys: ["031"]',
        "",
        ("outlets.b.extract.keys: expected what the outlet is called in sources.chain"),
    ),
    (
        '["031"]',
        '["31", "28"]',
        ("outlets.b.extract.keys[1]: expected a key of its own, got '28', which outlets.a has"),
    ),
    (
        '["028", "28"]',
        "[028, 28]",
        (
            "outlets.a.extract.keys[1]: expected text in quotes "
            '("28"), got a number: it is what the outlet is called in the files'
        ),
    ),
    (
        "keys: C}",
        "keys: 17}",
        'outlets.c.extract.keys: expected text in quotes ("17"), got a number: it is what the',
    ),
    ("keys: C}", "keys: true}", 'expected text in quotes ("true"), got a word of YAML: it is what'),
    ("keys: C}", "keys: 2.5e3}", "extract.keys: expected text in quotes, got a number: it is what"),
    ("[Shop D]", '["Shop D "]', "outlets.d.extract.keys[0]: expected a name without white space"),
    ("[Shop D]", '["", x]', "outlets.d.extract.keys[0]: expected what the outlet is called"),
    (
        ', pattern: "_(?P<outlet>[0-9]+)_"',
        "",
        ("sources.chain.outlet.pattern: expected a regular expression"),
    ),
    ("(?P<outlet>[0-9]+)", "[0-9]+", "sources.chain.outlet.pattern: expected a group such as"),
    ("(?P<outlet>[0-9]+)", "(?P<outlet>[0-9]+", "expected a regular expression (missing )"),
    (
        '{from: name, pattern: "_(?P<outlet>[0-9]+)_"}',
        "{from: directory}",
        "sources.chain.pattern: expected a pattern with the folder",
    ),
    (
        '{from: name, pattern: "_(?P<outlet>[0-9]+)_"}',
        "{from: content}",
        "sources.chain.preset: expected a preset that knows",
    ),
    (
        '{from: name, pattern: "_(?P<outlet>[0-9]+)_"}',
        "{from: nam}",
        (
            "sources.chain.outlet.from: "
            "expected 'name', 'column', 'directory' or 'content' (did you mean 'name'?), "
            'got "nam"'
        ),
    ),
    (
        '{from: name, pattern: "_(?P<outlet>[0-9]+)_"}',
        "{from: name, column: x}",
        "sources.chain.outlet.column: expected no column",
    ),
    (
        "{from: column, column: branch}",
        "{from: name}",
        ("sources.till_db.outlet.from: expected column or content for kind sql"),
    ),
    (
        "keys: C}",
        "keys: C, columns: {outlet: shop}}",
        "outlets.c.extract.columns.outlet: expected the header that sources.till_db.outlet says",
    ),
    # where
    ("    path: drop\n", "", "sources.chain.path: expected either path or url, got nothing"),
    (
        "    path: drop\n",
        "    path: drop\n    url: s3://x\n",
        "expected either path or url, got both",
    ),
    ("    path: drop\n", "    url: drop\n", "sources.chain.url: expected an address such as"),
    ("    path: drop\n", "    url: {env: FEED}\n", "sources.chain.url: expected a plain address"),
    ("    path: drop\n", "    path: drop\n    options: {anon: true}\n", "expected no options"),
    ("    path: drop\n", "    path: drop\n    query: select 1\n", "expected no query for kind"),
    ("kind: sql", "kind: sqlite", "expected 'directory', 'sql' or 'api' (did you mean 'sql'?)"),
    (
        "    kind: sql\n",
        "",
        ("sources.till_db.kind: expected 'directory' or 'sql' or 'api', got nothing"),
    ),
    ("    query: select branch, sku, price from product\n", "", "sources.till_db.query: expected"),
    (
        "    query: select branch, sku, price from product\n",
        "    query: select 1\n    pattern: '*'\n",
        "sources.till_db.pattern: expected no pattern",
    ),
    ("keys: C}", "keys: C, sheet: x}", "outlets.c.extract.sheet: expected no sheet for a source"),
    ('["028", "28"]', '["028"], path: x', "outlets.a.extract.path: expected no path beside"),
    ("path: extracts/d, ", "", "outlets.d.extract.path: expected the outlet's directory"),
    (
        "path: extracts/d",
        "path: drop",
        (
            "outlets.d.extract.path: expected files of its own, got "
            "the path and pattern of sources.chain"
        ),
    ),
    # secrets
    (
        "url: {env: TILL_DB}",
        "url: 'postgresql://u:hunter22x@h/d'",
        ("sources.till_db.url: expected an address without a password"),
    ),
    ("url: {env: TILL_DB}", "url: 'postgresql://h/d?password=hunter22x'", "without a password"),
    ("url: {env: TILL_DB}", "url: {env: 'hunter22x!'}", "expected a reference such as"),
    (
        "    path: drop\n",
        "    url: s3://x\n    options: {secret: hunter22x}\n",
        "sources.chain.options.secret: expected a reference such as {env: NAME}",
    ),
    (
        "    path: drop\n",
        "    url: s3://x\n    options: {a: {b: [{password: hunter22x}]}}\n",
        "sources.chain.options.a.b[0].password: expected a reference",
    ),
    (
        "    path: drop\n",
        "    url: s3://x\n    options: {connection_string: hunter22x}\n",
        "sources.chain.options.connection_string: expected a reference",
    ),
    (
        "    path: drop\n",
        "    url: sftp://u:hunter22x@h/x\n",
        ("sources.chain.url: expected an address without a password"),
    ),
    # reading
    ("preset: loyverse", "preset: loyvers", "outlets.d.extract.preset: expected"),
    ("preset: loyverse", "preset: loyvers", "(did you mean 'loyverse'?)"),
    ("coverage: auto", "coverage: ful", "sources.chain.coverage: expected 'full', 'delta' or"),
    (
        'pattern: "*.csv"',
        'pattern: ["*.csv", ../x]',
        ("sources.chain.pattern: expected a file name pattern without folders above"),
    ),
    ('pattern: "*.csv"', "pattern: []", "sources.chain.pattern: expected at least one pattern"),
    (
        "preset: loyverse",
        'pattern: [a.csv, "x/*.csv"]',
        ("outlets.d.extract.pattern[1]: expected a file name pattern without folders"),
    ),
    (
        "preset: loyverse",
        'pattern: ["*.csv", "a*.csv"]',
        ("outlets.d.extract.pattern[1]: expected patterns of different files"),
    ),
    ("preset: loyverse", "records: [items, 5]", "outlets.d.extract.records[1]: expected text"),
    ("preset: loyverse", "fields: {sku: ''}", "outlets.d.extract.fields.sku: expected a path"),
    ("preset: loyverse", "weighed: maybe", "outlets.d.extract.weighed: expected 'reject' or"),
    ("preset: loyverse", "numeric_identifier: accept", "(did you mean 'numeric_identifiers'?)"),
    (
        "    coverage: auto\n",
        "    coverge: auto\n",
        ("sources.chain.coverge: expected a known key (did you mean 'coverage'?)"),
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "words"), _BAD, ids=[f"{number}" for number in range(len(_BAD))]
)
def test_a_mistake_says_where_it_is_and_what_was_expected(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    found = mistakes(tmp_path, changed(old, new))
    assert any(words in line for line in found), found
    assert "hunter22x" not in "\n".join(found)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # one outlet alone needs no rule and no key
        ("    outlet: {from: column, column: branch}\n", ""),
        (", keys: C}", ", keys: [C, c]}"),
        ("preset: loyverse", 'pattern: ["items_*.csv", "stock_*.csv"], records: a/b'),
        ('{from: name, pattern: "_(?P<outlet>[0-9]+)_"}', "{from: name}\n    preset: il_prices"),
        ("    path: drop\n", "    url: sftp://till@host/x\n    options: {key_filename: /k/id}\n"),
        ("url: {env: TILL_DB}", "url: 'sqlite:///pos.db'"),
        ("url: {env: TILL_DB}", "url: {secret: till_db}"),
        ("path: extracts/d", 'path: drop, pattern: "*.json"'),
    ],
)
def test_what_is_right_is_taken(tmp_path: Path, old: str, new: str) -> None:
    assert mistakes(tmp_path, changed(old, new)) == []


def test_a_shared_source_may_lie_in_folders(tmp_path: Path) -> None:
    text = changed('{from: name, pattern: "_(?P<outlet>[0-9]+)_"}', "{from: directory}")
    settings = load(tmp_path, text.replace('pattern: "*.csv"', 'pattern: "*/*.csv"'))
    assert settings.outlets["a"].extract.patterns == ("*/*.csv",)


def test_every_key_of_reading_reaches_the_reader() -> None:
    spec = set(ExtractSpec.__dataclass_fields__) - {"currency", "keys", "timezone"}
    assert spec <= set(Reading.model_fields)


def test_the_presets_that_can_be_named_are_those_that_there_are() -> None:
    presets = pytest.importorskip("marketsync_dagster.pos.presets")
    if not hasattr(presets, "PRESETS"):
        pytest.skip("the list of presets is not there")
    assert set(get_args(Preset)) == {"auto", *presets.PRESETS}
