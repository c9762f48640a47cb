"""The elements of an XML document as expat tells of them, within limits.

Every distinct path of a document is one node; what is known of it is looked up once, so that an
element costs little however often it comes. What the records are is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable
from xml.parsers import expat

from marketsync_dagster.pos.readers.building import LONGEST_NAME
from marketsync_dagster.pos.reasons import refuse
from marketsync_dagster.pos.tables import Limits

_SPELLINGS = 20_000
"""Names and paths that one document may have; expat and we keep each."""


class Node:
    """All elements of one path."""

    __slots__ = ("attributes", "children", "count", "folded", "key", "name", "parent", "role")

    def __init__(self, name: str, key: str, parent: Node | None) -> None:
        self.name = name
        """As it is spelled first, without prefix."""
        self.key = key
        self.parent = parent
        self.children: dict[str, Node] = {}
        """By each spelling, prefixes and all."""
        self.folded: dict[str, Node] = {}
        self.attributes: dict[str, str | None] = {}
        """Spelling -> name without prefix; None: of XML itself, not of the document."""
        self.count = 0
        self.role: object = None
        """Whatever the user of the tree has to say of it."""

    def path(self) -> list[Node]:
        """From the root of the document to this node."""
        node: Node = self
        nodes: list[Node] = [node]
        while node.parent is not None and node.parent.parent is not None:
            node = node.parent
            nodes.append(node)
        return nodes[::-1]

    def label(self) -> str:
        """`Root/Items/Item`."""
        return "/".join(node.name for node in self.path())


class Elements:
    """Goes through a document and counts its elements; a subclass does more where one begins or
    ends. Raises ExtractError as `parse` says."""

    def __init__(self, limits: Limits, file: str) -> None:
        self.limits = limits
        self.file = file
        self.top = Node("", "", None)
        self.node = self.top
        """The innermost open element."""
        self.depth = 0
        self.line_offset = 0
        self.parser = expat.ParserCreate("utf-8")
        self.parser.buffer_text = True
        self.parser.ordered_attributes = True
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self._spellings = 0

    def line(self) -> int:
        """The physical line of what expat is telling of."""
        return self.parser.CurrentLineNumber + self.line_offset

    def begin(self, node: Node, attributes: list[str]) -> None:
        """An element of `node` begins; attributes are name, value, name, value."""

    def finish(self, node: Node) -> None:
        """An element of `node` ends."""

    def met(self, node: Node) -> None:
        """`node` is new."""

    def _start(self, name: str, attributes: list[str]) -> None:
        self.depth += 1
        if self.depth > self.limits.depth:
            depth = self.limits.depth
            message = f"{self.file}, line {self.line()}: elements are nested deeper than {depth}"
            raise refuse("too_deep", message)
        node = self.node.children.get(name) or self._child(name)
        node.count += 1
        self.node = node
        if attributes:
            known = node.attributes
            for spelled in attributes[::2]:
                if spelled not in known:
                    self._spelled(spelled)
                    known[spelled] = _attribute(spelled)
        self.begin(node, attributes)

    def _end(self, _name: str) -> None:
        node = self.node
        self.finish(node)
        self.depth -= 1
        assert node.parent is not None
        self.node = node.parent

    def _child(self, spelled: str) -> Node:
        self._spelled(spelled)
        parent = self.node
        name = spelled.rpartition(":")[2]
        key = name.casefold()
        node = parent.folded.get(key)
        if node is None:
            node = parent.folded[key] = Node(name, key, parent)
            self.met(node)
        parent.children[spelled] = node
        return node

    def _spelled(self, name: str) -> None:
        if len(name) > LONGEST_NAME:
            message = f"{self.file}, line {self.line()}: a name has over {LONGEST_NAME} characters"
            raise refuse("value_too_long", message)
        self._spellings += 1
        if self._spellings > _SPELLINGS:
            message = f"{self.file}, line {self.line()}: more than {_SPELLINGS} different names"
            raise refuse("too_wide", message)

    def _doctype(self, *_: object) -> None:
        raise refuse("doctype", f"{self.file}, line {self.line()}: the document has a DOCTYPE")


def _attribute(spelled: str) -> str | None:
    prefix, _, name = spelled.rpartition(":")
    return None if prefix in ("xmlns", "xml", "xsi") or spelled == "xmlns" else name


def parse(pieces: Iterable[str], elements: Elements, *, whole: bool = True) -> None:
    """Feed a document's text; `whole`: the pieces are all of it.

    Raises ExtractError: bad_xml, truncated, doctype, too_deep, too_wide, value_too_long.
    """
    for _ in stepwise(pieces, elements, whole=whole):
        pass


def stepwise(pieces: Iterable[str], elements: Elements, *, whole: bool = True) -> Iterable[None]:
    """As `parse`, stopping after each piece."""
    parser, file = elements.parser, elements.file
    most = 2 * elements.limits.token_bytes
    fed = 0
    try:
        for piece in pieces:
            text = piece
            if not fed:
                # nothing may stand before an XML declaration, and at times a blank line does
                text = piece.lstrip(" \t\r\n")
                blank = piece[: len(piece) - len(text)]
                elements.line_offset += len(blank.replace("\r\n", "\n"))
                elements.line_offset -= blank.count(" ") + blank.count("\t")
            data = text.encode("utf-8")
            fed += len(data)
            if data:
                parser.Parse(data, False)
            # older versions of expat start again and again from the beginning of such a token
            if fed - max(parser.CurrentByteIndex, 0) > most:
                line = elements.line()
                message = f"{file}, line {line}: a tag, comment or the like has more than 1 MB"
                raise refuse("value_too_long", message)
            yield
    except expat.ExpatError as error:
        raise _not_xml(error, elements) from None
    if whole:
        try:
            parser.Parse(b"", True)
        except expat.ExpatError:
            line = elements.line()
            message = f"{file}, line {line}: the document ends before its last element is closed"
            raise refuse("truncated", message) from None
        yield


def _not_xml(error: expat.ExpatError, elements: Elements) -> Exception:
    line = error.lineno + elements.line_offset
    words = expat.errors.messages.get(error.code, "not well-formed")
    where = f"{elements.file}, line {line}, column {error.offset + 1}"
    if not isinstance(words, str):
        words = "not well-formed"
    return refuse("bad_xml", f"{where}: {words}")
