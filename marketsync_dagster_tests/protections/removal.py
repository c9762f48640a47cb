"""Taking one protection away in a copy of the checkout, and running the tests that guard it.

Which protections there are says `table.toml`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
TABLE = Path(__file__).with_name("table.toml")
PARTS = ("marketsync_dagster", "marketsync_dagster_tests", "examples", "docs", "deploy")
FILES = ("pyproject.toml", "dagster.yaml", "workspace.yaml", "README.md", "Makefile")
PATIENCE_S = 300
_NO_RIGHT_REASON = re.compile(
    r"^E +(SyntaxError|IndentationError|ImportError|ModuleNotFoundError|NameError)", re.MULTILINE
)
_FAILED = re.compile(r"^FAILED ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Protection:
    """One protection, and how it is taken away."""

    subject: str
    name: str
    file: str
    """Below `marketsync_dagster/`."""
    old: str
    """The text that makes it; it stands there exactly once."""
    new: str
    """What stands there without it."""
    tests: tuple[str, ...]
    """Node ids below `marketsync_dagster_tests/`: those that must notice."""
    only: str = ""
    """Of these tests those with such a name (pytest -k)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the tests ended; `red` for the right reason only."""

    red: bool
    words: str


def protections() -> list[Protection]:
    """All of `table.toml`, in its order."""
    entries = tomllib.loads(TABLE.read_text("utf-8"))["protection"]
    return [Protection(**entry | {"tests": tuple(entry["tests"])}) for entry in entries]


class Stale(Exception):
    """The text of a protection is not to be found, or not only once."""


def without(protection: Protection, source: str) -> str:
    """The source of its file without the protection; Stale if that cannot be said."""
    count = source.count(protection.old)
    if count != 1:
        raise Stale(
            f"{protection.name}: marketsync_dagster/{protection.file} has {protection.old!r} "
            f"{count} times, not once; say anew in {TABLE.name} what makes it"
        )
    return source.replace(protection.old, protection.new)


class Copy:
    """A copy of the checkout in which protections are taken away; the original is not touched."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "checkout"
        self.root.mkdir()
        ignored = shutil.ignore_patterns("__pycache__", ".*")
        for part in PARTS:
            if (CHECKOUT / part).exists():
                shutil.copytree(CHECKOUT / part, self.root / part, ignore=ignored)
        for file in FILES:
            shutil.copy(CHECKOUT / file, self.root / file)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        self._environment = kept | {"PYTHONPATH": str(self.root)}
        self._assert_that_the_copy_is_imported()

    def _assert_that_the_copy_is_imported(self) -> None:
        """The installed package is a link to the checkout: it must not win."""
        names = ("marketsync_dagster", "marketsync_dagster_tests")
        code = "; ".join(f"import {name}; print({name}.__file__)" for name in names)
        said = self.python("-c", code).stdout.split()
        if len(said) != 2 or not all(Path(one).is_relative_to(self.root) for one in said):
            raise AssertionError(f"not the copy is imported but {said}")

    def python(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A child that imports the copy."""
        return subprocess.run(
            [sys.executable, *words],
            cwd=self.root,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    @contextmanager
    def lacking(self, protection: Protection) -> Iterator[None]:
        """The copy without the protection; whole again afterwards."""
        path = self.root / "marketsync_dagster" / protection.file
        source = path.read_text("utf-8")
        self._write(path, without(protection, source))
        try:
            yield
        finally:
            self._write(path, source)

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text, encoding="utf-8")
        # compiled modules are told apart by second and size: too coarse for this
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            compiled.unlink()

    def run(self, tests: Sequence[str], only: str = "") -> Verdict:
        """Run tests until the first fails."""
        words = ["-q", "-x", "-n", "0", "-p", "no:cacheprovider", "-p", "no:randomly"]
        words += ["-k", only] if only else []
        paths = [f"marketsync_dagster_tests/{test}" for test in tests]
        try:
            ended = self.python("-m", "pytest", *words, *paths)
        except subprocess.TimeoutExpired:
            return Verdict(False, f"no end within {PATIENCE_S} s")
        text = ended.stdout + ended.stderr
        lines = [line for line in text.splitlines() if line.strip()]
        last = lines[-1] if lines else ""
        if ended.returncode == 0:
            return Verdict(False, last)
        if ended.returncode != 1 or not _FAILED.search(text) or _NO_RIGHT_REASON.search(text):
            return Verdict(False, f"not by a failed test: {last}")
        return Verdict(True, last)
