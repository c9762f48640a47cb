"""The columns of every stored frame: name, type, meaning, constraints. The one source of them.

Plain data, so that asset definitions can show a column schema without loading pandas or pandera;
`catalog.schemas` builds the validation from the same table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ColumnType = Literal["str", "int64", "Int64", "bool"]
STOCK_STATUSES = ("in_stock", "limited_stock", "out_of_stock")
WAYS = ("file", "sync", "sku", "gtin", "identity")
"""How a SKU found its platform id, strongest first unless the channel orders sku and gtin."""


@dataclass(frozen=True)
class Column:
    """One column. `minimum` and `one_of` hold for every value that is there."""

    name: str
    type: ColumnType
    description: str
    nullable: bool = False
    unique: bool = False
    minimum: int | None = None
    one_of: tuple[str, ...] = ()
    pattern: str = ""
    """A regular expression for the whole text."""
    required: bool = True

    @property
    def constraints(self) -> list[str]:
        """The rules in words: `not null`, `unique`, `at least 1`, `one of: a, b`."""
        words = [] if self.nullable else ["not null"]
        if self.unique:
            words.append("unique")
        if self.minimum is not None:
            words.append(f"at least {self.minimum}")
        if self.one_of:
            words.append("one of: " + ", ".join(self.one_of))
        if self.pattern:
            words.append(f"matches {self.pattern}")
        if not self.required:
            words.append("may be absent")
        return words


@dataclass(frozen=True)
class FrameColumns:
    """The columns of one frame, in order; no others may be in it."""

    name: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]


NOT_BLANK = r"\S(?:.*\S)?"
DECIMAL = r"[0-9]+(?:\.[0-9]+)?"

_SKU = Column(
    "sku", "str", "The till's own code of the product, always text", unique=True, pattern=NOT_BLANK
)
_NAME = Column("name", "str", "What the till calls the product", nullable=True)
_INTERNAL = Column(
    "internal_code",
    "str",
    "What the till has for a barcode, where it is no GTIN",
    nullable=True,
    required=False,
)
_BRAND = Column("brand", "str", "Brand", nullable=True)
_CATEGORY = Column("category", "str", "Category", nullable=True)
_SIZE = Column("size", "str", "Size of the pack", nullable=True)
_UNIT = Column("unit", "str", "Unit that the price is for", nullable=True)
_CARRIED = (
    Column("tags", "str", "Tags, separated by commas", nullable=True, required=False),
    Column("manufacturer", "str", "Who makes it", nullable=True, required=False),
    Column("origin", "str", "Country of origin, as the till says it", nullable=True,
           required=False),
)  # fmt: skip
_PACK = (
    Column(
        "pack_count",
        "Int64",
        "Packs in one unit of sale (6 of 6x330ml), read from size or name; null: not certain",
        nullable=True,
        minimum=1,
        required=False,
    ),
    Column(
        "pack_size",
        "str",
        "What is in one pack, an exact decimal in pack_unit, read from size or name",
        nullable=True,
        pattern=DECIMAL,
        required=False,
    ),
    Column(
        "pack_unit",
        "str",
        "Unit of pack_size",
        nullable=True,
        one_of=("g", "ml", "pcs"),
        required=False,
    ),
)
_CURRENCY = Column("currency", "str", "ISO 4217 currency of the prices", pattern="[A-Z]{3}")
_QUANTITY = Column(
    "quantity", "Int64", "Whole units at the outlet; may be negative in a till", nullable=True
)
_STOCK = Column(
    "stock_status", "str", "Stock status in the extract", nullable=True, one_of=STOCK_STATUSES
)
_ACTIVE = Column("active", "bool", "False: the till no longer sells it, sent as out of stock")

TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z"
_WINDOW = (
    Column(
        "promo_from",
        "str",
        "The first moment of the promotion, UTC; null: it has begun",
        nullable=True,
        pattern=TIME,
        required=False,
    ),
    Column(
        "promo_to",
        "str",
        "The first moment at which the promotion holds no more, UTC; null: it has no end",
        nullable=True,
        pattern=TIME,
        required=False,
    ),
)

_FROM = Column(
    "extract_id",
    "str",
    "The extract that `line` is of; after a delta the rows are of several",
    nullable=True,
    required=False,
)

EXTRACT = FrameColumns(
    "extract",
    (
        _SKU,
        _NAME,
        Column("barcode", "str", "Valid GTIN, UPC-12 written as 13 digits", nullable=True),
        Column("barcode_note", "str", "Why a barcode was not taken", nullable=True),
        _INTERNAL,
        _BRAND,
        _CATEGORY,
        _SIZE,
        _UNIT,
        *_CARRIED,
        Column("price_minor", "Int64", "Regular price, minor units", nullable=True, minimum=1),
        Column(
            "promo_price_minor", "Int64", "Promotion price, minor units", nullable=True, minimum=1
        ),
        *_WINDOW,
        _CURRENCY,
        _QUANTITY,
        _STOCK,
        _ACTIVE,
        Column("line", "int64", "Physical line in the extract", minimum=1),
        _FROM,
    ),
)

CATALOG = FrameColumns(
    "catalog",
    (
        _SKU,
        _NAME,
        Column("barcode", "str", "Valid GTIN, UPC-12 written as 13 digits", nullable=True),
        Column("barcode_note", "str", "Why a barcode is not a GTIN", nullable=True),
        _INTERNAL,
        _BRAND,
        _CATEGORY,
        _SIZE,
        _UNIT,
        *_CARRIED,
        Column("price_minor", "int64", "POS price, minor units: promotion if it holds", minimum=1),
        Column(
            "regular_price_minor",
            "Int64",
            "Price without promotion, minor units",
            nullable=True,
            minimum=1,
        ),
        Column(
            "promo_price_minor",
            "Int64",
            "Promotion price, whether it holds now or not, minor units",
            nullable=True,
            minimum=1,
            required=False,
        ),
        *_WINDOW,
        Column(
            "price_note",
            "str",
            "Why there is no price now: the row is out of stock in every feed",
            nullable=True,
            required=False,
        ),
        _CURRENCY,
        _QUANTITY,
        _STOCK,
        _ACTIVE,
        Column(
            "line",
            "int64",
            "Physical line in the extract; 0: not in it, kept from an earlier one",
            minimum=0,
        ),
        *_PACK,
        _FROM,
    ),
)

_CATALOG_LINE = Column("line", "int64", "Physical line in the extract; 0: not in it", minimum=0)

SKU_MAPPING = FrameColumns(
    "sku_mapping",
    (
        _SKU,
        Column(
            "platform_id",
            "str",
            "The platform's own id; null: unmapped",
            nullable=True,
            unique=True,
            pattern=NOT_BLANK,
        ),
        Column("platform_sku", "str", "The SKU that the platform shows", nullable=True),
        _NAME,
        Column(
            "matched_by", "str", "How the id was found; null: unmapped", nullable=True, one_of=WAYS
        ),
        Column("reason", "str", "Why the row is unmapped", nullable=True),
        Column("next_step", "str", "The commands that map the row", nullable=True),
        _CATALOG_LINE,
    ),
)

FEED = FrameColumns(
    "price_feed",
    (
        _SKU,
        Column("platform_id", "str", "The platform's own id", unique=True, pattern=NOT_BLANK),
        Column("platform_sku", "str", "The SKU that the platform shows", nullable=True),
        _NAME,
        Column("barcode", "str", "Valid GTIN", nullable=True),
        Column("pos_price_minor", "int64", "Price the rules started from, minor units", minimum=1),
        Column(
            "price_minor", "int64", "Price that the platform should show, minor units", minimum=0
        ),
        _CURRENCY,
        Column("stock_status", "str", "Stock that the platform should show", one_of=STOCK_STATUSES),
        Column(
            "quantity",
            "Int64",
            "Units to sell, less the buffer; never negative",
            nullable=True,
            minimum=0,
        ),
        Column("rule", "str", "How the price came to be", pattern=NOT_BLANK),
        Column("matched_by", "str", "How the platform id was found", one_of=WAYS),
        Column(
            "details",
            "str",
            "What else the listing says, a JSON object; on platforms that take it with the price",
            required=False,
        ),
        _CATALOG_LINE,
        _FROM,
    ),
)

OFFERS = FrameColumns(
    "offers",
    (
        _SKU,
        _NAME,
        Column("barcode", "str", "Valid GTIN", nullable=True),
        _CATEGORY,
        Column("category_code", "str", "The platform's code of that category", nullable=True),
        Column(
            "details",
            "str",
            "What the offer says besides product, price and stock, as a JSON object; null: the "
            "product is not offered",
            nullable=True,
        ),
        Column("reason", "str", "Why the product is not offered", nullable=True),
        Column("next_step", "str", "What to do about it", nullable=True),
        _CATALOG_LINE,
    ),
)

PLATFORM_CATALOG = FrameColumns(
    "platform_catalog",
    (
        Column("platform_id", "str", "The platform's own id", pattern=NOT_BLANK),
        Column("platform_sku", "str", "The SKU that the platform shows", nullable=True),
        Column("name", "str", "What the platform calls it", nullable=True),
        Column("barcode", "str", "Barcode as the platform has it", nullable=True),
        _BRAND,
        _CATEGORY,
    ),
)

FRAMES = (EXTRACT, CATALOG, OFFERS, SKU_MAPPING, FEED, PLATFORM_CATALOG)


def table_schema(frame: FrameColumns) -> list[tuple[str, str, str, list[str]]]:
    """(name, type, description, constraints) per column, for a column schema in a UI."""
    return [(c.name, c.type, c.description, c.constraints) for c in frame.columns]
