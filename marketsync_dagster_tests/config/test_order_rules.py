"""What must hold between routes, shops, accounts and outlets: orders can be fulfilled where they
are sent, and files of one are nobody else's."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketsync_dagster_tests.config.texts import load, mistakes

ORDERS = """\
version: 1
outlets:
  a: {name: A, extract: {path: extracts/a}, orders: {drop: tills/a, answers: tills/a/answers}}
  b: {name: B, extract: {path: extracts/b}}
accounts:
  best_buy:
    platform: mirakl
    base_url: https://market.example
    api_key: {env: BB_KEY}
    offer_sku: "{outlet}-{sku}"
    orders: {}
  quiet:
    platform: mirakl
    base_url: https://quiet.example
    api_key: {env: QUIET_KEY}
  prints:
    platform: qikink
    base_url: https://prints.example
    client_id: {env: QK_ID}
    client_secret: {env: QK_SECRET}
channels:
  - {outlet: a, account: best_buy}
shops:
  web: {folder: shop/in, updates: shop/out, outlet: a}
routes:
  - {to: prints, sku: "POD-*", account: [best_buy, web], outlet: a}
  - {to: pos}
"""


def test_orders_go_where_they_can_be_fulfilled(tmp_path: Path) -> None:
    assert mistakes(tmp_path, ORDERS) == []
    settings = load(tmp_path, ORDERS)
    assert settings.routes[0].account == ["best_buy", "web"]
    assert settings.destinations() == ["pos", "prints"]


CASES = {
    "a route to an account that lists": (
        "{to: pos}", "{to: best_buy}",
        ("routes[1].to: expected 'pos' or an account that fulfils orders (prints), got 'best_buy', "
        "which is of mirakl and fulfils none"),
    ),
    "a route to nothing": (
        "{to: pos}", "{to: print}",
        ("routes[1].to: expected 'pos' or an account that fulfils orders (prints) (did you mean "
        "'prints'?), got 'print'"),
    ),
    "an account of a route that is not there": (
        "[best_buy, web]", "[best_bay, web]",
        ("routes[0].account[0]: expected one of the accounts and shops that bring orders "
        "(best_buy, web) (did you mean 'best_buy'?), got 'best_bay'"),
    ),
    "an account of a route whose orders are not pulled": (
        "[best_buy, web]", "[quiet, web]",
        ("routes[0].account[0]: expected an account that brings orders, got 'quiet': "
        "accounts.quiet.orders is not said"),
    ),
    "an account of a route that brings none": (
        "[best_buy, web]", "[best_buy, prints]",
        ("routes[0].account[1]: expected an account that brings orders, got 'prints': qikink "
        "brings none"),
    ),
    "an outlet of a route that is not there": (
        "outlet: a}\n  - {to", "outlet: aa}\n  - {to",
        "routes[0].outlet[0]: expected one of outlets (a, b) (did you mean 'a'?), got 'aa'",
    ),
    "a till without a folder that a source sells at": (
        "channels:\n", "channels:\n  - {outlet: b, account: best_buy}\n",
        ("routes[1].to: expected a destination that every outlet of the route has, got 'pos', and "
        "the till of outlet b has no folder for orders"),
    ),
    "a till without a folder that a route names": (
        "{to: pos}", "{to: pos, outlet: b}", "the till of outlet b has no folder for orders",
    ),
    "a till without a folder that a shop may name": (
        "updates: shop/out, outlet: a", "updates: shop/out",
        "the till of outlet b has no folder for orders",
    ),
    "a channel on qikink": (
        "{outlet: a, account: best_buy}", "{outlet: a, account: prints}",
        ("channels[0].account: expected an account that lists products, got 'prints' of qikink, "
        "which lists nothing"),
    ),
    "products of an outlet that is not there": (
        "client_id:", "products: {outlet: c}\n    client_id:",
        "accounts.prints.products.outlet: expected one of outlets (a, b), got 'c'",
    ),
    "a shop that is called like an account": (
        "  web: {folder", "  quiet: {folder: shop/q}\n  web: {folder",
        "shops.quiet: expected another name, got that of accounts.quiet",
    ),
    "a shop that is called like the tills": (
        "  web: {folder", "  pos: {folder: shop/q}\n  web: {folder",
        "shops.pos: expected another name: 'pos' stands for the tills of outlets",
    ),
    "an account that is called like the tills": (
        "  quiet:\n", "  pos:\n",
        "accounts.pos: expected another name: 'pos' stands for the tills of outlets",
    ),
    "an outlet of a shop that is not there": (
        "updates: shop/out, outlet: a", "updates: shop/out, outlet: x",
        "shops.web.outlet: expected one of outlets (a, b), got 'x'",
    ),
    "a shop that reads what a till is given": (
        "folder: shop/in", "folder: ./tills//a",
        "outlets.a.orders.drop: expected a folder of its own, got the one of shops.web.folder",
    ),
    "a shop that reads what it is told": (
        "updates: shop/out", "updates: shop/in",
        "shops.web.updates: expected a folder of its own, got the one of shops.web.folder",
    ),
    "a shop that is to accept by itself": (
        "updates: shop/out", "updates: shop/out, orders: {accept: platform}",
        "shops.web.orders.accept: expected manual or auto: a shop's files do not tell",
    ),
    "a till inside a shop's folder": (
        "drop: tills/a", "drop: shop/in/a",
        ("outlets.a.orders.drop: expected a folder of its own, got one inside that of "
        "shops.web.folder"),
    ),
    "a till's answers among the extracts": (
        "answers: tills/a/answers", "answers: extracts/b",
        ("outlets.a.orders.answers: expected a folder of its own, got the one of "
        "outlets.b.extract.path"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "words"), CASES.values(), ids=CASES)
def test_what_cannot_be_fulfilled_or_told_apart_is_refused(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    assert old in ORDERS
    found = mistakes(tmp_path, ORDERS.replace(old, new, 1))
    assert any(words in line for line in found), found


def test_a_till_needs_a_folder_only_where_its_lines_can_come(tmp_path: Path) -> None:
    narrowed = ORDERS.replace("{to: pos}", "{to: pos, account: best_buy}")
    assert mistakes(tmp_path, narrowed.replace("updates: shop/out, outlet: a", "x: 1")) != []
    assert mistakes(tmp_path, narrowed.replace(", outlet: a}\nroutes", "}\nroutes")) == []


def test_a_route_to_nowhere_is_told_of_with_whatever_else_is_wrong(tmp_path: Path) -> None:
    nowhere = ORDERS.replace("{to: pos}", "{to: nowhere}")
    words = "routes[1].to: expected 'pos' or an account that fulfils orders (prints), got 'nowhere'"
    for old, new, other in (
        ("account: best_buy}", "account: worst_buy}", "channels[0].account: expected one of"),
        ("{outlet: a, account", "{outlet: z, account", "channels[0].outlet: expected one of"),
        ("orders: {}", "orders: {accept: perhaps}", "accounts.best_buy.orders.accept: expected"),
        ("version: 1", "version: 7", "version: expected 1"),
        ("updates: shop/out, outlet: a", "outlet: x", "shops.web.outlet: expected one of outlets"),
    ):
        assert old in nowhere
        found = mistakes(tmp_path, nowhere.replace(old, new, 1))
        for expected in (words, other):
            assert sum(expected in line for line in found) == 1, (new, found)
    both = nowhere.replace("version: 1", "version: 7").replace("account: best_buy}", "account: x}")
    assert sum("channels[0].account" in line for line in mistakes(tmp_path, both)) == 1
    for broken in (
        "accounts: 7",
        "accounts: {7: {platform: qikink}}",
        "routes: 7",
        "routes: [7]",
        "channels: {a: b}",
        "outlets: []",
    ):
        head = broken.partition(":")[0]
        rest = nowhere.replace(f"\n{head}:", f"\nx_{head}:")
        assert any(f" {head}" in line for line in mistakes(tmp_path, f"{rest}{broken}\n")), broken
