"""What adapters answer for what their platform has not: `unsupported`, and no call is made.

Each class is one ability that is missing; an adapter inherits those that its platform lacks and
says `platform_name`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import ClassVar

from marketsync_dagster.platforms import answers
from marketsync_dagster.platforms.base import (
    NOT_CALLED,
    Answer,
    Call,
    CatalogPage,
    ImportKind,
    Pace,
    PlatformError,
    PriceItem,
    ProductItem,
    ReportAnswer,
    ShownPage,
    ShownPrice,
    StatusAnswer,
)
from marketsync_dagster.values.outcomes import Outcome


class _Named:
    platform_name: ClassVar[str]
    """As a person knows it."""


class NoImports(_Named):
    """Of platforms that answer at once: there is nothing to ask for later."""

    def import_batches(self, kind: ImportKind, items: Sequence[PriceItem]) -> list[tuple[int, int]]:
        """One range: `submit` is not supported and makes no call."""
        return [(0, len(items))] if items else []

    async def submit(self, kind: ImportKind, items: Sequence[PriceItem]) -> Answer:
        """Unsupported, nothing is sent."""
        return answers.uncalled(
            "POST", "", outcome=Outcome.UNSUPPORTED, message=self._answers_at_once()
        )

    async def import_status(
        self, kind: ImportKind, import_ids: Sequence[str], since: str
    ) -> StatusAnswer:
        """Unsupported, nothing is asked."""
        return StatusAnswer(
            Call("GET", "", None, 0, error=NOT_CALLED),
            outcome=Outcome.UNSUPPORTED,
            message=self._answers_at_once(),
        )

    async def import_report(
        self, kind: ImportKind, import_id: str, platform_skus: Sequence[str]
    ) -> ReportAnswer:
        """Unsupported, nothing is asked."""
        return ReportAnswer(
            Call("GET", "", None, 0, error=NOT_CALLED),
            outcome=Outcome.UNSUPPORTED,
            message=self._answers_at_once(),
        )

    def _answers_at_once(self) -> str:
        return f"{self.platform_name} answers at once: it has no imports"


class NoList(_Named):
    """Of platforms that cannot list what they show of ours."""

    def list_shown(self, *, pace: Pace | None = None) -> AsyncIterator[ShownPage]:
        """PlatformError, unsupported."""
        raise PlatformError(
            f"{self.platform_name} cannot list what it shows of ours",
            outcome=Outcome.UNSUPPORTED,
        )


class NoProducts(_Named):
    """Of platforms that take no products."""

    def product_batches(self, items: Sequence[ProductItem]) -> list[tuple[int, int]]:
        """One range: `send_products` is not supported and makes no call."""
        return [(0, len(items))] if items else []

    async def send_products(self, items: Sequence[ProductItem]) -> Answer:
        """Unsupported, nothing is sent."""
        return answers.uncalled(
            "POST",
            "",
            outcome=Outcome.UNSUPPORTED,
            message=f"{self.platform_name} takes prices and stock only",
        )


class NoCatalog(_Named):
    """Of platforms without a catalogue that can be read."""

    def read_catalog(
        self,
        search: str | None = None,
        *,
        pace: Pace | None = None,
        barcodes: Sequence[str] = (),
    ) -> AsyncIterator[CatalogPage]:
        """PlatformError, unsupported."""
        raise PlatformError(
            f"{self.platform_name} has no catalogue that can be read",
            "map its SKUs in the mapping file, or with mapping.identity",
            outcome=Outcome.UNSUPPORTED,
        )


class NoPrices(_Named):
    """Of platforms that do not tell what they show for a product."""

    async def read_prices(
        self, platform_ids: Sequence[str], *, pace: Pace | None = None
    ) -> list[ShownPrice]:
        """PlatformError, unsupported."""
        raise PlatformError(
            f"{self.platform_name} does not tell which prices it shows",
            "look at the shop itself",
            outcome=Outcome.UNSUPPORTED,
        )
