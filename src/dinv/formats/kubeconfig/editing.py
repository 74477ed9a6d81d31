"""Changes of a kubeconfig's text: entries put in and taken out, in block style, in flow style and in JSON."""

from __future__ import annotations

import re

from dinv.formats.kubeconfig import entry as entries
from dinv.formats.kubeconfig.document import CURRENT, LISTS
from dinv.formats.kubeconfig.tree import ALIAS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.formats.kubeconfig.document import Document
    from dinv.formats.kubeconfig.entry import Entry
    from dinv.formats.kubeconfig.tree import Node

_BREAK = re.compile(r"\r\n|\n|\r")
_COLON = re.compile(r"[ \t]*:")


class _Edits:
    """Replacements of parts of a text. Those at one place come in the order in which they were added."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.tree = document.tree
        self.text = document.tree.text
        found = _BREAK.search(self.text)
        self.newline = found[0] if found else "\n"
        self._edits: list[tuple[int, int, str]] = []

    def replace(self, start: int, end: int, new: str) -> None:
        self._edits.append((start, end, new))

    def insert_lines(self, at: int, lines: list[str]) -> None:
        """Insert lines at the start of a line, or at an end of the text that has none."""
        new = "".join(line + self.newline for line in lines)
        if at and self.text[at - 1] not in "\r\n":
            new = self.newline + new.removesuffix(self.newline)
        self.replace(at, at, new)

    def line_end(self, index: int) -> int:
        """Return where the next line starts; for what ends with a line break already, that is here."""
        if index and self.text[index - 1] in "\r\n":
            return index
        found = _BREAK.search(self.text, index)
        return found.end() if found else len(self.text)

    def after_colon(self, key: Node) -> int:
        """Return the place right after a key's colon. Raises ValueError."""
        found = _COLON.match(self.text, key.end)
        if found is None:
            raise ValueError(f'the key "{key.value}" (line {self.tree.line(key.start)}) has an unusual form')
        return found.end()

    def applied(self) -> str:
        pieces, at = [self.document.bom], 0
        for start, end, new in sorted(self._edits, key=lambda edit: edit[:2]):
            pieces += [self.text[at:start], new]
            at = max(at, end)
        pieces.append(self.text[at:])
        return "".join(pieces)


def extended(document: Document, entry: Entry, name: str, *, use: bool) -> str:
    """Return the text with an entry, which has none of it yet. Raises ValueError."""
    edits = _Edits(document)
    if document.root is None:
        _fill(edits, entry, name, use=use)
        return edits.applied()
    missing: dict[str, object] = {}
    for kind in LISTS:
        pair = document.root.pair(kind)
        if pair is None:
            missing[kind] = [entry.item(kind, name)]
        else:
            _append(edits, *pair, entry.item(kind, name), flow=document.root.flow)
    if use:
        pair = document.root.pair(CURRENT)
        if pair is None:
            missing[CURRENT] = name
        else:
            _set(edits, *pair, name, flow=document.root.flow)
    _add_keys(edits, document.root, missing)
    return edits.applied()


def without(document: Document, identity: str, *, forget: bool) -> str:
    """Return the text without a machine's entries; `forget`: and without its context as the current one."""
    edits = _Edits(document)
    if document.root is None:
        return document.bom + edits.text
    own = document.owned(identity)
    for kind in LISTS:
        items = document.own_items(kind, identity)
        pair = document.root.pair(kind)
        if items and pair is not None:
            (_cut_flow if pair[1].flow else _cut_block)(edits, *pair, items)
    pair = document.root.pair(CURRENT)
    if forget and pair is not None and document.current in own["contexts"]:
        _set(edits, *pair, "", flow=document.root.flow)
    return edits.applied()


def _fill(edits: _Edits, entry: Entry, name: str, *, use: bool) -> None:
    """Write the whole of a kubeconfig after what is there: comments."""
    content = {
        "apiVersion": "v1",
        "clusters": [entry.item("clusters", name)],
        "contexts": [entry.item("contexts", name)],
        CURRENT: name if use else "",
        "kind": "Config",
        "users": [entry.item("users", name)],
    }
    root = edits.tree.root
    at = len(edits.text) if root is None else edits.line_end(root.end)
    edits.insert_lines(at, entries.block(content, ""))


# Lists


def _append(edits: _Edits, key: Node, value: Node, item: dict[str, object], *, flow: bool) -> None:
    """Add an item at the end of a list. `flow`: the mapping that it is in is in flow style."""
    if value.flow and value.children:
        _append_flow(edits, value, entries.quoted(item), entries.quoted(item, 2))
    elif flow:
        at = edits.after_colon(key)
        start, end = (value.start, value.end) if value.end > value.start else (at, at)
        edits.replace(start, end, ("" if start > at else " ") + f"[{entries.quoted(item)}]")
    elif value.flow or value.is_null:
        # "[]", "null" or nothing becomes a list in block style, below the key; a comment there stays.
        at = edits.after_colon(key)
        inside = edits.text[value.start + 1 : value.end - 1] if value.flow else ""
        if inside.strip() or _BREAK.search(edits.text[at : value.end]):
            edits.replace(value.start, value.end, f"[{entries.quoted(item)}]")
            return
        edits.replace(at, max(at, value.end), "")
        indent = " " * edits.tree.column(key.start)
        edits.insert_lines(edits.line_end(max(at, value.end)), entries.block([item], indent))
    else:
        indent = " " * edits.tree.column(edits.tree.dash(value.children[0]))
        edits.insert_lines(edits.line_end(value.end), entries.block([item], indent))


def _append_flow(edits: _Edits, collection: Node, short: str, long: str) -> None:
    """Add a member to a flow collection that has some, spaced and broken into lines as they are."""
    ends = [child.end for child in collection.children]
    step = 2 if collection.kind == "mapping" else 1
    last = collection.children[-step]
    before = ends[-step - 1] if len(ends) > step else collection.start + 1
    gap = edits.text[before : last.start].removeprefix(",")
    if gap.strip():
        gap = " "
    new = short
    if _BREAK.search(gap):
        margin = _BREAK.split(gap)[-1]
        new = long.replace("\n", edits.newline + margin)
    edits.replace(max(ends), max(ends), f",{gap or ' '}{new}")


def _cut_block(edits: _Edits, key: Node, value: Node, items: list[Node]) -> None:
    if len(items) == len(value.children):
        at = edits.after_colon(key)
        edits.replace(at, at, " []")
    for item in items:
        dash = edits.tree.dash(item)
        start, end = dash - edits.tree.column(dash), edits.line_end(item.end)
        if edits.text[start:dash].strip():
            raise ValueError(f"an entry (line {edits.tree.line(dash)}) does not begin on a line of its own")
        if end == len(edits.text) and edits.text[end - 1] not in "\r\n" and start:
            # It ends with the text, which has no line break at its end: so it shall be again.
            start -= 2 if edits.text[start - 2 : start] == "\r\n" else 1
        edits.replace(start, end, "")


def _cut_flow(edits: _Edits, _key: Node, value: Node, items: list[Node]) -> None:
    children = value.children
    inside = edits.text[value.start : value.end]
    if len(items) == len(children) and "#" not in inside and inside.startswith("["):
        edits.replace(value.start, value.end, "[]")
        return
    for index, item in enumerate(children):
        if item not in items:
            continue
        start, end = item.start, item.end
        if all(earlier in items for earlier in children[:index]):
            # Nothing stays before it: the comma after it goes with it.
            following = edits.text[
                end : children[index + 1].start if index + 1 < len(children) else value.end - 1
            ]
            if following.lstrip().startswith(","):
                end += following.index(",") + 1
                if "#" not in following:
                    end = max(end, children[index + 1].start if index + 1 < len(children) else end)
        else:
            leading = edits.text[children[index - 1].end : start]
            if "#" in leading:
                comma = children[index - 1].end + leading.index(",")
                edits.replace(comma, comma + 1, "")
            else:
                start = children[index - 1].end
        edits.replace(start, end, "")


# Keys of the whole


def _set(edits: _Edits, key: Node, value: Node, text: str, *, flow: bool) -> None:
    """Replace the value of a key by a string. Raises ValueError."""
    if value.kind == ALIAS or edits.text[value.start : value.start + 1] in ("&", "!"):
        raise ValueError(f'its "{key.value}" is an alias, or has an anchor')
    new = entries.quoted(text) if flow else entries.scalar(text)
    if value.start < value.end:
        edits.replace(value.start, value.end, new)
    else:
        at = edits.after_colon(key)
        edits.replace(at, at, f" {new}")


def _add_keys(edits: _Edits, root: Node, missing: dict[str, object]) -> None:
    if not missing:
        return
    if not root.flow:
        indent = " " * edits.tree.column(root.start)
        edits.insert_lines(edits.line_end(root.end), entries.block(missing, indent))
        return
    members = [(key, f"{entries.quoted(key)}: ", value) for key, value in missing.items()]
    if root.children:
        for _, start, value in members:
            _append_flow(edits, root, start + entries.quoted(value), start + entries.quoted(value, 2))
    else:
        inside = ", ".join(start + entries.quoted(value) for _, start, value in members)
        edits.replace(root.start + 1, root.start + 1, inside)
