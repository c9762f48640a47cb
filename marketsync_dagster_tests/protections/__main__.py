"""`python -m marketsync_dagster_tests.protections [NAME...] [--list]`.

Takes each protection away, in a copy of the checkout, and runs the tests that guard it: they must
fail, and pass while it is there. Prints a table; exit code 1 if one stays green.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from marketsync_dagster_tests.protections.removal import Copy, Protection, protections


def chosen(names: Sequence[str]) -> list[Protection]:
    """The protections with one of these words in name or subject; all without any."""
    found = [
        one
        for one in protections()
        if not names or any(word in f"{one.subject}: {one.name}" for word in names)
    ]
    if not found:
        raise SystemExit(f"no protection is called {', '.join(names)}; see --list")
    return found


def still_green(copy: Copy, asked: Sequence[Protection]) -> list[str]:
    """What is red although nothing is missing: such a test proves nothing."""
    plain = sorted({test for one in asked if not one.only for test in one.tests})
    runs = [(tuple(plain), "")] if plain else []
    runs += sorted({(one.tests, one.only) for one in asked if one.only})
    verdicts = [(run, copy.run(*run)) for run in runs]
    return [
        f"{' '.join(tests)} {only}: {verdict.words}"
        for (tests, only), verdict in verdicts
        if "failed" in verdict.words or "error" in verdict.words or verdict.red
    ]


def main() -> int:
    """Take them away one by one; 0 if every one is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="words of names or subjects; all without any")
    parser.add_argument("--list", action="store_true", help="only say which there are")
    asked = parser.parse_args()
    found = chosen(asked.names)
    if asked.list:
        for one in found:
            print(f"{one.subject:12} {one.name:58} {one.file}")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(Path(folder))
        faults = [f"red with everything in place: {words}" for words in still_green(copy, found)]
        print(f"{'subject':12} {'without':58} {'red?':5} {'seconds':>7}  tests")
        for one in found:
            started = time.monotonic()
            with copy.lacking(one):
                verdict = copy.run(one.tests, one.only)
            tests = f"{' '.join(one.tests)}{f' -k {one.only!r}' if one.only else ''}"
            seconds = time.monotonic() - started
            word = "red" if verdict.red else "GREEN"
            print(f"{one.subject:12} {one.name:58} {word:5} {seconds:7.1f}  {tests}", flush=True)
            if not verdict.red:
                faults.append(f"{one.subject}: {one.name}: {verdict.words}")
    print(f"{len(found)} protections, {len(faults)} not missed")
    for words in faults:
        print(words, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
