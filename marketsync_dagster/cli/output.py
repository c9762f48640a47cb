"""How commands speak: results on stdout, everything else on stderr, secrets nowhere.

With `--json` a command prints one JSON document on stdout and nothing else there.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from marketsync_dagster.values.cells import UNSEEN
from marketsync_dagster.values.redact import scrub
from marketsync_dagster.values.words import counted

DONE, ERROR, CHANGES, HELD, FINISHED_WITH_FAULTS, USAGE, INTERRUPTED = 0, 1, 2, 3, 4, 64, 130
"""The exit codes of every command (DESIGN 9); 130 after Ctrl-C, as shells expect."""

_PATIENCE_S = 1.5
_WIDE = 100_000  # a pipe has no width; nothing is wrapped or cut for it
_PLURALS = ("rows", "duplicates", "listings", "tasks", "calls")
_FREE_WIDTH = 20
_LINE = 100


def clean(value: object) -> str:
    """A value as a line may show it: no secret, no control character that moves the cursor."""
    text = "" if value is None else str(value)
    return UNSEEN.sub(_spelled, scrub(text))


def _spelled(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


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
    # what json does not escape by itself, and a terminal would obey
    text = UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", scrub(text))
    print(text, file=sys.stdout)


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    title: str = "",
    right: Sequence[str] = (),
    free: Sequence[str] = (),
) -> None:
    """A table on stdout; columns named in `right` are figures, those in `free` are free text.

    Only free text is folded, and only on a terminal: an id, a time or a command that is broken
    over two lines cannot be copied. A table that is too wide goes beyond the edge.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(
        title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD
    )
    for name in columns:
        folds, widest = name in free, _widest(name, columns, rows)
        drawn.add_column(
            name,
            justify="right" if name in right else "left",
            overflow="fold" if folds else "crop",
            no_wrap=not folds,
            min_width=min(_FREE_WIDTH, widest) if folds else widest,
        )
    for row in rows:
        # Text, not markup: a product may be called [bold]
        drawn.add_row(*(Text(clean(value)) for value in row))
    if sys.stdout.isatty():
        console = Console(file=sys.stdout, highlight=False)
        unbound = console.options.update(width=_WIDE)
        console.width = max(console.width, console.measure(drawn, options=unbound).minimum)
        console.print(drawn)
        return
    console = Console(file=io.StringIO(), width=_WIDE, highlight=False)
    with console.capture() as captured:
        console.print(drawn)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    print(*(line for line in lines if line), sep="\n", file=sys.stdout)


def _widest(name: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> int:
    """The columns of the screen that the widest cell takes, the header among them."""
    from rich.cells import cell_len

    at = list(columns).index(name)
    return max(cell_len(clean(text)) for text in (name, *(row[at] for row in rows)))


def wrapped(text: str, indent: str = "") -> list[str]:
    """`text` as lines that fit the terminal, later ones indented; whole where there is none."""
    if not sys.stdout.isatty():
        return [text]
    width = min(shutil.get_terminal_size().columns, _LINE)
    return textwrap.wrap(
        text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def say_some(lines: Sequence[str], most: int = 20) -> None:
    """Sentences as `wrapped` ones, the first `most`, and how many more there are."""
    for line in lines[:most]:
        say(*wrapped(line, "  "))
    if len(lines) > most:
        note(f"and {len(lines) - most:,} more; --json has all of them")


def figures(numbers: Mapping[str, Any], names: Sequence[str]) -> str:
    """`12 applied, 1 call` of those `names` that are not zero."""
    return ", ".join(
        counted(numbers[name], name.removesuffix("s"))
        if name in _PLURALS
        # what happened to the rows, which has no plural
        else f"{numbers[name]:,} {name}"
        for name in names
        if numbers.get(name)
    )


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
