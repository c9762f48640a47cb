"""The command line in a process that dies at a point: `python -m ... POINT WORDS...`.

`between_plan_and_push` is where the op `<platform>_push` has begun and nothing is sent; the other
points are those of `push.sender`.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

BETWEEN = "between_plan_and_push"


def _main(point: str, words: list[str]) -> int:
    from marketsync_dagster.cli.main import main
    from marketsync_dagster.stages import listings

    push_plans = listings.push_plans

    def observe(passed: str) -> None:
        if passed == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def watched(*args: Any, **more: Any) -> Any:
        observe(BETWEEN)
        return push_plans(*args, **more, observe=observe)

    listings.push_plans = watched
    return main(words)


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1], sys.argv[2:]))
