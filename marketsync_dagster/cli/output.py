"""How commands speak: results on stdout, everything else on stderr, secrets nowhere.

With `--json` a command prints one JSON document on stdout and nothing else there.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from marketsync_dagster.values.redact import scrub

DONE, ERROR, CHANGES, HELD, FINISHED_WITH_FAULTS, USAGE, INTERRUPTED = 0, 1, 2, 3, 4, 64, 130
"""The exit codes of every command (DESIGN 9); 130 after Ctrl-C, as shells expect."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_PATIENCE_S = 1.5
_WIDE = 400  # a pipe has no width; tables must not be cut for it


def clean(value: object) -> str:
    """A value as a line may show it: no secret, no control character that moves the cursor."""
    text = "" if value is None else str(value)
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", scrub(text))


def say(*lines: str) -> None:
    """Lines of a result, on stdout."""
    for line in lines:
        print(clean(line), file=sys.stdout)


def note(*lines: str) -> None:
    """Progress, hints and warnings, on stderr."""
    for line in lines:
        print(clean(line), file=sys.stderr, flush=True)


def print_json(data: object) -> None:
    """One JSON document on stdout: UTF-8, in the order in which it was made."""
    text = json.dumps(data, ensure_ascii=False, indent=2, default=str, allow_nan=False)
    print(scrub(text), file=sys.stdout)


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    title: str = "",
    right: Sequence[str] = (),
) -> None:
    """A table on stdout; columns named in `right` are figures."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(
        title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD
    )
    for name in columns:
        drawn.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        # Text, not markup: a product may be called [bold]
        drawn.add_row(*(Text(clean(value)) for value in row))
    if sys.stdout.isatty():
        Console(file=sys.stdout, highlight=False).print(drawn)
        return
    console = Console(file=io.StringIO(), width=_WIDE, highlight=False)
    with console.capture() as captured:
        console.print(drawn)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    print(*(line for line in lines if line), sep="\n", file=sys.stdout)


def figures(numbers: Mapping[str, Any], names: Sequence[str]) -> str:
    """`12 applied, 1 refused` of those `names` that are not zero."""
    return ", ".join(f"{numbers[name]:,} {name}" for name in names if numbers.get(name))


@contextlib.contextmanager
def progress(text: str, *, silent: bool = False) -> Iterator[Callable[[str], None]]:
    """A line on stderr that says what is going on; yields the function that changes it.

    On a terminal a spinner with the seconds; elsewhere a line now and then, once it takes long.
    """
    if silent:
        yield lambda _: None
        return
    if not sys.stderr.isatty():
        last = time.monotonic()

        def line(words: str) -> None:
            nonlocal last
            if time.monotonic() - last >= _PATIENCE_S:
                note(words)
                last = time.monotonic()

        yield line
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(escape(clean(text)))
        yield lambda words: bar.update(task, description=escape(clean(words)))
