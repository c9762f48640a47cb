"""A chain of outlets that share a source, without channels; `Chain.read` is one run of the stages
that read it."""

from __future__ import annotations

import gzip
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import select

from marketsync_dagster.config.load import load_settings
from marketsync_dagster.ledger import tables as t
from marketsync_dagster.stages.catalog import CATALOG_KEY, build_catalogs
from marketsync_dagster.stages.extract import EXTRACT_KEY, REJECTS_KEY, extract_outlets
from marketsync_dagster.stages.project import Project, StageResult, open_project
from marketsync_dagster_tests.ledgers import copy_tables

PRICES = "Code,Item,Price,Qty"
BY_ROW = f"Branch,{PRICES}"
KEYS = {"lipa": ["001"], "brijest": ["002"], "hrast": ["003", "3"]}


def table(*rows: str, header: str = PRICES) -> bytes:
    """A CSV file."""
    return ("\n".join([header, *rows]) + "\n").encode()


def zipped(members: Mapping[str, bytes]) -> bytes:
    """A ZIP whose bytes depend on its members alone."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content)
    return packed.getvalue()


def prices_xml(items: Mapping[str, str], *, count: int | None = None, store: str = "001") -> bytes:
    """A document of the preset il_prices: SKU -> price."""
    rows = "".join(
        f"<Item><ItemCode>{sku}</ItemCode><ItemType>0</ItemType><ItemName>Thing {sku}</ItemName>"
        f"<bIsWeighted>0</bIsWeighted><ItemPrice>{price}</ItemPrice></Item>"
        for sku, price in items.items()
    )
    said = len(items) if count is None else count
    head = f"<ChainId>7299999999993</ChainId><StoreId>{store}</StoreId>"
    return f'<Root>{head}<Items Count="{said}">{rows}</Items></Root>'.encode()


def packed(content: bytes) -> bytes:
    """As gzip, always the same."""
    return gzip.compress(content, mtime=0)


class Chain:
    """A project of some outlets of one shared directory; `source` is merged into its section."""

    def __init__(
        self, folder: Path, keys: Mapping[str, Sequence[str]] = KEYS, **source: Any
    ) -> None:
        self.folder = folder
        self.outlets = list(keys)
        self.moment = 1.76e9
        said = {"kind": "directory", "path": "feed", "settle_s": 0, **source}
        self.document: dict[str, Any] = {
            "version": 1,
            "defaults": {"currency": "EUR", "timezone": "UTC"},
            "sources": {"chain": said},
            "outlets": {
                name: {"name": name.title(), "extract": {"source": "chain", "keys": list(own)}}
                for name, own in keys.items()
            },
        }
        (folder / "feed").mkdir()
        self.opened: list[Project] = []

    def put(self, name: str, content: bytes) -> Path:
        """Something new in the directory, a minute after the last."""
        path = self.folder / "feed" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.moment += 60
        os.utime(path, (self.moment, self.moment))
        return path

    def remove(self, name: str) -> None:
        """Taken away."""
        (self.folder / "feed" / name).unlink()

    def project(self) -> Project:
        """The project, for one run."""
        (self.folder / "marketsync.yaml").write_text(yaml.safe_dump(self.document))
        settings = load_settings(self.folder / "marketsync.yaml")
        self.opened.append(open_project(settings=settings, user="ada"))
        return self.opened[-1]

    def read_all(self) -> dict[str, StageResult]:
        """One run in which something may go wrong."""
        project = self.project()
        results = extract_outlets(project, self.outlets)
        build_catalogs(project, [result.outlet for result in results if result.ok])
        return {result.outlet: result for result in results}

    def good(self, *outlets: str) -> dict[str, StageResult]:
        """One run in which all goes well."""
        project = self.project()
        chosen = list(outlets or self.outlets)
        results = extract_outlets(project, chosen)
        for result in [*results, *build_catalogs(project, chosen)]:
            assert result.ok, result
        return {result.outlet: result for result in results}

    def prices(self, outlet: str | None = None) -> dict[str, int]:
        """SKU -> price of the catalog, the promotion's where there is one."""
        frame = self.opened[-1].frames.read(CATALOG_KEY, outlet or self.outlets[0])
        promo = frame["promo_price_minor"]
        price = promo.fillna(frame["price_minor"]).astype(int)
        return dict(zip(frame["sku"], price, strict=True))

    def stamps(self, outlet: str) -> list[Any]:
        """What is kept of an outlet: fingerprints of its frames."""
        found = [
            self.opened[-1].frames.stamp(key, outlet)
            for key in (EXTRACT_KEY, REJECTS_KEY, CATALOG_KEY)
        ]
        return [stamp and stamp.fingerprint for stamp in found]

    def rows(self, table_name: str, *order: str) -> list[dict[str, Any]]:
        """A table of the ledger."""
        of = t.metadata.tables[table_name]
        with self.opened[-1].ledger.read() as connection:
            query = select(of).order_by(*(of.c[name] for name in order))
            return [dict(row) for row in connection.execute(query).mappings()]

    def states(self, outlet: str | None = None) -> dict[str, str]:
        """File's own name -> state, of what the outlet's extracts were."""
        found = self.rows("extract", "read_at", "id")
        mine = [row for row in found if row["outlet"] == (outlet or self.outlets[0])]
        return {row["file"].rpartition("/")[2]: row["state"] for row in mine}

    def details(self, table_name: str) -> list[dict[str, Any]]:
        """The details of every row."""
        return [json.loads(row["details"]) for row in self.rows(table_name, "id")]

    def archived(self) -> list[str]:
        """The names of all originals that are kept."""
        return sorted(path.name for path in self.opened[-1].archive.glob("??/*"))


@contextmanager
def made(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Callable[..., Chain]]:
    """Makes chains in a folder of their own, and closes what they open."""
    copy_tables(patch)
    patch.setenv("MARKETSYNC_HOME", str(folder / ".marketsync"))
    patch.delenv("MARKETSYNC_DATABASE_URL", raising=False)
    chains: list[Chain] = []

    def make(**source: Any) -> Chain:
        chains.append(Chain(folder, **source))
        return chains[-1]

    yield make
    for chain in chains:
        for project in chain.opened:
            project.ledger.close()


def counting(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[int]:
    """How often `owner.name` is called from now on: the length of the list."""
    calls: list[int] = []
    original: Callable[..., Any] = getattr(owner, name)

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, counted)
    return calls
