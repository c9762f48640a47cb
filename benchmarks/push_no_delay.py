"""The same push against a server that answers at once: what a push costs beside the waiting.

The server (`benchmarks.noop`) has a process of its own and says for each batch that all of it was
accepted, by counts. Nothing is tied to a core: on two of them the server shares with both sides.
"""

from __future__ import annotations

from typing import Any

from benchmarks.figures import Figure
from benchmarks.noop import noop_server, requests_per_second
from benchmarks.push import BATCH, CONNECTIONS, MEASURED, PLATFORM, ROWS, SENT, figure, pairs
from benchmarks.world import world

GOAL = 3.0
ACCEPTED = b'{"received":%d,"accepted":%d,"rejected":0,"results":[]}' % (BATCH, BATCH)
RESPONSE = {"results": "failures_only", "counts": {}, "if_absent": "unknown"}
"""How the account reads that: a batch counts as applied because the counts add up."""
ROW = b'{"sku":"012345","selling_price":1234.56,"stock_status":1}'


def measure(runs: int) -> list[Figure]:
    """`runs` pairs against the server that does nothing."""
    with noop_server(ACCEPTED) as url:
        payload = b"[" + b",".join([ROW] * BATCH) + b"]"
        able = requests_per_second(url, [payload] * 4_000, CONNECTIONS)
        account = {"base_url": url, "response": RESPONSE}
        sizes: dict[str, Any] = {"skus": ROWS, "concurrency": CONNECTIONS}
        with world(platforms=[PLATFORM], pasons=account, **sizes) as made:
            raw = pairs(made, runs)
    made_figure = figure(
        "push_no_delay",
        f"{SENT}, a server that reads and answers at once: {MEASURED}",
        raw | {"server_requests_per_s": [able]},
        GOAL,
    )
    made_figure.notes.insert(
        0,
        f"the server answers {able:,.0f} requests/s with such bodies when bare sockets ask "
        "(from one Python process, which takes part of that)",
    )
    return [made_figure]
