"""Taking over a list of outlets, as a head office keeps it, and looking at those that there are."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import xlsxwriter

from marketsync_dagster.config.load import load_settings
from marketsync_dagster_tests.cli.conftest import Run

CONFIG = """\
# our shops
version: 1
defaults: {currency: KES, timezone: Africa/Nairobi}   # all of them
sources:
  chain: {kind: directory, path: drop, outlet: {from: name, pattern: "_(?P<outlet>[0-9A-Z]+)_"}}
outlets:
    # the first one
    westlands:   # since 2019
        name: Westlands Branch
        extract: {source: chain, keys: ["001", "1"]}   # two spellings

# nothing is pushed yet
channels: []
"""
LIST = "code,name,timezone,currency\n028,North,Africa/Nairobi,KES\n031,East,Asia/Tokyo,JPY\n"


@pytest.fixture
def config(empty: Path) -> Path:
    file = empty / "marketsync.yaml"
    file.write_text(CONFIG)
    return file


def put(folder: Path, text: str, name: str = "list.csv") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return name


def test_outlets_of_a_list_are_added_below_the_others_and_every_line_stays(
    config: Path, run: Run
) -> None:
    result = run("outlets", "import", put(config.parent, LIST), "--source", "chain")
    assert result.code == 0
    assert "2 outlets added to marketsync.yaml" in result.out
    first = CONFIG.index("\n# nothing is pushed")
    assert config.read_text() == (
        CONFIG[:first]
        + '    028: {name: "North", extract: {source: chain, keys: ["028"]}}\n'
        + '    031: {name: "East", currency: JPY, timezone: Asia/Tokyo, '
        + 'extract: {source: chain, keys: ["031"]}}\n'
        + CONFIG[first:]
    )
    settings = load_settings(config)
    assert list(settings.outlets) == ["westlands", "028", "031"]
    assert settings.currency_of("031") == "JPY"
    assert settings.outlets["028"].extract.keys == ["028"]


def test_a_list_that_is_taken_over_again_changes_nothing(config: Path, run: Run) -> None:
    words = ("outlets", "import", put(config.parent, LIST + "1,West,,\n"), "--source", "chain")
    assert run(*words).code == 0
    before = config.read_bytes()
    result = run(*words)
    assert result.code == 0
    assert "0 outlets added to marketsync.yaml, 3 there already" in result.out
    assert config.read_bytes() == before


def test_a_dry_run_says_what_would_be_added_and_writes_nothing(config: Path, run: Run) -> None:
    result = run(
        "outlets", "import", put(config.parent, LIST), "--source", "chain", "--dry-run", "--json"
    )
    assert result.code == 0
    assert config.read_text() == CONFIG
    said = json.loads(result.out)
    assert said["dry_run"] is True
    assert said["added"][1] == {
        "outlet": "031",
        "name": "East",
        "currency": "JPY",
        "timezone": "Asia/Tokyo",
        "extract": {"source": "chain", "keys": ["031"]},
    }


def test_outlets_without_a_shared_source_get_a_folder_each(config: Path, run: Run) -> None:
    text = "Filiale;Bezeichnung\nN-12;Süd „Markt“ ${HOME}\n"
    words = ("outlets", "import", put(config.parent, text), "--preset", "loyverse")
    assert run(*words, "--currency", "EUR", "--timezone", "Europe/Berlin").code == 0
    outlet = load_settings(config).outlets["n_12"]
    assert outlet.name == "Süd „Markt“ ${HOME}"
    assert outlet.extract.path == Path("extracts/n_12")
    assert (outlet.extract.preset, outlet.currency, outlet.timezone) == (
        "loyverse",
        "EUR",
        "Europe/Berlin",
    )
    assert "1 there already" in run(*words).out


def _workbook(path: Path, code: str | int) -> str:
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["Store no", "Store name", "Zone"])
        sheet.write(1, 0, code)
        sheet.write(1, 1, "North")
        sheet.write(1, 2, "Africa/Nairobi")
    return path.name


def test_a_workbook_is_read_with_its_codes_as_text(config: Path, run: Run) -> None:
    name = _workbook(config.parent / "list.xlsx", "028")
    assert run("outlets", "import", name, "--source", "chain").code == 0
    assert load_settings(config).outlets["028"].extract.keys == ["028"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.json", '{"stores": [{"id": "028", "name": "North", "city": "X"}]}'),
        ("list.jsonl", '{"store_id": "028", "store_name": "North"}\n'),
        ("list.txt", "preamble\n\nŞube kodu\tŞube adı\n028\tNorth\n"),
        (
            "Stores7299999999993-000-202611200200.xml",
            (
                "<Root><SubChains><SubChain><Stores><Store><StoreId>028</StoreId>"
                "<StoreName>North</StoreName></Store></Stores></SubChain></SubChains></Root>"
            ),
        ),
    ],
)
def test_lists_of_other_formats_and_languages_are_read(
    config: Path, run: Run, name: str, text: str
) -> None:
    result = run("outlets", "import", put(config.parent, text, name), "--source", "chain")
    assert (result.code, result.err.count("error")) == (0, 0)
    outlet = load_settings(config).outlets["028"]
    assert (outlet.name, outlet.extract.keys) == ("North", ["028"])


def test_a_packed_list_is_read(config: Path, run: Run) -> None:
    (config.parent / "list.csv.gz").write_bytes(gzip.compress(LIST.encode()))
    assert run("outlets", "import", "list.csv.gz", "--source", "chain").code == 0


def test_stores_of_several_sub_chains_are_called_by_both_numbers(config: Path, run: Run) -> None:
    store = "<Store><StoreId>{}</StoreId><StoreName>{}</StoreName></Store>"
    chain = "<SubChain><SubChainId>{}</SubChainId><Stores>{}</Stores></SubChain>"
    first = chain.format("002", store.format("028", "A") + store.format("030", "B"))
    second = chain.format("003", store.format("028", "C"))
    text = f"<Root><SubChains>{first}{second}</SubChains></Root>"
    result = run("outlets", "import", put(config.parent, text, "Stores.xml"), "--source", "chain")
    assert result.code == 0
    found = {name: one.extract.keys for name, one in load_settings(config).outlets.items()}
    assert found == {
        "westlands": ["001", "1"],
        "002_028": ["002-028"],
        "030": ["030", "002-030"],
        "003_028": ["003-028"],
    }


_BAD = [
    ("code,name\n28-A,North\n28_a,South\n", "list.csv:3: '28_a' would have the name 28_a"),
    ("code,name\n028,North\n28,South\n", "as '028' on line 2, but for zeros before it"),
    ("code,name\n028,North\n028,North\n", "list.csv:3: '028' would have the name 028"),
    ("code,name\nwestlands,W\n", "list.csv:2: there is an outlet westlands already"),
    ("code,name\n---,North\n", "'---' has no letter a-z or digit"),
    ("code,name,slug\n1x,North,My Shop\n", "'My Shop' is no name"),
    ("code,name,currency\n1x,North,KSH\n", "'KSH' is no currency"),
    ("code,name,zone\n1x,North,South-East\n", "'South-East' is no time zone"),
    ("code,name\n,North\n", "line 2: the outlet has no code"),
    ("code,name\n1x,\n", "line 2: the outlet has no name"),
    ("code,name\n1x,North,x\n", "line 2"),
    ("code,city\n1x,Nairobi\n", "no column for the name of an outlet, only code, city"),
    ("name,city\nNorth,Nairobi\n", "no column for the code of an outlet"),
    ("code,name,Code\n1,North,2\n", "both code and"),
    ("code,name\n", "list.csv"),
    ("", "list.csv"),
]


@pytest.mark.parametrize(("text", "words"), _BAD, ids=[str(n) for n in range(len(_BAD))])
def test_a_list_with_a_mistake_is_refused_whole(
    config: Path, run: Run, text: str, words: str
) -> None:
    text = text.replace("code,name\n", "code,name\nok1,Fine\n", 1) if "28" in text else text
    words = (
        words.replace(":3:", ":4:").replace("on line 2", "on line 3") if "28" in words else words
    )
    result = run("outlets", "import", put(config.parent, text), "--source", "chain")
    assert result.code == 1
    assert words in result.err
    assert config.read_text() == CONFIG


def test_a_code_that_is_a_number_cell_is_refused(config: Path, run: Run) -> None:
    result = run("outlets", "import", _workbook(config.parent / "list.xlsx", 28))
    assert result.code == 1
    assert "line 2: the code 28 is no text" in result.err
    result = run("outlets", "import", put(config.parent, '[{"id": 28, "name": "N"}]', "l.json"))
    assert "the code 28 is no text" in result.err
    assert config.read_text() == CONFIG


@pytest.mark.parametrize(
    "words",
    [("--source", "chian"), ("--preset", "loyvers"), ("--currency", "KSH"), ("--timezone", "X/Y")],
)
def test_unknown_words_are_wrong_usage(config: Path, run: Run, words: tuple[str, str]) -> None:
    assert run("outlets", "import", put(config.parent, LIST), *words).code == 64
    assert config.read_text() == CONFIG


def test_a_list_that_is_not_there_is_named(config: Path, run: Run) -> None:
    result = run("outlets", "import", "nowhere.csv")
    assert result.code == 1
    assert "nowhere.csv does not exist" in result.err


def test_a_source_that_cannot_tell_outlets_apart_takes_no_second_one(
    config: Path, run: Run
) -> None:
    text = CONFIG.replace(', outlet: {from: name, pattern: "_(?P<outlet>[0-9A-Z]+)_"}', "")
    config.write_text(text)
    result = run("outlets", "import", put(config.parent, LIST), "--source", "chain")
    assert result.code == 1
    assert "expected how outlets are told apart" in result.err
    assert config.read_text() == text


@pytest.mark.parametrize(
    "text",
    [
        "version: 1\noutlets: {a: {name: A, extract: {path: x}}}\n",
        "{version: 1, outlets: {a: {name: A, extract: {path: x}}}}\n",
    ],
)
def test_outlets_in_braces_are_not_touched(config: Path, run: Run, text: str) -> None:
    config.write_text(text)
    result = run("outlets", "import", put(config.parent, LIST))
    assert result.code == 1
    assert "written in braces" in result.err
    assert config.read_text() == text


@pytest.mark.parametrize(
    "text",
    [
        "version: 1\noutlets:\n  a:\n    name: A\n    extract: {path: x}",
        "version: 1\r\noutlets:\r\n  a: {name: A, extract: {path: x}}\r\nchannels: []\r\n",
        (
            "\ufeffversion: 1\noutlets:\n  a:\n    extract:\n      path: x\n      brands:\n"
            "      - B\n    name: >-\n      A and\n      B\n\n\nchannels: []\n"
        ),
        (
            "version: 1\noutlets:\n a: {name: A, extract: &e {path: x}}\n b:\n  name: B\n"
            "  extract:\n   <<: *e\n   path: y\n # c is coming\naccounts: {}\n"
        ),
        (
            "version: 1\noutlets:\n  a:\n    name: A\n    extract: {path: x,\n"
            "      coverage: full\n      }  # end\n  # more\n"
        ),
        (
            "version: 1\noutlets:\n  a:\n    extract: &e {path: x}\n    name: 'A\n\n      B'\n"
            "  b: {name: B, extract: {path: y}, currency: KES}\nretention: {backups: 3}\n"
        ),
    ],
    ids=["no line end", "CRLF", "BOM and folded text", "merge", "braces over lines", "quotes"],
)
def test_files_of_every_shape_get_their_outlets(config: Path, run: Run, text: str) -> None:
    config.write_bytes(text.encode())
    before = load_settings(config)
    result = run("outlets", "import", put(config.parent, LIST))
    assert (result.code, result.err.count("error")) == (0, 0)
    after = load_settings(config)
    assert list(after.outlets) == [*before.outlets, "028", "031"]
    for name in before.outlets:
        assert after.outlets[name] == before.outlets[name]
    raw = config.read_bytes()
    assert (b"\r\n" in raw) == ("\r\n" in text)
    if "\r\n" in text:
        assert raw.count(b"\n") == raw.count(b"\r\n")
    kept = [line for line in text.splitlines() if line.strip()]
    assert [line for line in raw.decode().splitlines() if line in kept] == kept


@pytest.mark.parametrize(
    "line",
    [
        '028: {name: "North", extract: {source: chain, keys: ["28"]}}',
        (
            '028: {name: "North", extract: {source: chain, keys: ["028"]}}\n    x: {name: X, '
            "extract: {path: x}}"
        ),
        '029: {name: "North", extract: {source: chain, keys: ["028"]}}',
    ],
)
def test_a_text_that_would_mean_something_else_is_not_written(
    config: Path, run: Run, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.setattr("marketsync_dagster.config.outlet_text._written", lambda _: line)
    name = put(config.parent, "code,name\n028,North\n")
    result = run("outlets", "import", name, "--source", "chain")
    assert result.code == 1
    assert "the file would mean something else" in result.err
    assert config.read_text() == CONFIG


def test_a_file_that_somebody_changes_meanwhile_is_left_to_them(
    config: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from marketsync_dagster.config import outlet_text

    honest = outlet_text.with_outlets
    theirs = CONFIG + "# of somebody else\n"

    def meanwhile(raw: bytes, file: Path, new: list[outlet_text.NewOutlet]) -> bytes:
        file.write_text(theirs)
        return honest(raw, file, new)

    monkeypatch.setattr(outlet_text, "with_outlets", meanwhile)
    result = run("outlets", "import", put(config.parent, LIST), "--source", "chain")
    assert result.code == 1
    assert "was changed meanwhile" in result.err
    assert config.read_text() == theirs


def test_the_outlets_that_there_are_are_listed(config: Path, run: Run) -> None:
    result = run("outlets", "list", "--json")
    assert result.code == 0
    assert json.loads(result.out) == [
        {
            "outlet": "westlands",
            "name": "Westlands Branch",
            "source": "chain",
            "from": "drop",
            "keys": ["001", "1"],
            "preset": "generic",
            "currency": "KES",
            "timezone": "Africa/Nairobi",
            "platforms": [],
        }
    ]
    text = run("outlets", "list")
    assert "westlands" in text.out
    assert "001, 1" in text.out


def test_config_check_looks_at_shared_sources(
    config: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    more = (
        "  idle: {kind: sql, url: {env: TILL_DB}, query: delete from product}\n"
        "  cloud: {kind: directory, url: 's3://feeds/x'}\n"
        "  web: {kind: directory, url: 'https://shop.example/feed'}\n"
        "  till: {kind: api, adapter: no_such_till}\n"
    )
    used = "    t: {name: T, extract: {source: till}}\n"
    text = CONFIG.replace("outlets:\n", more + "outlets:\n" + used)
    config.write_text(text)
    result = run("config", "check", "--json")
    assert result.code == 1
    report = json.loads(result.out)
    errors = {one["path"]: one["message"] for one in report["errors"]}
    assert "got nothing at drop" in errors["sources.chain.path"]
    assert "is no SELECT" in errors["sources.idle.query"]
    assert "pip install s3fs" in errors["sources.cloud.url"]
    assert "is no file store" in errors["sources.web.url"]
    assert "no adapter no_such_till" in errors["sources.till.adapter"]
    warnings = {one["path"]: one["message"] for one in report["warnings"]}
    assert warnings["sources.idle"] == "no outlet uses this source"
    assert "TILL_DB is not set" in warnings["sources.idle.url"]


def test_the_folders_of_new_outlets_are_made_so_that_the_check_finds_no_error(
    empty: Path, run: Run
) -> None:
    config = empty / "marketsync.yaml"
    config.write_text(
        "version: 1\noutlets:\n  a: {name: A, extract: {path: extracts/a}}\n"
        "accounts:\n  till: {platform: pasons, base_url: 'https://x.example', "
        "auth: {key: {env: K}}}\n"
    )
    (empty / "extracts" / "a").mkdir(parents=True)
    words = ("outlets", "import", put(empty, LIST), "--currency", "KES")
    dry = run(*words, "--dry-run")
    assert "would be made" in dry.out
    header, _, north, east = dry.out.splitlines()[:4]
    assert header.split() == ["outlet", "name", "path", "currency"]
    assert north.split() == ["028", "North", "extracts/028", "KES"]
    assert east.split() == ["031", "East", "extracts/031", "JPY"]
    assert not (empty / "extracts" / "028").exists()
    done = run(*words)
    assert done.code == 0
    assert "2 folders made: extracts/028 and 1 more" in done.out
    assert "accounts and channels are still to be added" in done.err
    assert '- {outlet: "028", account: till, mapping: {identity: barcode}}' in done.err
    checked = run("config", "check", "--json")
    assert checked.code == 0
    report = json.loads(checked.out)
    assert report["errors"] == []
    (warning,) = (one for one in report["warnings"] if one["path"] == "outlets.028")
    assert warning["message"].startswith("no channel shows this outlet (below `channels`: - {")
    # the example is one that can be written so
    text = config.read_text()
    example = next(line for line in done.err.splitlines() if line.strip().startswith("- {"))
    config.write_text(f"{text}channels:\n{example}\n")
    assert load_settings(config).channels[0].outlet == "028"
    # its account is the outlet's own
    again = json.loads(run("config", "check", "--json").out)["warnings"]
    (warning,) = (one for one in again if one["path"] == "outlets.031")
    assert '- {outlet: "031", account: NAME})' in warning["message"]


def test_folders_that_are_made_are_in_the_json(config: Path, run: Run) -> None:
    words = ("outlets", "import", put(config.parent, LIST), "--json")
    assert json.loads(run(*words, "--dry-run").out)["folders"] == ["extracts/028", "extracts/031"]
    (config.parent / "extracts" / "028").mkdir(parents=True)
    assert json.loads(run(*words).out)["folders"] == ["extracts/031"]
    assert (config.parent / "extracts" / "031").is_dir()


def test_a_file_where_the_folder_of_an_outlet_would_be_refuses_the_list(
    config: Path, run: Run
) -> None:
    (config.parent / "extracts").mkdir()
    (config.parent / "extracts" / "031").write_text("")
    result = run("outlets", "import", put(config.parent, LIST))
    assert result.code == 1
    assert "extracts/031 is no folder" in result.err
    assert config.read_text() == CONFIG
    assert not (config.parent / "extracts" / "028").exists()


def test_no_folder_is_made_for_outlets_of_a_shared_source(config: Path, run: Run) -> None:
    result = run("outlets", "import", put(config.parent, LIST), "--source", "chain")
    assert result.code == 0
    assert not (config.parent / "extracts").exists()
    assert result.out.splitlines()[0].split() == ["outlet", "name", "source", "keys", "currency"]


@pytest.mark.parametrize(
    ("text", "slug"),
    [("code,name,currency\n1x,North,KSH\n", False), ("code,name\n---,North\n", True)],
)
def test_names_of_ones_own_are_the_advice_where_names_are_what_is_wrong(
    config: Path, run: Run, text: str, slug: bool
) -> None:
    result = run("outlets", "import", put(config.parent, text))
    assert ("slug" in result.err) is slug
    assert "nothing was added: correct the list" in result.err
