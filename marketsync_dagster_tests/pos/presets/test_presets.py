"""All presets are there under their names, and `auto` finds the one that a document fits."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from marketsync_dagster.config.reading import Preset as ConfiguredPreset
from marketsync_dagster.pos import columns, presets
from marketsync_dagster.pos.documents import documents_of
from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.presets import AUTO, GENERIC, NAMES, PRESETS, find, recognise
from marketsync_dagster.pos.presets.base import Layout, Preset
from marketsync_dagster.pos.read import read_document, read_extract
from marketsync_dagster.values.errors import ExtractError
from marketsync_dagster_tests.pos.presets.exports import EXAMPLES

SHOPS = {
    "feed/feed.csv": "feed",
    "loyverse/items.csv": "loyverse",
    "square/items.csv": "square",
    "lightspeed/products.csv": "lightspeed",
    "shopify/products_export.csv": "shopify",
    "shopify/inventory_export.csv": "shopify",
    "woocommerce/products.csv": "woocommerce",
    "odoo/product_variants.csv": "odoo",
    "odoo/pricelist_items.csv": "odoo",
    "magento/catalog_product.csv": "magento",
    "magento/stock_sources.csv": "magento",
    "magento/advanced_pricing.csv": "magento",
}


def headers_of(path: Path) -> list[str]:
    """The headers of a CSV file, as the readers find them."""
    (document,) = documents_of(path, file=path.name, spool=path.parent)
    return list(read_document(document, ExtractSpec()).headers)


@pytest.mark.parametrize(("name", "preset"), [*SHOPS.items()])
def test_any_table_says_which_preset_knows_it(name: str, preset: str) -> None:
    path = EXAMPLES / name
    (document,) = documents_of(path, file=path.name, spool=path.parent)
    hint = f"`preset: {preset}` knows its habits"
    content = read_document(document, ExtractSpec())
    assert [hint in warning for warning in content.warnings].count(True) == 1
    configured = ExtractSpec(columns={"sku": content.headers[0], "price": content.headers[1]})
    for spec in (configured, ExtractSpec(preset=AUTO)):
        assert not any(hint in warning for warning in read_document(document, spec).warnings)


def test_the_configuration_names_the_presets_that_there_are() -> None:
    assert set(get_args(ConfiguredPreset)) == {AUTO, *NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_is_found_by_its_name_and_reads_only_columns_that_there_are(name: str) -> None:
    preset = find(name)
    assert preset.name == name
    assert preset.title
    assert preset is PRESETS[name]
    known = columns.READ | {"outlet"}
    for layout in preset.layouts:
        names = {one for one in layout.columns if not one.startswith("_")}
        assert names <= known | {"description"}, layout.name
        assert "sku" in layout.columns or not layout.columns, layout.name


def test_a_name_that_is_none_is_refused_with_the_closest_one() -> None:
    with pytest.raises(ExtractError, match="did you mean 'shopify'") as caught:
        find("shopfy")
    assert caught.value.code == "unknown_preset"
    with pytest.raises(ExtractError, match="there are generic, feed"):
        find("excel")


@pytest.mark.parametrize("path", SHOPS)
def test_auto_finds_the_preset_of_each_example(path: str) -> None:
    assert recognise(Path(path).name, headers_of(EXAMPLES / path)).name == SHOPS[path]
    assert recognise("data.csv", headers_of(EXAMPLES / path)).name == SHOPS[path]


@pytest.mark.parametrize(
    "headers",
    [
        [], ["sku", "name", "price"], ["ProductId", "Product", "Price", "Qty"],
        ["Código", "Nombre", "Precio"], ["Handle", "Title"], ["Type", "SKU", "Price"],
        ["id", "name", "list_price"],
    ],
)  # fmt: skip
def test_what_fits_no_preset_is_any_table(headers: list[str]) -> None:
    assert recognise("products.csv", headers) is GENERIC


def test_headers_are_recognised_in_any_order_and_with_any_others() -> None:
    headers = headers_of(EXAMPLES / "woocommerce" / "products.csv")
    shuffled = ["Meta: _colour", *reversed(headers), "", "Attribute 9 name"]
    assert recognise("x.csv", shuffled).name == "woocommerce"


def test_what_fits_two_presets_equally_well_is_any_table(monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout("list", {"sku": ("No",), "price": ("Amount",)}, ("No", "Amount"))
    same = {name: Preset(name, name, (layout,)) for name in ("one", "other")}
    monkeypatch.setattr(presets, "PRESETS", same)
    assert recognise("x.csv", ["No", "Amount", "Note"]) is GENERIC
    more = Layout("list", {**layout.columns, "name": ("Note",)}, layout.known_by)
    monkeypatch.setattr(presets, "PRESETS", {**same, "third": Preset("third", "Third", (more,))})
    assert recognise("x.csv", ["No", "Amount", "Note"]).name == "third"


def test_a_document_that_is_known_by_its_name_needs_no_headers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layout = Layout("list", {"sku": ("No",)}, ("No",), file=r"^till-[0-9]+")
    monkeypatch.setattr(presets, "PRESETS", {"till": Preset("till", "Till", (layout,))})
    assert recognise("Till-7.csv", []).name == "till"
    assert recognise("Till-7.csv", ["No"]).name == "till"
    assert recognise("Till-7.csv", ["Number"]) is GENERIC
    assert recognise("other.csv", ["No"]) is GENERIC


def test_what_auto_has_found_is_said() -> None:
    path = EXAMPLES / "woocommerce" / "products.csv"
    extract = read_extract(path, ExtractSpec(preset=AUTO), file=path.name)
    assert extract.accepted == 6
    assert any("woocommerce" in words for words in extract.warnings)
