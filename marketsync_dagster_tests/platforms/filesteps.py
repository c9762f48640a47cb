"""Real children that are killed before the n-th thing that they do to files.

Each operation that changes or syncs the disk counts; after each of them somebody else may act, as a
till that takes files away at once does.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_PLACES: tuple[tuple[Any, str], ...] = (
    (os, "open"),
    (os, "fsync"),
    (os, "rmdir"),
    (Path, "mkdir"),
    (Path, "rename"),
    (Path, "unlink"),
)
_MOST = 400


def killed_everywhere(
    work: Callable[[], object], meanwhile: Callable[[], object] = lambda: None
) -> Iterator[int]:
    """Run `work` in a child that SIGKILL ends before its first operation, then in one that gets to
    its second, and so on; yields after each kill how many there were. Whoever iterates makes
    everything as it was before."""
    for steps in range(_MOST):
        child = os.fork()
        if child == 0:
            try:
                _die_after(steps, meanwhile)
                work()
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            return
        assert os.WTERMSIG(status) == signal.SIGKILL
        yield steps
    raise AssertionError(f"the work has more than {_MOST} steps")


def _die_after(steps: int, meanwhile: Callable[[], object]) -> None:
    left = [steps]
    real = {(of, name): getattr(of, name) for of, name in _PLACES}

    def counted(operation: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **kwargs: Any) -> Any:
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            try:
                return operation(*args, **kwargs)
            finally:
                for (of, name), plain in real.items():
                    setattr(of, name, plain)
                meanwhile()
                put_in_place()

        return step

    wrapped = {place: counted(operation) for place, operation in real.items()}

    def put_in_place() -> None:
        for (of, name), operation in wrapped.items():
            setattr(of, name, operation)

    put_in_place()
