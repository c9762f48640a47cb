"""Real child processes that start together, for races and kills."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]
_WAIT = "import sys; print('ready', flush=True); sys.stdin.readline()\n"


@dataclass(frozen=True)
class Result:
    """How one child ended."""

    code: int
    out: str
    err: str


def start(setup: str, work: str, *args: str) -> subprocess.Popen[str]:
    """A child that has run `setup` and waits for a line on its stdin to run `work`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", dedent(setup) + "\n" + _WAIT + dedent(work), *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def wait_ready(child: subprocess.Popen[str]) -> None:
    """Block until the child has run its setup."""
    assert child.stdout is not None
    line = child.stdout.readline()
    if line != "ready\n":
        child.kill()
        raise AssertionError(child.communicate()[1])


def go(child: subprocess.Popen[str]) -> None:
    """Let a waiting child work."""
    assert child.stdin is not None
    child.stdin.write("go\n")
    child.stdin.flush()


def race(count: int, setup: str, work: str, *args: str) -> list[Result]:
    """`count` children do `work` at the same time; `setup` is done before. All must end."""
    children = [start(setup, work, *args, str(number)) for number in range(count)]
    for child in children:
        wait_ready(child)
    for child in children:
        go(child)
    results = []
    for child in children:
        out, err = child.communicate(timeout=60)
        results.append(Result(child.returncode, out, err))
    return results


def values(results: list[Result]) -> list[str]:
    """What each child printed; fails with the words of one that did not end well."""
    for result in results:
        assert result.code == 0, result.err
    return [result.out.strip() for result in results]
