"""Israeli promotions: only the price of one piece, for everybody, is one; the rest is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.presets.il_prices import PRESET
from marketsync_dagster.pos.presets.il_promotions import below_regular
from marketsync_dagster.pos.readers.xml import read_xml
from marketsync_dagster.pos.texts import Texts
from marketsync_dagster_tests.pos.presets.exports import EXAMPLES, shown
from marketsync_dagster_tests.pos.presets.lists import together

FILES = EXAMPLES / "il_prices"
CHAIN = "7299999999993"
(LAYOUT,) = (layout for layout in PRESET.layouts if layout.adds)
SPEC = ExtractSpec(currency="ILS", keys=("1",))

OLD = {
    "PromotionId": "1",
    "PromotionDescription": "מבצע",
    "PromotionStartDate": "2026-11-15",
    "PromotionStartHour": "08:00:00",
    "PromotionEndDate": "2026-11-30",
    "PromotionEndHour": "23:59",
    "MinQty": "1.00",
    "DiscountedPrice": "5.90",
    "DiscountedPricePerMida": "0.59",
    "MinNoOfItemOfered": "10",
}
RESTRICTIONS = {
    "AdditionalIsCoupon": "0",
    "AdditionalGiftCount": "0",
    "AdditionalIsTotal": "0",
    "AdditionalIsActive": "1",
    "Clubs": "<ClubId>0</ClubId>",
}
NEW = {
    "PromotionID": "1",
    "PromotionDescription": "מבצע",
    "PromotionStartDateTime": "2026-11-15T08:00:00.000",
    "PromotionEndDateTime": "2026-11-30T23:59:00.000",
    "PromotionStartHour": "",
    "PromotionEndHour": "",
    "PromotionDays": "",
    "MinNoOfItemOffered": "10",
    "RedemptionLimit": "4",
    "ClubID": "0 - כלל הלקוחות",
    "AdditionalIsCoupon": "0",
    "AdditionalRestrictions": "",
}
GROUP = {"GroupID": "1", "MinPurchaseAmount": "0.00", "DiscountType": ""}


def elements(cells: dict[str, str]) -> str:
    return "".join(f"<{name}>{text}</{name}>" for name, text in cells.items())


def old(codes: tuple[str, ...] = ("77",), gift: str = "0", **cells: str) -> str:
    above = {**OLD, **{name: text for name, text in cells.items() if name not in RESTRICTIONS}}
    more = {**RESTRICTIONS, **{n: t for n, t in cells.items() if n in RESTRICTIONS}}
    items = "".join(
        f"<Item><ItemCode>{code}</ItemCode><IsGiftItem>{gift}</IsGiftItem></Item>" for code in codes
    )
    inside = f"{elements(above)}<PromotionItems>{items}</PromotionItems>"
    return f"<Promotion>{inside}{elements({'AdditionalRestrictions': elements(more)})}</Promotion>"


def new(
    items: tuple[dict[str, str], ...], group: dict[str, str] | None = None, **cells: str
) -> str:
    held = "".join(f"<PromotionItem>{elements(item)}</PromotionItem>" for item in items)
    inside = elements({**GROUP, **(group or {}), "PromotionItems": held})
    groups = f"<Groups><Group>{inside}</Group></Groups>"
    return f"<Promotion>{elements({**NEW, **cells})}{groups}</Promotion>"


def part(code: str = "77", quantity: str = "1", price: str = "5.90", **more: str) -> dict[str, str]:
    return {"ItemCode": code, "MinQty": quantity, "DiscountedPrice": price, **more}


def shaped(*promotions: str, spec: ExtractSpec = SPEC, holder: str = "Promotions") -> Texts:
    """What the preset makes of promotions, by way of the reader."""
    store = "<StoreId>001</StoreId>"
    data = f"<Root>{store}<{holder}>{''.join(promotions)}</{holder}></Root>".encode()
    table = read_xml(data, file="PromoFull.xml", records=LAYOUT.records)
    (block,) = list(table.blocks)
    known = {name.casefold(): name for name in block.columns}
    columns = {
        name: pa.array([text or "" for text in block.columns[known[one.casefold()]].to_pylist()],
                       pa.string())
        for name, offered in LAYOUT.columns.items()
        for one in [next((o for o in offered if o.casefold() in known), "")]
        if one
    }  # fmt: skip
    texts = Texts(columns, block.lines, {}, facts=table.facts)
    assert LAYOUT.shape is not None
    return LAYOUT.shape(texts, spec)


def found(texts: Texts) -> list[tuple[str, ...]]:
    names = ("sku", "promo_price", "promo_from", "promo_to")
    return list(zip(*(texts.column(name).to_pylist() for name in names), strict=True))


WINDOW = ("2026-11-15T08:00:00", "2026-11-30T23:59")
LONG_WINDOW = ("2026-11-15T08:00:00.000", "2026-11-30T23:59:00.000")


def test_a_price_of_one_piece_for_everybody_is_taken_with_its_window() -> None:
    texts = shaped(old(("0077", "78", "0000000000000")))
    assert found(texts) == [("0077", "5.90", *WINDOW), ("78", "5.90", *WINDOW)]
    assert texts.warnings == ()
    assert texts.faults == ()
    texts = shaped(new((part("0077"), part("78", price="6.50"))))
    assert found(texts) == [("0077", "5.90", *LONG_WINDOW), ("78", "6.50", *LONG_WINDOW)]


LEFT_OUT: dict[str, tuple[str, str]] = {
    "two for 30": (old(MinQty="2", DiscountedPrice="30"), "several pieces"),
    "half a kilogram": (old(MinQty="0.5"), "several pieces"),
    "no number": (old(MinQty="?"), "several pieces"),
    "two by its words": (old(PromotionDescription="חלב 2 ב-30"), "several pieces"),
    "one more by its words": (old(PromotionDescription="חלב 1+1"), "several pieces"),
    "the second by its words": (old(PromotionDescription="השני בחצי מחיר"), "several pieces"),
    "two of an item": (new((part(quantity="2"),)), "several pieces"),
    "one item of two": (new((part(), part("78", quantity="3"))), "several pieces"),
    "a club": (old(Clubs="<ClubId>2</ClubId>"), "members"),
    "one of two clubs": (old(Clubs="<ClubId>0</ClubId><ClubId>4</ClubId>"), "members"),
    "a club in words": (new((part(),), ClubID="3 - מועדון"), "members"),
    "a credit card": (old(PromotionDescription="5.90 למשלמים באשראי"), "members"),
    "a coupon by its words": (old(PromotionDescription="קופון חלב"), "members"),
    "no word on clubs": (old(Clubs=""), "without a word"),
    "an empty club": (new((part(),), ClubID=""), "without a word"),
    "a coupon": (old(AdditionalIsCoupon="1"), "coupon"),
    "a coupon above": (new((part(),), AdditionalIsCoupon="true"), "coupon"),
    "a gift count": (old(AdditionalGiftCount="1"), "gift"),
    "a gift": (old(gift="1"), "gift"),
    "a gift above": (new((part(),), IsGiftItem="4"), "gift"),
    "a total": (old(AdditionalIsTotal="1"), "total"),
    "a minimum": (old(MinPurchaseAmnt="50"), "total"),
    "a minimum of a group": (new((part(),), {"MinPurchaseAmount": "99.90"}), "total"),
    "two groups": (
        new((part(),)).replace("</Group>", f"</Group><Group>{elements(GROUP)}</Group>"), "groups"
    ),
    "other restrictions": (new((part(),), AdditionalRestrictions="עד גמר המלאי"), "restrictions"),
    "some days": (new((part(),), PromotionDays="1,2"), "some days"),
    "some hours": (new((part(),), PromotionStartHour="16:00"), "some days"),
    "not active": (old(AdditionalIsActive="0"), "not active"),
    "by weight": (old(IsWeightedPromo="1"), "by weight"),
    "an item by weight": (new((part(bIsWeighted="1"),)), "by weight"),
    "no end": (old(PromotionEndDate="", PromotionEndHour=""), "without an end"),
    "no price": (old(DiscountedPrice=""), "without a price"),
    "a price of 0": (old(DiscountedPrice="0.00"), "without a price"),
    "a price per measure": (old(DiscountedPrice="", DiscountedPricePerMida="0.59"),
                            "without a price"),
    "no figure": (old(DiscountedPrice="5 ש"), "without a price"),
    "an item without a price": (new((part(price=""),)), "without a price"),
    "an item at 0": (new((part(price="0.00"),), DiscountedPrice="4.90"), "without a price"),
    "two prices": (new((part(),), DiscountedPrice="4.90"), "without a price"),
    "items that lack one": (
        new((part(), {"ItemCode": "78", "MinQty": "1"}, part("79"))), "cannot be told apart"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("promotion", "why"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_what_is_no_price_of_one_piece_is_left_out_and_counted(promotion: str, why: str) -> None:
    texts = shaped(promotion, old(("99",)))
    assert found(texts) == [("99", "5.90", *WINDOW)]
    (words,) = texts.warnings
    assert words.startswith("promotions left out: 1 ")
    assert why in words
    assert texts.faults == ()


def test_a_condition_counts_wherever_it_stands() -> None:
    deep = old(("78",)).replace("<ItemCode>", "<MinQty>2</MinQty><ItemCode>")
    above = old(("79",), Clubs="").replace("<MinQty>", "<ClubId>5</ClubId><MinQty>")
    texts = shaped(old(), deep, above)
    assert [sku for sku, *_ in found(texts)] == ["77"]


def test_promotions_by_weight_are_taken_where_goods_by_weight_are() -> None:
    spec = ExtractSpec(currency="ILS", weighed="accept")
    assert len(found(shaped(old(IsWeightedPromo="1"), spec=spec))) == 1


def test_no_minimum_is_one_piece() -> None:
    for quantity in ("", "0", "0.00", "1", "01", "1.000"):
        assert len(found(shaped(old(MinQty=quantity)))) == 1


def test_words_that_only_look_like_several_pieces_do_not_matter() -> None:
    for words in ("קולה 1.5 ליטר ב-6.90", "חלב 3% ב-5.90", "גבינה 250 גרם ב-12", "מים ב-10"):
        assert len(found(shaped(old(PromotionDescription=words)))) == 1, words


WINDOWS: list[tuple[dict[str, str], tuple[str, str]]] = [
    ({"PromotionStartHour": "", "PromotionEndHour": ""}, ("2026-11-15", "2026-11-30")),
    ({"PromotionStartDate": "2026/11/15", "PromotionStartHour": ""}, ("2026-11-15", WINDOW[1])),
    ({"PromotionStartDate": "2026-11-15 00:00:00"}, WINDOW),
    ({"PromotionEndDate": "2026-11-30T12:00", "PromotionEndHour": ""},
     (WINDOW[0], "2026-11-30T12:00")),
    ({"PromotionEndDate": "30.11.2026", "PromotionEndHour": "12:00"}, (WINDOW[0], "30.11.2026")),
    ({"PromotionEndHour": "24:00:00"}, (WINDOW[0], "2026-11-30")),
    ({"PromotionEndHour": "xx"}, (WINDOW[0], "2026-11-30Txx")),
    ({"PromotionStartDate": "", "PromotionStartHour": ""}, ("", WINDOW[1])),
]  # fmt: skip


@pytest.mark.parametrize(("cells", "window"), WINDOWS)
def test_windows_are_written_as_moments_or_left_as_they_are(
    cells: dict[str, str], window: tuple[str, str]
) -> None:
    assert found(shaped(old(("77",), "0", **cells))) == [("77", "5.90", *window)]


def test_an_hour_that_says_the_same_again_does_no_harm() -> None:
    for hour in ("08:00:00", "00:00", ""):
        assert len(found(shaped(new((part(),), PromotionStartHour=hour)))) == 1


def test_a_product_in_two_promotions_that_differ_has_none() -> None:
    cheaper = old(("77", "78"), DiscountedPrice="4.90")
    texts = shaped(old(("77", "79")), cheaper, old(("79",)))
    assert [sku for sku, *_ in found(texts)] == ["79", "78"]
    assert texts.warnings == ("promotions that differ, none of which is taken: of 1 product",)


def test_a_sale_of_one_product_is_read_like_a_promotion() -> None:
    cells = {**OLD, "ItemCode": "77", "ClubID": "0"}
    texts = shaped(f"<Sale>{elements(cells)}</Sale>", holder="Sales")
    assert found(texts) == [("77", "5.90", *WINDOW)]
    alone = {name: text for name, text in cells.items() if name != "ClubID"}
    assert not found(shaped(f"<Sale>{elements(alone)}</Sale>", holder="Sales"))


def joined(price: str, promo: str) -> tuple[list[tuple[Any, ...]], tuple[str, ...]]:
    cells = {"sku": "1", "price": price, "promo_price": promo, "promo_to": "2026-11-30"}
    columns = {name: pa.array([text], pa.string()) for name, text in cells.items()}
    texts = below_regular(Texts(columns, np.array([1]), {}), SPEC)
    names = ("price", "promo_price", "promo_to")
    return [tuple(texts.column(name)[0].as_py() for name in names)], texts.warnings


@pytest.mark.parametrize(
    ("price", "promo", "taken"),
    [
        ("12.90", "12.89", True),
        ("9.90", "10.00", False),
        ("12.90", "12.90", False),
        ("", "9.90", False),
        ("0.00", "9.90", False),
        ("abc", "9.90", False),
        ("1,290.00", "999.00", True),
    ],
)
def test_a_promotion_that_saves_nothing_is_left_out(price: str, promo: str, taken: bool) -> None:
    rows, words = joined(price, promo)
    assert rows == [(price, promo, "2026-11-30") if taken else (price, "", "")]
    assert bool(words) is not taken


def test_a_promotion_above_the_price_of_its_product_goes_nowhere(tmp_path: Path) -> None:
    head = "<Root><StoreId>1</StoreId>"
    items = "".join(
        f"<Item><ItemCode>{code}</ItemCode><bIsWeighted>0</bIsWeighted>"
        f"<ItemPrice>5.90</ItemPrice></Item>"
        for code in ("77", "78")
    )
    promotions = old(("77",), DiscountedPrice="6.90") + old(("78",), DiscountedPrice="4.90")
    files = {
        f"PriceFull{CHAIN}-001-202611200300.xml": f"{head}<Items>{items}</Items></Root>".encode(),
        f"PromoFull{CHAIN}-001-202611200300.xml": f"{head}<Promotions>{promotions}</Promotions>"
        "</Root>".encode(),
    }
    extract = together("il_prices", files, tmp_path, currency="ILS")
    assert shown(extract, "sku", "promo_price_minor") == [("77", None), ("78", 490)]
    assert shown(extract, "promo_to")[0] == (None,)
    assert extract.warnings == ["left out, not being below the regular price: 1 promotion price"]


def test_the_example_s_promotions_are_prices_of_its_products(tmp_path: Path) -> None:
    stem = f"{CHAIN}-001-202611200300.gz"
    files = {name: FILES / name for name in (f"PriceFull{stem}", f"PromoFull{stem}")}
    extract = together(
        "il_prices", files, tmp_path, currency="ILS", keys=("1",), timezone="Asia/Jerusalem"
    )
    assert shown(extract, "sku", "price_minor", "promo_price_minor") == [
        ("7299999000013", 710, 590),
        ("7299999000020", 1290, None),
        ("0044410", 990, 850),
        ("7299999000037", 1190, None),
        ("7299999000044", 2490, None),
    ]
    assert shown(extract, "promo_from", "promo_to")[:2] == [
        ("2026-11-14T22:00:00.000Z", "2026-11-30T22:00:00.000Z"),
        (None, None),
    ]
    assert extract.warnings == [
        (
            "promotions left out: 1 for several pieces or a part of one, 1 with a coupon, 1 for "
            "members of a club, 1 for goods sold by weight"
        )
    ]


def test_promotions_in_groups_are_prices_of_each_item(tmp_path: Path) -> None:
    stem = f"{CHAIN}-001-002-20261120-030000"
    files = {f"PriceFull{stem}.gz": FILES / f"PriceFull{stem}.gz",
             f"PromoFull{stem}.xml": FILES / f"PromoFull{stem}.xml"}  # fmt: skip
    extract = together("il_prices", files, tmp_path, currency="ILS", keys=("001-002",))
    assert shown(extract, "sku", "price_minor", "promo_price_minor") == [
        ("7299999000013", 690, 550),
        ("7299999000068", 3490, 2990),
    ]
