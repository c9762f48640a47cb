"""A platform that repeats what it was sent finds none of it in anything that leaves an adapter, a
run or the ledger: results, errors, logs."""

from __future__ import annotations

import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from marketsync_dagster.platforms.base import Adapter, ImportKind, PlatformError
from marketsync_dagster_tests.conformance.projects import make_bed
from marketsync_dagster_tests.conformance.reasons import ANSWERS
from marketsync_dagster_tests.conformance.stand import Stand, attempt, forms
from marketsync_dagster_tests.conformance.suite import behaviour
from marketsync_dagster_tests.platforms.support import outcomes

GROUP = "Secrets"


async def everything(adapter: Adapter, stand: Stand) -> str:
    """The text of all that an adapter says about calls that fail."""
    items = stand.bench.items(2)
    said: list[Any] = [
        await attempt(adapter, items),
        await attempt(adapter, items[:1], single=True),
    ]
    said += [await adapter.send_products([stand.bench.product(1)]), await adapter.test_connection()]
    for kind in ImportKind if adapter.capabilities.async_import else ():
        said.append(await adapter.submit(kind, items))
        said.append(await adapter.import_status(kind, ["1"], "2026-11-20T06:00:00.000Z"))
        said.append(await adapter.import_report(kind, "1", ["a"]))
    said += [adapter, adapter.capabilities]
    barcodes = stand.bench.barcodes(stand.bench.ids(1))
    said += await _read(lambda: _all(adapter.read_catalog(barcodes=barcodes)))
    said += await _read(lambda: _all(adapter.list_shown()))
    said += await _read(lambda: adapter.read_prices(["p1"]))
    return repr(said) + "".join(map(str, said))


async def _all(pages: AsyncIterator[Any]) -> list[Any]:
    return [page async for page in pages]


async def _read(call: Callable[[], Awaitable[list[Any]]]) -> list[Any]:
    """What a reading says, or everything about the error that it ends in."""
    try:
        return await call()  # a 404 may be a word about one product
    except PlatformError as error:
        # Dagster stores the context of an exception too
        said = [error, error.__context__, error.__cause__, error.calls, vars(error)]
        return [*said, traceback.format_exception(error)]


@behaviour(GROUP, "the search finds a secret that is there, in every form")
def test_search(stand: Stand) -> None:
    assert stand.leaks("nothing") == []
    for secret in stand.bench.secrets.values():
        for form in forms(secret):
            assert stand.leaks(f"x{form}y") != []


@behaviour(GROUP, "an error that repeats the request is masked, whatever its status")
def test_echo(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    stand.seed(2)
    for status in (400, 401, 404, 500, 503):
        stand.sandbox.scenario("echo_secret", status=status, times=None)
        with caplog.at_level(logging.DEBUG):
            text = stand.work(lambda adapter: everything(adapter, stand))
        assert stand.leaks(text) == []
        assert stand.leaks(caplog.text) == []
        assert "***" in text  # the echo did arrive
        stand.sandbox.clear_scenarios()


@behaviour(GROUP, "no part of a secret survives where a message is cut")
def test_cut(stand: Stand) -> None:
    items = stand.seed(2)
    for secret in stand.bench.secrets.values():
        for padding in (0, 480, 490, 495, 499):
            body = "." * padding + secret + "." * 100
            stand.sandbox.scenario("status", status=500, body=body)
            assert set(stand.send(items).call.error) <= set(".*")


@behaviour(GROUP, "words about one item are masked", ANSWERS)
def test_items(stand: Stand) -> None:
    items = stand.seed(2)
    for secret in stand.bench.secrets.values():
        error: Any = f"not allowed for {secret}"
        if isinstance(stand.bench.lasting, dict):
            error = dict.fromkeys(stand.bench.lasting, error)
        stand.sandbox.scenario("item_error", position=0, error=error)
        answer = stand.send(items)
        assert outcomes(answer, 2) == ["refused", "applied"]
        assert answer.results[0].message == "not allowed for ***"
        assert stand.leaks(repr(answer)) == []


@behaviour(GROUP, "nothing of them is in results, logs, plans, frames or the ledger of a run")
def test_run(stand: Stand, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bed = make_bed(stand, tmp_path)
    results: list[Any] = []
    with caplog.at_level(logging.DEBUG):
        for kind in ("echo_secret", "revoke_key", ""):
            if kind:
                stand.sandbox.scenario(kind, times=None)
            results.append(bed.sync(stand.bench.platform))
            stand.sandbox.clear_scenarios()
    assert results[-1].one.ok
    ledger = bed.everything()
    assert "***" in ledger  # the echo did arrive
    assert stand.leaks(ledger) == []
    assert stand.leaks(repr(results)) == []
    assert stand.leaks(caplog.text) == []
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {".db", ".parquet"} <= {path.suffix for path in kept}
    for path in kept:
        content = path.read_bytes()
        assert not any(secret.encode() in content for secret in stand.bench.secrets.values()), path
