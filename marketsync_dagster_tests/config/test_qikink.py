"""What an account of Qikink may say, and what it may not be used for."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketsync_dagster.cli.check import check_configuration
from marketsync_dagster.platforms.qikink.opening import token_url_of
from marketsync_dagster_tests.config.texts import VALID, load, mistakes

POD = """\
  pod:
    platform: qikink
    base_url: https://api.qikink.com{path}
    client_id: {{env: POD_ID}}
    client_secret: {{env: POD_SECRET}}
{more}channels:
"""
SPEC = "    profile: spec\n"
ALONE = "  z: {name: Z, extract: {path: extracts/z}}\n"
"""An outlet without a channel."""


def document(more: str = "", path: str = "") -> str:
    return VALID.replace("channels:\n", POD.format(path=path, more=more), 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            document().replace("account: track_a}", "account: pod}", 1),
            "expected an account that lists products, got 'pod' of qikink",
        ),
        (document("    products: {outlet: c}\n"), "expected one of outlets"),
        (document("    signing: canonical_v1\n"), "because profile real has no such thing"),
        (document("    idempotency_key: true\n"), "because profile real has no such thing"),
        (document(SPEC + "    token_url: http://tokens.test/t\n"), "expected https"),
        (document(SPEC + "    token_url: https://a:b@tokens.test/t\n"), "expected https"),
        (document("    number_prefix: MS\n"), "expected at most 5 of a-z, 0-9 and _"),
        (
            document(
                f"{SPEC}    products: {{outlet: a}}\n"
                "  pod2:\n    platform: qikink\n    base_url: https://b.test\n"
                "    client_id: {env: B_ID}\n    client_secret: {env: B_SECRET}\n"
                "    products: {outlet: a}\n"
            ),
            "expected an outlet of its own, got a, as accounts.pod has it",
        ),
    ],
)
def test_what_cannot_work_is_refused(tmp_path: Path, text: str, words: str) -> None:
    found = mistakes(tmp_path, text)
    assert len(found) == 1, found
    assert words in found[0]


@pytest.mark.parametrize(
    ("more", "path", "url"),
    [
        ("", "", "https://api.qikink.com/api/token"),
        (SPEC, "/api/v1", "https://api.qikink.com/oauth/token"),
        (SPEC, "/sandbox/api/v1", "https://api.qikink.com/sandbox/oauth/token"),
        (SPEC + "    token_url: https://login.test/t/\n", "/api/v1", "https://login.test/t"),
    ],
)
def test_tokens_are_made_where_the_interface_has_them(
    tmp_path: Path, more: str, path: str, url: str
) -> None:
    settings = load(tmp_path, document(more, path))
    account = settings.accounts["pod"]
    assert account.platform == "qikink"
    assert token_url_of(account) == url
    assert settings.platforms() == ["tracker_ke", "pasons"]
    assert settings.destinations() == ["pod"]


def test_the_check_says_what_has_no_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "marketsync.yaml"
    monkeypatch.setenv("MARKETSYNC_CONFIG", str(path))
    for more, words in (
        ("", "no route sends orders to this account"),
        ("    products: {outlet: a}\n", "profile real takes no products: this has no effect"),
    ):
        text = document(more).replace("outlets:\n", "outlets:\n" + ALONE, 1)
        path.write_text(text)
        assert [str(one) for one in check_configuration().warnings if words in str(one)], more
        hints = [str(one) for one in check_configuration().warnings if "shows this" in str(one)]
        assert len(hints) == 1
        assert "account: pod}" not in hints[0]
    route = 'routes:\n  - {to: pod, sku: ["POD-*"]}\n'
    path.write_text(document() + route)
    told = [str(one) for one in check_configuration().warnings]
    assert [one for one in told if "accounts.pod:" in one or "routes" in one] == [], told


def test_a_route_that_an_earlier_one_leaves_nothing_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "marketsync.yaml"
    monkeypatch.setenv("MARKETSYNC_CONFIG", str(path))
    routes = (
        *("{to: pod, sku: [A-*]}", "{to: pod, sku: [A-*], stock: short}", "{to: pod, sku: [B-*]}"),
        *("{to: pod, stock: enough}", "{to: pod}", "{to: pod, sku: [C-*]}"),
    )
    path.write_text(document() + "routes:\n" + "".join(f"  - {one}\n" for one in routes))
    told = [str(one) for one in check_configuration().warnings if "routes" in str(one)]
    words = "routes[{}] takes every line that this one could: it has no effect"
    assert [one.partition("routes[")[2][:1] for one in told] == ["1", "5"]
    assert [words.format(n) in one for n, one in zip((0, 4), told, strict=True)] == [True, True]
