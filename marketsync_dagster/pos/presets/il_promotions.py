"""Israeli promotions: which of them are the price of one piece for everybody, and until when.

Everything else (several pieces, clubs, coupons, gifts, totals) is left out and counted by reason:
the regular price holds then. Promotions are not read as records that may be rejected, since a
promotion that is none for us says nothing about its product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pyarrow as pa

from marketsync_dagster.pos.kernels import as_bool, as_int, matches, pc
from marketsync_dagster.pos.model import ExtractSpec
from marketsync_dagster.pos.presets import shaping
from marketsync_dagster.pos.presets.price_lists import is_yes
from marketsync_dagster.pos.readers.building import JOIN
from marketsync_dagster.pos.texts import Texts
from marketsync_dagster.values.words import counted

_Mask = Callable[[Texts], np.ndarray]
_Wrong = Callable[[pa.Array], np.ndarray]

RECORDS = ("Promotions/Promotion", "Sales/Sale", "Details/Line", "/Root/Promotion")

_ITEMS = (
    "Groups/Group/PromotionItems/PromotionItem/",
    "Groups/Group/PromotionItems/Item/",
    "PromotionItems/PromotionItem/",
    "PromotionItems/Item/",
    "PromotionItems/Line/",
)
_ABOVE = ("", "AdditionalRestrictions/", "Groups/Group/", "PromotionDetails/")
_PLACES = (*_ITEMS, "", "PromotionDetails/")


def _each(name: str, *paths: str) -> dict[str, tuple[str, ...]]:
    """A column of its own for each path: a condition counts wherever it stands."""
    return {f"{name}{place}": (path,) for place, path in enumerate(paths)}


def _anywhere(name: str, *elements: str) -> dict[str, tuple[str, ...]]:
    return _each(name, *(path + one for path in (*_ABOVE, *_ITEMS) for one in elements))


COLUMNS: Mapping[str, tuple[str, ...]] = {
    "sku": tuple(f"{path}ItemCode" for path in _PLACES),
    **_each("_sku", *(f"{path}ItemCode" for path in _PLACES)),
    "promo_price": ("DiscountedPrice", "PromotionDetails/DiscountedPrice"),
    **_each("_price", *(f"{path}DiscountedPrice" for path in _ITEMS)),
    **_each("_words", "PromotionDescription", "PromotionDetails/PromotionDescription"),
    **_anywhere("_quantity", "MinQty"),
    **_each("_group", *(f"Groups/Group/{name}" for name in ("GroupId", "DiscountType"))),
    **_anywhere("_club", "Clubs/ClubId", "ClubId"),
    **_anywhere("_coupon", "AdditionalIsCoupon", "IsCoupon"),
    **_anywhere("_gift", "AdditionalGiftCount", "GiftCount", "IsGiftItem"),
    **_anywhere("_total", "AdditionalIsTotal", "IsTotal", "MinPurchaseAmnt", "MinPurchaseAmount"),
    **_anywhere("_active", "AdditionalIsActive"),
    "_restriction": ("AdditionalRestrictions",),
    **_anywhere("_weighed", "IsWeightedPromo", "bIsWeighted", "lsWeightedPromo", "blsWeighted"),
    **_each("_days", "PromotionDays", "PromotionDetails/PromotionDays"),
    "_from": ("PromotionStartDateTime",),
    "_from_day": ("PromotionStartDate",),
    "_from_hour": ("PromotionStartHour",),
    "_to": ("PromotionEndDateTime",),
    "_to_day": ("PromotionEndDate",),
    "_to_hour": ("PromotionEndHour",),
}
"""Our names, those with a number once for each place where such an element may stand; paths
inside a promotion."""

_SEVERAL = (
    r"(?:^|[^0-9.,])(?:[2-9]|[1-9][0-9])\s*(?:יח\S*)?\s*ב\s*-?\s*[0-9]"
    r"|[0-9]\s*\+\s*[0-9]|השני"
)
"""`2 for 30`, `1+1`, `the second at`."""
_FOR_SOME = "קופון|מועדון|אשראי|לחברי"
"""Coupon, club, credit card, for members."""
_DATE = r"^([0-9]{4})[-/]([0-9]{2})[-/]([0-9]{2})"


def unit_prices(texts: Texts, spec: ExtractSpec) -> Texts:
    """`promo_price` of each SKU that has one, with `promo_from` and `promo_to`, as ISO 8601.

    A SKU occurs at most once. The promotions left out are counted in the warnings. Whether now is
    within the window, and whether the price is below the regular one, is judged later: see
    `below_regular`.
    """
    left: dict[str, int] = {}
    for reason, applies in _conditions(spec):
        mask = applies(texts)
        if mask.any():
            left[reason] = int(mask.sum())
            texts = texts.take(np.flatnonzero(~mask))
    texts, unclear = _by_item(_with_window(texts))
    if unclear:
        left["whose items cannot be told apart"] = unclear
    texts, several = _once(_priced(texts, spec, left))
    said = [f"{count} {reason}" for reason, count in left.items()]
    words = [f"promotions left out: {', '.join(said)}"] if said else []
    if several:
        products = counted(several, "product")
        words.append(f"promotions that differ, none of which is taken: of {products}")
    return texts.warn(*words)


def _conditions(spec: ExtractSpec) -> Iterator[tuple[str, _Mask]]:
    """What makes a promotion something else than the price of one piece, most telling first."""
    yield (
        "for several pieces or a part of one",
        lambda t: _wrong(t, "_quantity", _not_one) | _described(t, _SEVERAL),
    )
    yield "that combine several groups of products", lambda t: _joined(t, "_group", "_total")
    yield "with a gift", lambda t: _wrong(t, "_gift", is_yes)
    yield "with a coupon", lambda t: _wrong(t, "_coupon", is_yes)
    yield "for a total", lambda t: _wrong(t, "_total", is_yes)
    yield "without a word on whom they are for", lambda t: ~_said(t, "_club")
    yield "for members of a club", lambda t: _wrong(t, "_club", _is_club) | _described(t, _FOR_SOME)
    yield "with other restrictions", lambda t: t.filled("_restriction")
    yield "on some days or at some hours only", lambda t: _said(t, "_days") | _has_hours(t)
    yield "that are not active", lambda t: _wrong(t, "_active", _is_zero)
    if spec.weighed == "reject":
        yield "for goods sold by weight", lambda t: _wrong(t, "_weighed", is_yes)
    yield "without an end", lambda t: ~(t.filled("_to") | t.filled("_to_day"))


def _columns(texts: Texts, name: str) -> list[str]:
    return [one for one in texts.columns if one.rstrip("0123456789") == name]


def _said(texts: Texts, name: str) -> np.ndarray:
    """Which records say anything in one of the columns."""
    found = np.zeros(len(texts), bool)
    for one in _columns(texts, name):
        found |= texts.filled(one)
    return found


def _described(texts: Texts, pattern: str) -> np.ndarray:
    """Which records are described as something that their fields may not say."""
    found = np.zeros(len(texts), bool)
    for one in _columns(texts, "_words"):
        found |= matches(texts.columns[one], pattern)
    return found


def _joined(texts: Texts, *names: str) -> np.ndarray:
    """Which records have more than one group."""
    found = np.zeros(len(texts), bool)
    for name in names:
        for one in _columns(texts, name):
            if COLUMNS[one][0].rpartition("/")[0] == "Groups/Group":
                found |= as_bool(pc.match_substring(texts.columns[one], JOIN))
    return found


def _wrong(texts: Texts, name: str, wrong: _Wrong) -> np.ndarray:
    """Which records have a value in one of the columns that is `wrong`; items have one each."""
    found = np.zeros(len(texts), bool)
    for one in _columns(texts, name):
        lists = pc.split_pattern(texts.columns[one], JOIN)
        values = pc.utf8_trim_whitespace(pc.list_flatten(lists))
        parents = as_int(pc.list_parent_indices(lists))
        found[parents[wrong(values)]] = True
    return found


def _not_one(values: pa.Array) -> np.ndarray:
    # 0.5 at 10.00 is a price for half a kilogram
    return ~matches(values, r"^(?:|0+(?:\.0+)?|0*1(?:\.0+)?)$")


def _is_club(values: pa.Array) -> np.ndarray:
    # `0 - all customers`
    return ~matches(values, r"^(?:0+(?:\s*[-\x{2013}:].*)?)?$")


def _is_zero(values: pa.Array) -> np.ndarray:
    return ~is_yes(values) & as_bool(pc.not_equal(values, ""))


def _has_hours(texts: Texts) -> np.ndarray:
    """Where a moment with its hour has another hour beside it: that is one of each day."""
    found = np.zeros(len(texts), bool)
    for name, harmless in (("_from", ("", "00:00")), ("_to", ("", "23:59", "24:00"))):
        hour = pc.utf8_slice_codeunits(texts.column(f"{name}_hour"), 0, 5)
        clock = pc.replace_substring_regex(
            texts.column(name), r"^.*?[ T]([0-9]{2}:[0-9]{2}).*$", r"\1"
        )
        plain = as_bool(pc.is_in(hour, pa.array(harmless, pa.string())))
        found |= texts.filled(name) & ~plain & as_bool(pc.not_equal(hour, clock))
    return found


def _with_window(texts: Texts) -> Texts:
    """`promo_from`, `promo_to`: `2026-11-20T08:00:00`; what is no such date stays as written."""
    for name in ("_from", "_to"):
        day, hour = texts.column(f"{name}_day"), texts.column(f"{name}_hour")
        # until midnight is the whole day
        hour = pc.replace_substring_regex(hour, r"^24:00(?::00)?$", "")
        bare = matches(day, r"^[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}(?:[ T]00:00(?::00(?:\.0+)?)?)?$")
        bare &= as_bool(pc.not_equal(hour, ""))
        date = pc.utf8_slice_codeunits(day, 0, 10)
        # an hour that is none stays in, and makes the whole unreadable
        timed = pc.binary_join_element_wise(date, hour, "T")
        whole = pc.if_else(pa.array(bare), timed, day)
        whole = pc.if_else(pa.array(texts.filled(name)), texts.column(name), whole)
        whole = pc.replace_substring_regex(whole, _DATE, r"\1-\2-\3")
        whole = pc.replace_substring_regex(whole, r"^([0-9-]{10}) +", r"\1T")
        header = texts.headers.get(name) or texts.headers.get(f"{name}_day") or "PromotionEndDate"
        texts = texts.put(f"promo{name}", whole, header)
    return texts


def _by_item(texts: Texts) -> tuple[Texts, int]:
    """A record for each product of a promotion, and how many promotions are not clear.

    The values of the items of a promotion stand side by side; where their numbers differ, which
    price is which item's is not known.
    """
    texts = _places(texts)
    skus = pc.split_pattern(texts.column("sku"), JOIN)
    counts = as_int(pc.list_value_length(skus))
    prices = pc.split_pattern(texts.column("_item_price"), JOIN)
    priced = as_int(pc.list_value_length(prices))
    none = ~texts.filled("_item_price")
    clear = none | (priced == counts)
    texts, skus = texts.take(np.flatnonzero(clear)), skus.filter(pa.array(clear))
    none, prices = none[clear], prices.filter(pa.array(clear))
    parents = as_int(pc.list_parent_indices(skus))
    items = texts.take(parents)
    items = items.put("sku", pc.utf8_trim_whitespace(pc.list_flatten(skus)))
    own = pc.list_flatten(prices.filter(pa.array(~none)))
    blank = pa.array([""] * len(items), pa.string())
    found = pc.replace_with_mask(blank, pa.array(~none[parents]), own)
    items = items.put("_item_price", pc.utf8_trim_whitespace(found), "DiscountedPrice")
    real = ~matches(items.column("sku"), "^0*$")
    return items.take(np.flatnonzero(real)), int((~clear).sum())


def _places(texts: Texts) -> Texts:
    """The codes and the prices of items from the same place."""
    skus = prices = pa.array([""] * len(texts), pa.string())
    for place in range(len(_PLACES)):
        code = texts.column(f"_sku{place}")
        use = pa.array(texts.filled(f"_sku{place}") & as_bool(pc.equal(skus, "")))
        skus = pc.if_else(use, code, skus)
        prices = pc.if_else(use, texts.column(f"_price{place}"), prices)
    return texts.put("sku", skus, "ItemCode").put("_item_price", prices, "DiscountedPrice")


def _priced(texts: Texts, spec: ExtractSpec, left: dict[str, int]) -> Texts:
    """Only items with a price above zero that the promotion and the item agree on."""
    read = shaping.amounts(texts, ("promo_price", "_item_price"), spec)
    common, own = read["promo_price"], read["_item_price"]
    both = common.known & own.known & (common.minor != own.minor)
    wrong = np.zeros(len(texts), bool)
    wrong[list(own.faults)] = True
    good = ~both & ~wrong & (own.known | common.known)
    if not good.all():
        left["of a product without a price of one piece"] = int((~good).sum())
    price = pc.if_else(
        pa.array(own.known), texts.column("_item_price"), texts.column("promo_price")
    )
    header = texts.headers.get("promo_price")
    texts = texts.put("promo_price", price, header or "DiscountedPrice")
    return texts.take(np.flatnonzero(good))


def _once(texts: Texts) -> tuple[Texts, int]:
    """Each SKU once, and how many have promotions that differ in price or window."""
    names = ("promo_price", "promo_from", "promo_to")
    texts = texts.without(*(name for name in texts.columns if name not in ("sku", *names)))
    if not len(texts):
        return texts, 0
    read = pc.dictionary_encode(texts.column("sku")).indices
    codes = read.to_numpy(zero_copy_only=False)
    said = pc.binary_join_element_wise(*(texts.column(name) for name in names), "\x00")
    told = as_int(pc.dictionary_encode(said).indices)
    _, first = np.unique(codes, return_index=True)
    differs = told != told[first][codes]
    doubtful = np.unique(codes[differs])
    rows = np.sort(first[~np.isin(np.arange(len(first)), doubtful)])
    return texts.take(rows), len(doubtful)


def below_regular(texts: Texts, spec: ExtractSpec) -> Texts:
    """Products joined with their promotions, without those promotions that save nothing.

    A promotion price that is not below the regular one, or beside a regular one that cannot be
    read, is left out and counted: it is about something else than one piece.
    """
    if "promo_price" not in texts.columns:
        return texts
    read = shaping.amounts(texts, ("price", "promo_price"), spec)
    regular, promo = read["price"], read["promo_price"]
    filled = texts.filled("promo_price")
    saves = regular.known & promo.known & (promo.minor < regular.minor)
    out = filled & ~saves
    if not out.any():
        return texts
    for name in ("promo_price", "promo_from", "promo_to"):
        if name in texts.columns:
            texts = texts.put(name, pc.if_else(pa.array(out), "", texts.column(name)))
    prices = counted(int(out.sum()), "promotion price")
    return texts.warn(f"left out, not being below the regular price: {prices}")
