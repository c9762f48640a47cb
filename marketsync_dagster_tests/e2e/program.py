"""Dagster's webserver or daemon as it is, but for two things that tests need.

It ends, with all that it started, when whoever started it is gone: its standard input tells. And
the daemon looks for backfills more often: it has no setting for that, looks every 30 s, and a
backfill needs two looks, one to be started and one to be closed.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

INTERVAL_S = 2


def _end_with_our_parent() -> None:
    while os.read(0, 1):  # not through a buffer, whose lock would be held at our own end
        pass
    os.killpg(os.getpid(), signal.SIGKILL)  # we lead our group


def _main(program: str) -> None:
    threading.Thread(target=_end_with_our_parent, daemon=True).start()
    if program == "webserver":
        from dagster_webserver.cli import main

        main()
    from dagster._daemon import controller
    from dagster._daemon.cli import main

    assert controller.DEFAULT_DAEMON_INTERVAL_SECONDS > INTERVAL_S, "nothing to shorten any more"
    controller.DEFAULT_DAEMON_INTERVAL_SECONDS = INTERVAL_S
    main()


if __name__ == "__main__":
    _main(sys.argv.pop(1))
