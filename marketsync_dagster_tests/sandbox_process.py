"""The sandbox as a child process, for any test that needs platforms to talk to.

It speaks to the control API with `http.client`, never with the product's own client.
"""

from __future__ import annotations

import atexit
import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

START_S = 20.0
STOP_S = 5.0


class SandboxError(RuntimeError):
    """The sandbox did not start, or refused a control request."""


class SandboxProcess:
    """A sandbox on any free port, in its own process group, that ends with this process.

    Use it as a context manager, or call `start` and `stop`. `options` are more arguments of
    `python -m marketsync_dagster.sandbox`.
    """

    def __init__(self, *options: str, port: int = 0) -> None:
        self._options = options
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    @property
    def pid(self) -> int:
        """The process id of the running sandbox."""
        if self._process is None:
            raise SandboxError("the sandbox is not running")
        return self._process.pid

    @property
    def tracker_url(self) -> str:
        """The base URL of Tracker KE."""
        return f"{self.url}/tracker_ke/api/v1"

    def pasons_url(self, store_id: str) -> str:
        """The base URL of one store of Pasons; its endpoint is `/v1/inventory`."""
        return f"{self.url}/pasons/{store_id}"

    @property
    def mirakl_url(self) -> str:
        """The base URL of the marketplace on Mirakl; OF24 is `/offers` below it."""
        return f"{self.url}/mirakl/api"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it listens."""
        with tempfile.TemporaryDirectory() as folder:
            ready, errors = Path(folder, "ready.json"), Path(folder, "errors.txt")
            command = [sys.executable, "-m", "marketsync_dagster.sandbox"]
            command += ["--port", str(self._port), "--ready-file", str(ready)]
            with errors.open("wb") as stderr:
                self._process = subprocess.Popen(
                    [*command, "--exit-with-parent", *self._options],
                    # the pipe is never written to: its end tells the child that we are gone
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                    start_new_session=True,
                )
            atexit.register(self.stop)
            deadline = time.monotonic() + START_S
            while not ready.exists():
                if self._process.poll() is not None or time.monotonic() > deadline:
                    words = errors.read_text("utf-8", "replace").strip()
                    self.kill()
                    raise SandboxError(f"the sandbox did not start: {words}")
                time.sleep(0.01)
            self.url = json.loads(ready.read_text())["url"]

    def stop(self) -> None:
        """End it in order (it saves its state), and by force if it does not end."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):  # `kill` ends it
                process.wait(STOP_S)
        self.kill()

    def kill(self) -> None:
        """End its whole process group at once, as a crash would."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdin is not None:
            process.stdin.close()
        atexit.unregister(self.stop)

    # --- control

    def control(self, method: str, path: str, document: Any = None) -> Any:
        """One control request; SandboxError with the sandbox's words unless it answers 200."""
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        try:
            body = None if document is None else json.dumps(document)
            connection.request(method, f"/__sandbox__{path}", body)
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise SandboxError(answer.get("error", {}).get("message", str(answer)))
        return answer

    def seed(self, document: dict[str, Any]) -> dict[str, int]:
        """Merge `{tracker_ke: {accounts, products}, pasons: {stores}, mirakl: {shops, products,
        offers, orders}, qikink: {accounts, orders}}`."""
        return self.control("POST", "/seed", document)["seeded"]

    def scenario(
        self,
        kind: str,
        *,
        channel: str | None = None,
        account: str | None = None,
        match: dict[str, Any] | None = None,
        times: int | None = 1,
        **action: Any,
    ) -> int:
        """Let matching requests go wrong; returns the scenario's id."""
        document = {
            "channel": channel,
            "account": account,
            "match": match or {},
            "action": {"kind": kind, **action},
            "times": times,
        }
        return self.control("POST", "/scenarios", document)["id"]

    def scenarios(self) -> list[dict[str, Any]]:
        """All scenarios, with how often each fired."""
        return self.control("GET", "/scenarios")["scenarios"]

    def clear_scenarios(self) -> None:
        """Remove all scenarios, and restore revoked keys."""
        self.control("DELETE", "/scenarios")

    def restore(self, channel: str | None = None, account: str | None = None) -> None:
        """Let revoked keys work again."""
        self.control("POST", "/restore", {"channel": channel, "account": account})

    def requests(self, since: int = 0, *, bodies: bool = False, **filters: str) -> list[Any]:
        """Logged requests after number `since`; filters: channel, account, method, path."""
        query = urlencode({"since": since, "bodies": int(bodies), **filters})
        return self.control("GET", f"/requests?{query}")["requests"]

    def last_request(self) -> int:
        """The number of the last request, for `requests(since=...)`."""
        return self.control("GET", "/health")["last_request"]

    def state(self, channel: str | None = None, account: str | None = None) -> dict[str, Any]:
        """What each account shows; with both arguments, the items of that one account."""
        asked = {"channel": channel, "account": account}
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        answer = self.control("GET", f"/state?{query}")
        if channel is not None and account is not None:
            return answer.get(channel, {}).get(account, {})
        return answer

    def history(self, since: int = -1, **filters: str) -> list[dict[str, Any]]:
        """Applied writes in order; filters: channel, account, item."""
        return self.control("GET", f"/history?{urlencode({'since': since, **filters})}")["writes"]

    def catalog(self) -> list[dict[str, Any]]:
        """Tracker KE's products as they are now."""
        return self.control("GET", "/catalog")["products"]

    def mirakl(self, what: str, **filters: str | int) -> Any:
        """`shops`, `offers` (shop -> SKU -> fields), `imports` (in order) or `calls` (shop -> call
        -> count) of Mirakl; filters: shop_id, for imports kind."""
        return self.control("GET", f"/mirakl/{what}?{urlencode(filters)}")[what]

    def change_offers(self, *changes: dict[str, Any]) -> int:
        """Change offers on Mirakl as somebody else would: `{shop_id, shop_sku, price?, quantity?,
        delete?, ...}` with any field of OF24; a new offer with `product_sku` and `price`."""
        return self.control("POST", "/mirakl/offers", {"changes": list(changes)})["changed"]

    def qikink(self, what: str, **filters: str) -> Any:
        """`orders` (a list), `accounts` (client id -> counters) or `products` (client id -> SKU
        -> product) of Qikink; filter: client_id."""
        place = "products" if what == "products" else "orders"
        return self.control("GET", f"/qikink/{place}?{urlencode(filters)}")[what]

    def change_qikink(self, order: str | int, **changes: str) -> dict[str, Any]:
        """Change an order at Qikink (its id, or our number) as a person or courier would: status,
        awb, courier, tracking_link, estimated_delivery, location; returns it."""
        return self.control("POST", f"/qikink/orders/{order}", changes)["order"]

    def mirakl_orders(self, **filters: Any) -> dict[str, Any]:
        """Orders on Mirakl by id, whole; filters: shop_id, order_id, state."""
        return self.control("GET", f"/mirakl/orders?{urlencode(filters, doseq=True)}")["orders"]

    def mirakl_order_totals(self, **filters: Any) -> dict[str, Any]:
        """`{orders, states: {state: count}, calls: {call: {asked, effect, most}}}`."""
        query = urlencode({"brief": 1, **filters}, doseq=True)
        return self.control("GET", f"/mirakl/orders?{query}")["totals"]

    def add_orders(self, *orders: dict[str, Any]) -> list[str]:
        """New orders on Mirakl, now, in the form of a seed; their ids."""
        return self.control("POST", "/mirakl/orders", {"orders": list(orders)})["order_ids"]

    def generate_orders(self, shop_id: int, count: int, **more: Any) -> dict[str, Any]:
        """Many plausible orders; `{generated, first, last}`."""
        document = {"shop_id": shop_id, "count": count, **more}
        return self.control("POST", "/mirakl/orders/generate", document)

    def change_order(self, order_id: str, **changes: Any) -> dict[str, Any]:
        """Change an order on Mirakl as its customer or the operator would; the order."""
        return self.control("POST", f"/mirakl/orders/{order_id}", changes)

    def clock(self, offset_s: float | None = None) -> float:
        """The sandbox's time; with `offset_s`, moved by that much against the real one."""
        if offset_s is not None:
            return self.control("POST", "/clock", {"offset_s": offset_s})["now"]
        return self.control("GET", "/clock")["now"]

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Change `delay_ms`, `quota`, `keep_bodies`, `retry_after` or `seed`; returns all."""
        return self.control("POST", "/settings", changes)

    def reset(self, keep_seed: bool = False) -> None:
        """Forget everything that happened; with `keep_seed`, not the accounts and products."""
        self.control("POST", "/reset", {"keep_seed": keep_seed})
