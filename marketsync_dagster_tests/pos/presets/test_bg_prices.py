"""Bulgarian price lists: all outlets of a chain in one file."""

from __future__ import annotations

import pytest

from marketsync_dagster.pos import presets
from marketsync_dagster.pos.presets.bg_prices import PRESET
from marketsync_dagster.values.errors import ExtractError
from marketsync_dagster_tests.pos.presets.exports import EXAMPLES, counts, read, rejected, shown

NAME = "Верига Липа (Липа Маркет ЕООД)_999999999.csv"
EXAMPLE = EXAMPLES / "bg_prices" / NAME
HEADER = (
    '"Населено място","Търговски обект","Наименование на продукта","Код на продукта",'
    '"Категория","Цена на дребно","Цена в промоция"'
)
SEEN = ("sku", "name", "price_minor", "promo_price_minor")


def listed(*rows: str, header: str = HEADER) -> bytes:
    lines = [header, *(",".join(f'"{cell}"' for cell in row.split("|")) for row in rows), ""]
    return "\r\n".join(lines).encode("utf-8-sig")


def bg(source: bytes, *keys: str):
    return read("bg_prices", source, NAME, currency="EUR", keys=keys)


def test_the_example_is_read_for_one_of_its_outlets() -> None:
    extract = read("bg_prices", EXAMPLE, NAME, currency="EUR", keys="Магазин 1 Липа")
    assert shown(extract, *SEEN) == [
        ("000112", "Прясно мляко Зора 1 л", 149, None),
        ("000113", "Кашкавал Върба 400 г", 599, 479),
        ("000114", "Хляб Нива 650 г", None, 99),
    ]
    other = read("bg_prices", EXAMPLE, NAME, currency="EUR", keys="Магазин 2 Бряст")
    assert shown(other, "sku", "price_minor") == [("000112", 155), ("000113", 619)]
    assert counts(other) == (2, 2, 0, 0, 0)


@pytest.mark.parametrize(("keys", "code"), [((), "many_outlets"), (("Магазин",), "not_in_file")])
def test_an_outlet_must_be_named_and_be_there(keys: tuple[str, ...], code: str) -> None:
    with pytest.raises(ExtractError) as caught:
        read("bg_prices", EXAMPLE, NAME, currency="EUR", keys=keys)
    assert caught.value.code == code


@pytest.mark.parametrize("joint", ["", "_", " "])
def test_headers_may_be_written_without_blanks(joint: str) -> None:
    header = HEADER.replace(" ", joint).upper()
    extract = bg(listed("68134|М1|Мляко|0007|4|1,49|", header=header), "М1")
    assert shown(extract, *SEEN) == [("0007", "Мляко", 149, None)]


def test_a_list_is_known_by_its_headers() -> None:
    assert presets.recognise("list.csv", HEADER.replace('"', "").split(",")) is PRESET


def test_one_name_in_two_places_is_refused() -> None:
    data = listed("68134|Център|Мляко|1|4|1.49|", "56784|Център|Хляб|2|1|0.99|")
    with pytest.raises(ExtractError) as caught:
        bg(data, "Център")
    assert caught.value.code == "outlet_not_sure"
    assert "68134" in str(caught.value)


def test_promotions_are_read_and_their_blanks_too() -> None:
    rows = ("1|М|А|01|4|2.00|1,50", "1|М|Б|02|4||0.80", "1|М|В|03|4|3,00|-", "1|М|Г|04|4||",
            "1|М|Д|05|4|4.00|0.00")  # fmt: skip
    extract = bg(listed(*rows), "М")
    assert shown(extract, "sku", "price_minor", "promo_price_minor") == [
        ("01", 200, 150),
        ("02", None, 80),
        ("03", 300, None),
        ("05", 400, None),
    ]
    assert rejected(extract) == [(5, "Цена на дребно", "", "missing_price")]


def test_rows_that_contradict_each_other_are_both_rejected() -> None:
    rows = ("1|М|А|01|4|2.00|", "1|М|А|01|4|2.10|", "1|М|Б|02|4|1.00|", "1|М|Б|02|4|1.00|")
    extract = bg(listed(*rows), "М")
    assert counts(extract) == (4, 1, 2, 1, 0)
    assert {why for *_, why in rejected(extract)} == {"contradicting_duplicate"}
