"""What Mirakl shows: our offers (OF21), and products of the marketplace by barcode (P31).

Contract sections 6.5 and 6.6. Offers are paged by offset, and no order of theirs keeps still while
prices change: a page may repeat some and leave others out. The catalogue is read once more where
that shows; a list of what is shown is not, because there absence proves nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any

from marketsync_dagster.platforms.answers import Readable
from marketsync_dagster.platforms.base import Answer, CatalogPage, ShownPage, ShownPrice
from marketsync_dagster.platforms.bodies import lookup
from marketsync_dagster.platforms.reading import Tries, read
from marketsync_dagster.values.outcomes import StockStatus

PAGE = 100
"""The most that Mirakl gives at once; also references in one P31."""
PASSES = 2
OFFERS, PRODUCTS = "/offers", "/products"
GTIN_LENGTHS = (8, 12, 13, 14)

Pairs = Sequence[tuple[str, str]]
Fetch = Callable[[str, Pairs], Awaitable[Answer | Readable]]
Row = dict[str, str | None]
Key = tuple[str | None, ...]
BY_BARCODE = ("platform_id", "barcode")


# --- pages of offers


class Offers:
    """One reading of all offers, page by page, and whether they moved meanwhile."""

    def __init__(self, tries: Tries, fetch: Fetch) -> None:
        self._tries = tries
        self._fetch = fetch
        self._totals: set[int | None] = set()
        self._names: set[str] = set()

    async def pages(self, more: Pairs = ()) -> AsyncIterator[tuple[list[Any], int | None]]:
        """Pages and totals, up to an empty page or a short one that reaches the total."""
        offset, going = 0, True
        self._totals.clear()
        while going:
            # titles change less often than prices, by which offers are sorted otherwise
            where = (("max", str(PAGE)), ("offset", str(offset)))
            order = (("sort", "productTitle"), ("order", "asc"))
            listed, total = await self._page((*more, *where, *order), offset)
            self._totals.add(total)
            self._names.update(str(lookup(offer, "shop_sku")) for offer in listed)
            yield listed, total
            offset += len(listed)
            going = bool(listed) and (len(listed) >= PAGE or offset < (total or 0))

    @property
    def moved(self) -> bool:
        """Whether the last pass may have left some out."""
        last = max((total for total in self._totals if total is not None), default=0)
        return len(self._totals) > 1 or len(self._names) < last

    async def _page(self, pairs: Pairs, offset: int) -> tuple[list[Any], int | None]:
        return await read(
            self._tries,
            lambda: self._fetch(OFFERS, pairs),
            _offers_of,
            what=f"the offers cannot be read at number {offset}",
            otherwise="the answer is not a page of offers; is base_url right?",
        )


def _offers_of(said: Answer | Readable) -> tuple[list[Any], int | None] | None:
    if not isinstance(said, Readable):
        return None
    listed, total = lookup(said.document, "offers"), lookup(said.document, "total_count")
    if not isinstance(listed, list):
        return None
    return listed, total if isinstance(total, int) and not isinstance(total, bool) else None


async def shown_pages(tries: Tries, fetch: Fetch) -> AsyncIterator[ShownPage]:
    """All that the shop shows."""
    async for listed, total in Offers(tries, fetch).pages():
        rows = [row for row in map(shown, listed) if row is not None]
        yield ShownPage(rows, total, tries.take_calls())


async def shown_by_name(names: Sequence[str], tries: Tries, fetch: Fetch) -> list[ShownPrice]:
    """One entry per offer, in the order asked for: one call each, the API has no other way."""
    found: list[ShownPrice] = []
    for name in names:
        listed, _ = await read(
            tries,
            lambda name=name: fetch(OFFERS, (("sku", name), ("max", str(PAGE)))),
            _offers_of,
            what=f"the offer {name} cannot be read",
            otherwise="the answer is not a page of offers; is base_url right?",
        )
        rows = [row for row in map(shown, listed) if row is not None and row.platform_sku == name]
        row = (
            rows[0]
            if rows
            else ShownPrice("", message="the shop has no such offer", platform_sku=name)
        )
        found.append(row._replace(calls=tries.take_calls()))
    return found


def shown(offer: Any) -> ShownPrice | None:
    """What one offer shows; None for what has no name."""
    name, product = _text(lookup(offer, "shop_sku")), _text(lookup(offer, "product_sku"))
    if name is None:
        return None
    quantity = offer.get("quantity")
    quantity = quantity if isinstance(quantity, int) and not isinstance(quantity, bool) else None
    active, currency = offer.get("active"), offer.get("currency_iso_code")
    price = _price(offer)
    message = "" if price is not None else "the platform shows a price that is no number"
    if active is False:
        reasons = offer.get("inactivity_reasons")
        words = ", ".join(map(str, reasons)) if isinstance(reasons, list) else ""
        message = message or f"inactive: {words or 'the platform does not say why'}"
    stock = None
    if active is False or quantity is not None:
        buyable = active is not False and (quantity or 0) > 0
        stock = StockStatus.IN_STOCK if buyable else StockStatus.OUT_OF_STOCK
    return ShownPrice(
        product or "",
        price=price,
        currency=currency if isinstance(currency, str) else "",
        stock_status=stock,
        message=message,
        platform_sku=name,
        quantity=quantity,
        certain=price is not None,
    )


def _price(offer: dict[str, Any]) -> Decimal | None:
    """What a customer pays; where an offer says it by channels alone, without a channel."""
    listed = offer.get("all_prices")
    priced = [e for e in listed if isinstance(e, dict)] if isinstance(listed, list) else []
    for place in (offer, *(entry for entry in priced if entry.get("channel_code") is None)):
        price = place.get("price")
        if isinstance(price, int | Decimal) and not isinstance(price, bool):
            return Decimal(price)
    return None


# --- the catalogue


async def catalog_pages(
    search: str | None,
    barcodes: Sequence[str],
    kinds: Sequence[str],
    tries: Tries,
    fetch: Fetch,
) -> AsyncIterator[CatalogPage]:
    """The products of `barcodes`, each once by each of its barcodes, then our offers, each once,
    with its own name.

    `search`: an offer's name, or a barcode; then those alone.
    """
    if search is not None:
        barcodes = [search] if search.isdecimal() and len(search) in GTIN_LENGTHS else []
    references = [pair for code in barcodes for pair in references_of(code, kinds)]
    references = list(dict.fromkeys(references))
    seen: set[Key] = set()
    for start in range(0, len(references), PAGE):
        listed = await _products(tries, fetch, references[start : start + PAGE])
        rows = _unseen([product_row(product) for product in listed], seen, BY_BARCODE)
        yield CatalogPage(rows, calls=tries.take_calls())
    offers, named = Offers(tries, fetch), set[Key]()
    more = () if search is None else (("sku", search),)
    for _ in range(PASSES):
        async for listed, total in offers.pages(more):
            rows = _unseen([offer_row(offer) for offer in listed], named, ("platform_sku",))
            yield CatalogPage(rows, total, tries.take_calls())
        if not offers.moved:
            return


def references_of(barcode: str, kinds: Sequence[str]) -> list[tuple[str, str]]:
    """As what a barcode is asked for: a UPC is a GTIN-13 that begins with 0, and twelve digits
    where UPCs are meant."""
    code = barcode.strip()
    if not (code.isascii() and code.isdecimal()) or len(code) not in GTIN_LENGTHS:
        return []
    if len(code) == 14 and code.startswith("0"):
        code = code[1:]
    long = code.zfill(13) if len(code) == 12 else code
    found = []
    if "EAN" in kinds:
        found.append(("EAN", long))
    if "UPC" in kinds and len(long) == 13 and long.startswith("0"):
        found.append(("UPC", long[1:]))
    elif "UPC" in kinds and "EAN" not in kinds:
        found.append(("UPC", long))  # an operator who calls every number a UPC
    return found


async def _products(tries: Tries, fetch: Fetch, references: Pairs) -> list[Any]:
    text = ",".join(f"{kind}|{code}" for kind, code in references)

    def listed(said: Answer | Readable) -> list[Any] | None:
        found = lookup(said.document, "products") if isinstance(said, Readable) else None
        return found if isinstance(found, list) else None

    return await read(
        tries,
        lambda: fetch(PRODUCTS, (("product_references", text),)),
        listed,
        what="the products of the marketplace cannot be read",
        otherwise="the answer is not a list of products; is base_url right?",
    )


def _unseen(rows: Sequence[Row | None], seen: set[Key], columns: Sequence[str]) -> list[Row]:
    found: list[Row] = []
    for row in rows:
        key = () if row is None else tuple(row[column] for column in columns)
        if row is not None and key not in seen:
            seen.add(key)
            found.append(row)
    return found


def product_row(product: Any) -> Row | None:
    """One product of P31 as PLATFORM_CATALOG has it; None for what has no id."""
    platform_id = _text(lookup(product, "product_sku"))
    if platform_id is None:
        return None
    return {
        "platform_id": platform_id,
        "platform_sku": None,
        "name": _text(product.get("product_title")),
        "barcode": _text(product.get("product_id")),
        "brand": None,
        "category": _text(product.get("category_code")),
    }


def offer_row(offer: Any) -> Row | None:
    """One of our offers: the product that it is for, under the name of the offer."""
    platform_id, name = _text(lookup(offer, "product_sku")), _text(lookup(offer, "shop_sku"))
    if platform_id is None or name is None:
        return None
    return {
        "platform_id": platform_id,
        "platform_sku": name,
        "name": _text(offer.get("product_title")),
        "barcode": _barcode(offer.get("product_references")),
        "brand": _text(offer.get("product_brand")),
        "category": _text(offer.get("category_code")),
    }


def _barcode(references: Any) -> str | None:
    """The first of a product's references that is a barcode."""
    known: dict[str, str] = {}
    for entry in references if isinstance(references, list) else ():
        kind, code = _text(lookup(entry, "reference_type")), _text(lookup(entry, "reference"))
        if kind is not None and code is not None:
            known.setdefault(kind.upper(), code)
    return known.get("EAN") or known.get("UPC") or known.get("GTIN")


def _text(value: Any) -> str | None:
    """Text that a database takes; ids may come as numbers."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        return None
    return value.replace("\0", "").strip() or None
