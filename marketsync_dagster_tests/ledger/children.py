"""Real child processes that start together, for races and kills.

They are forked from the server of `faults.kills`, which has loaded everything and opened nothing:
a child costs a fraction of a second. `start_alone` makes one that is this process's own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from textwrap import dedent
from typing import IO, Any

from marketsync_dagster_tests.faults import kills

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
_WAIT = "import sys; print('ready', flush=True); sys.stdin.readline()\n"


@dataclass(frozen=True)
class Result:
    """How one child ended."""

    code: int
    out: str
    err: str


@dataclass
class Child:
    """A running child: what it is told and what it says. It says little: pipes hold it all."""

    process: BaseProcess
    stdin: IO[str]
    stdout: IO[str]
    stderr: IO[str]

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def wait_ready(self) -> None:
        """Block until the child has run its setup."""
        if self.stdout.readline() != "ready\n":
            raise AssertionError(self.ended().err)

    def go(self) -> None:
        """Let a waiting child work; later, let it read another line."""
        self.stdin.write("go\n")
        self.stdin.flush()

    def ended(self) -> Result:
        """Wait for the end; AssertionError if there is none."""
        with ExitStack() as pipes:
            pipes.enter_context(self.stdout)
            pipes.enter_context(self.stderr)
            self.stdin.close()
            self.process.join(PATIENCE_S)
            code = self.process.exitcode
            if code is None:
                self.process.kill()
                self.process.join()
                raise AssertionError(f"a child went on for more than {PATIENCE_S:.0f} s")
            return Result(code, self.stdout.read(), self.stderr.read())


def start(setup: str, work: str, *args: str) -> Child:
    """A child that has run `setup` and waits for a line on its stdin to run `work`."""
    context = kills.context()
    read, given = context.Pipe(duplex=False)
    out, said = context.Pipe(duplex=False)
    err, complained = context.Pipe(duplex=False)
    theirs = (read, said, complained)
    process = context.Process(
        target=_run, args=(_program(setup, work), args, dict(os.environ), theirs), daemon=True
    )
    process.start()
    for end in theirs:
        end.close()
    return Child(process, _text(given, "w"), _text(out, "r"), _text(err, "r"))


def start_alone(setup: str, work: str, *args: str) -> subprocess.Popen[str]:
    """The same in a child that nobody else waits for when it is dead."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", _program(setup, work), *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


def _program(setup: str, work: str) -> str:
    return dedent(setup) + "\n" + _WAIT + dedent(work)


def _text(end: Any, mode: str) -> IO[str]:
    """The end of a pipe as a file of its own."""
    with end:
        return os.fdopen(os.dup(end.fileno()), mode)


def _run(
    program: str, args: Sequence[str], environment: Mapping[str, str], pipes: Sequence[Connection]
) -> None:
    """In the child: as `python -c PROGRAM ARGS...` would run it."""
    for number, end in enumerate(pipes):
        os.dup2(end.fileno(), number)
        end.close()
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(n, mode) for n, mode in enumerate("rww"))
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["-c", *args]
    exec(program, {"__name__": "__main__"})


def race(count: int, setup: str, work: str, *args: str) -> list[Result]:
    """`count` children do `work` at the same time; `setup` is done before. All must end."""
    children = [start(setup, work, *args, str(number)) for number in range(count)]
    for child in children:
        child.wait_ready()
    for child in children:
        child.go()
    return [child.ended() for child in children]


def values(results: list[Result]) -> list[str]:
    """What each child printed; fails with the words of one that did not end well."""
    for result in results:
        assert result.code == 0, result.err
    return [result.out.strip() for result in results]
