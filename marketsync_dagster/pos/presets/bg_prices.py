"""Bulgaria: the daily price lists of chains, one CSV for all outlets of a chain."""

from __future__ import annotations

from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.presets.base import Layout, Preset
from marketsync_dagster.pos.presets.price_lists import (
    distinct,
    ways,
    without_hidden,
    without_placeholders,
)
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.texts import Texts


def _shape(texts: Texts, spec: ExtractSpec) -> Texts:
    places = distinct(texts, "_place")
    if len(places) > 1:
        keys = " or ".join(map(repr, spec.keys)) or "the outlet"
        raise refuse("outlet_not_sure", f"{keys} is an outlet in {', '.join(places[:5])}")
    texts = without_placeholders(texts, "promo_price", words=("-", "/", "няма"))
    return without_hidden(texts)


_COLUMNS = {
    "outlet": ways("Търговски обект"),
    "_place": ways("Населено място"),
    "sku": ways("Код на продукта", "Код на продукт"),
    "name": ways("Наименование на продукта", "Наименование на продукт"),
    "category": ways("Категория"),
    "price": ways("Цена на дребно", money=True),
    "promo_price": ways("Цена в промоция", money=True),
}


def _list(*known_by: str) -> Layout:
    return Layout(name="price list", columns=_COLUMNS, known_by=known_by, shape=_shape)


PRESET = Preset(
    name="bg_prices",
    title="Bulgarian price lists",
    layouts=(
        _list(),
        # what a list is known by; they are read as the one above
        _list("Търговски обект", "Код на продукта", "Цена на дребно"),
    ),
    notes=(
        "One file has all outlets of a chain: `keys` are the outlet as `Търговски обект` has it.",
        "A blank retail price beside a promotion price is priced by the promotion.",
    ),
)
