"""Where the records of an XML document are: as a path says it, or the most repeated element."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from marketsync_dagster.pos.headers.reading import read_header
from marketsync_dagster.pos.readers.elements import Node
from marketsync_dagster.pos.reasons import refuse


@dataclass(frozen=True)
class RecordPath:
    """`Items/Item`: every such element, wherever it is; `/Root/Items/Item`: from the root on."""

    parts: tuple[str, ...]
    rooted: bool

    @classmethod
    def of(cls, text: str) -> RecordPath:
        """From its written form."""
        parts = tuple(part.casefold() for part in text.strip().strip("/").split("/"))
        return cls(parts, text.strip().startswith("/"))

    def fits(self, node: Node) -> bool:
        """Whether elements of `node` are records."""
        return _ends(node, self.parts, self.rooted)

    def fits_parent(self, node: Node) -> bool:
        """Whether elements of `node` would hold the records."""
        return len(self.parts) > 1 and _ends(node, self.parts[:-1], self.rooted)


def _ends(node: Node, parts: tuple[str, ...], rooted: bool) -> bool:
    at: Node | None = node
    for part in reversed(parts):
        if at is None or at.key != part:
            return False
        at = at.parent
    return not rooted or (at is not None and at.parent is None)


def most_repeated(top: Node) -> Node | None:
    """The element that is the record; None where the document has none.

    It is the most repeated one that has children, or attributes and no children; never the root.
    Where nothing is repeated it is the one with the most values.
    """
    nodes = [node for node in _below(top) if node.parent is not top]
    holders = [node for node in nodes if node.children]
    flat = [node for node in nodes if node.attributes and not node.children]
    best = max(holders, key=lambda node: (node.count, -_depth(node)), default=None)
    best_flat = max(flat, key=lambda node: (node.count, -_depth(node)), default=None)
    # inside a record that is repeated, flat elements are its values
    if best_flat is not None and (
        (best is None and _is_record(best_flat))
        or (
            best is not None
            and best_flat.count > best.count
            and (best.count == 1 or not _inside(best_flat, best))
        )
    ):
        best = best_flat
    if best is None:
        return None
    if best.count == 1:
        return max(holders, key=_values) if holders else best
    if not _is_product(best):
        # what is repeated in each product, its shipping costs or its pictures, is none itself
        around = [node for node in best.path()[1:-1] if node.count > 1 and _is_product(node)]
        best = around[-1] if around else best
    return best


def ambiguous(first: Node, second: Node, file: str) -> Exception:
    """The refusal of a document with two kinds of records."""
    return refuse(
        "ambiguous_records",
        f"{file}: the records may be `{first.label()}` ({first.count} times) or "
        f"`{second.label()}` ({second.count} times)",
    )


def outside(top: Node, records: list[Node]) -> Iterator[Node]:
    """Elements with values of their own that are neither around nor inside the records."""
    for node in _below(top):
        if (node.children or node.attributes) and not any(
            _inside(node, record) or _inside(record, node) for record in records
        ):
            yield node


def has_values(node: Node) -> bool:
    """Whether elements of `node` have leaves."""
    return any(not child.children for child in node.folded.values())


def _is_product(node: Node) -> bool:
    """Whether its own values and attributes are a SKU and a price, by their names."""
    leaves = [child.name for child in node.folded.values() if not child.children]
    named = [*leaves, *(name for name in node.attributes.values() if name)]
    meant = {one.canonical for name in named for one in read_header(name).meanings}
    return "sku" in meant and bool(meant & {"price", "promo_price"})


def _is_record(node: Node) -> bool:
    return node.count > 1 or len(node.attributes) > 1


def _values(node: Node) -> tuple[int, int]:
    leaves = sum(not child.children for child in node.folded.values())
    return leaves + len(node.attributes), _depth(node)


def _below(node: Node) -> Iterator[Node]:
    waiting = list(node.folded.values())
    while waiting:
        one = waiting.pop()
        yield one
        waiting.extend(one.folded.values())


def _depth(node: Node) -> int:
    return len(node.path())


def _inside(node: Node, other: Node) -> bool:
    at: Node | None = node
    while at is not None:
        if at is other:
            return True
        at = at.parent
    return False
