"""A header of two rows: groups of columns above the names, joined to one name for each column.

`Prices | | Stock` over `Regular | Special | Main` is `Prices Regular`, `Prices Special`, `Stock
Main`. What a row of a title looks like is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from marketsync_dagster.pos.columns import meaning

_WORD = re.compile(r"[^\W\d_]")


def joined(
    groups: Sequence[str], names: Sequence[str], configured: Mapping[str, str]
) -> list[str] | None:
    """One name for each column; None where `groups` is not a row of groups above `names`.

    A name that is asked for in `configured` stays as it is.
    """
    groups = [cell.strip() for cell in groups]
    names = [cell.strip() for cell in names]
    while groups and not groups[-1] and len(groups) > len(names):
        groups = groups[:-1]
    if not 1 < len(groups) <= len(names) or not _are_groups(groups, names):
        return None
    asked = {header.strip().casefold() for header in configured.values()}
    width = max(index for index, name in enumerate(names) if name) + 1
    carried, first, found = "", 0, []
    for index, name in enumerate(names):
        here = groups[index] if index < len(groups) else ""
        if here:
            carried, first = here, index
        if index >= width:
            carried = ""
        both = f"{carried} {name}" if carried else name
        if here and not name:
            # a name of the upper row that has both rows to itself
            both, carried = here, ""
        elif name.casefold() in asked and both.casefold() not in asked:
            both = name
        elif first == 0 and carried and meaning(both) is None:
            # above the first columns there stands a title as often as a group
            both = name or carried
        found.append(both)
    return found


def _are_groups(groups: Sequence[str], names: Sequence[str]) -> bool:
    """Whether something besides a title spans columns, and nothing looks like a value."""
    filled = [index for index, cell in enumerate(groups) if cell]
    if not filled or filled == [0]:
        return False
    if any(not _WORD.search(groups[i]) or ":" in groups[i] or "=" in groups[i] for i in filled):
        return False
    if any(not _WORD.search(name) for name in names if name):
        return False
    later = [name for name in names[1:] if name]
    if len(set(later)) < len(later):
        # the same name twice: only groups can tell the two apart
        return True
    if len(filled) == 1:
        # in the middle of its line a title looks like a group: a group is said in a word or two
        known = any(meaning(f"{groups[filled[0]]} {name}") for name in names[filled[0] :] if name)
        if not known and len(groups[filled[0]].split()) > 2:
            return False
    return any(_spans(groups, names, index) for index in filled if index > 0)


def _spans(groups: Sequence[str], names: Sequence[str], index: int) -> bool:
    """Whether the group at `index` goes on over the next column."""
    following = index + 1
    if following >= len(names) or not names[index] or not names[following]:
        return False
    return following >= len(groups) or not groups[following]


def goes_on(header: Sequence[str], below: Sequence[str]) -> bool:
    """Whether the row below a header names the columns of its groups: blank under the first name,
    filled where the header is blank, and without any figure."""
    header, below = [cell.strip() for cell in header], [cell.strip() for cell in below]
    if len(below) > len(header) or not any(header):
        return False
    first = next(index for index, cell in enumerate(header) if cell)
    if first >= len(below) or below[first]:
        return False
    under_blank = any(cell and not header[index] for index, cell in enumerate(below))
    return under_blank and not any(sign.isdigit() for cell in below for sign in cell)
