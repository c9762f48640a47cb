"""Where our code ends and Dagster's begins: no exception carries a secret across.

Dagster stores the text of an exception, and of all that were behind it, in its event log. So every
op, asset, check, sensor and schedule is decorated with `guarded`.
"""

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import dagster as dg

from marketsync_dagster.values.disarm import disarmed
from marketsync_dagster.values.errors import MarketSyncError
from marketsync_dagster.values.redact import traceback_of

P = ParamSpec("P")
R = TypeVar("R")

OURS = (dg.Failure, dg.RetryRequested, dg.DagsterError)
"""What Dagster understands, and what it says itself: kept, with nothing behind it."""

log = logging.getLogger(__name__)


def guarded(work: Callable[P, R]) -> Callable[P, R]:
    """`work` whose exceptions leave it without foreign words; to stand below Dagster's decorator.

    What was unexpected is logged first, with its whole traceback, scrubbed.
    """
    if inspect.isgeneratorfunction(work):

        @functools.wraps(work)
        def step(*args: P.args, **kwargs: P.kwargs) -> Any:
            try:
                return (yield from work(*args, **kwargs))
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001 - raised again below
                failure = _leaving(error)
            raise failure  # out here, so that nothing becomes its context

        return cast("Callable[P, R]", step)

    @functools.wraps(work)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return work(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - raised again below
            failure = _leaving(error)
        raise failure

    return call


def _leaving(error: BaseException) -> BaseException:
    if isinstance(error, Exception) and not isinstance(error, (MarketSyncError, *OURS)):
        log.error("a defect of MarketSync:\n%s", traceback_of(error))
    return disarmed(error, OURS)
