"""docs/adding-a-platform.md is complete: a platform that is built by nothing but its steps, in a
copy of the checkout, passes the suite."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from marketsync_dagster_tests.protections.removal import CHECKOUT, Copy

PAGE = CHECKOUT / "docs" / "adding-a-platform.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def built(page: str, root: Path) -> list[str]:
    """Carry out the page's steps in a folder; the files that it wrote or changed."""
    touched: list[str] = []
    for kind, text in _BLOCK.findall(page):
        head, _, body = text.partition("\n")
        if kind == "python":
            path = root / head.removeprefix("# ")
            path.parent.mkdir(exist_ok=True)
            assert not path.exists(), f"{head} is there already"
            path.write_text(body, encoding="utf-8")
        elif kind == "diff":
            path = root / head.removeprefix("--- ")
            path.write_text(changed(path.read_text("utf-8"), body), encoding="utf-8")
        else:
            continue
        touched.append(str(path.relative_to(root)))
    return touched


def changed(source: str, diff: str) -> str:
    """A text after an edit; what it takes away or leaves must stand there exactly once."""
    lines = diff.splitlines()
    old = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "+")
    new = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "-")
    assert source.count(old) == 1, f"found {source.count(old)} times:\n{old}"
    return source.replace(old, new)


def test_a_platform_that_is_built_by_the_page_alone_passes_the_suite(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Copy(tmp_path)
    touched = built(PAGE.read_text("utf-8"), copy.root)
    assert len(touched) == 9

    suite = "marketsync_dagster_tests.conformance"
    assert copy.python("-m", suite, "--write").returncode == 0
    ended = copy.python("-m", suite, "kiosk")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    found = re.search(r"(\d+) pass, (\d+) skip, 0 not as declared", ended.stdout)
    assert found is not None
    assert int(found[1]) >= 80
    for words in (("check",), ("format", "--check")):
        checked = copy.python("-m", "ruff", *words, *touched)
        assert checked.returncode == 0, checked.stdout
    with capsys.disabled():
        print(f"\nthe platform of the page: {found[0]}")


def test_an_edit_fits_once_or_is_refused() -> None:
    assert changed("a\nb\nc\n", " a\n-b\n+x\n") == "a\nx\nc\n"
    for source in ("a\nc\n", "b\nb\n"):
        with pytest.raises(AssertionError, match="times"):
            changed(source, "-b\n+x\n")
