"""A kubeconfig's three lists, the names in them, and whose entries they are."""

from __future__ import annotations

from dinv.formats.kubeconfig.tree import ALIAS, MAPPING, SCALAR, SEQUENCE, Tree, data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dinv.formats.kubeconfig.tree import Node

LISTS = {"clusters": "cluster", "contexts": "context", "users": "user"}
"""The lists, and the key of what an item is besides its name."""
CURRENT = "current-context"
MARK = "dinv"
_KIND, _VERSION = "Config", "v1"


class Document:
    """A kubeconfig, as it is written. `tree.root` is None for one without content."""

    def __init__(self, text: str) -> None:
        """Raise ValueError for what is not a kubeconfig, or cannot be edited as one."""
        self.bom = "\ufeff" if text.startswith("\ufeff") else ""
        self.tree = Tree(text.removeprefix("\ufeff"))
        root = self.tree.root
        if root is not None and root.kind == SCALAR and root.start == root.end:
            root = None  # "---" and nothing else
        self.root = root
        if root is None:
            return
        if root.kind != MAPPING:
            raise ValueError("it is not a kubeconfig: it is no mapping of keys to values")
        self._check_type(root)
        for name in LISTS:
            self._check_list(root, name)
        for kind in LISTS:
            seen = set()
            for item in self.items(kind):
                name = _name(item)
                if name in seen:
                    raise ValueError(f'it has two {kind} of the name "{name}", which kubectl refuses')
                seen.add(name)

    def _check_type(self, root: Node) -> None:
        for key, wanted in (("kind", _KIND), ("apiVersion", _VERSION)):
            found = root.get(key)
            if found is not None and (found.kind != SCALAR or found.value not in ("", wanted)):
                raise ValueError(f'it is not a kubeconfig: its {key} is "{found.value}", not "{wanted}"')

    def _check_list(self, root: Node, name: str) -> None:
        pair = root.pair(name)
        if pair is None or pair[1].is_null:
            return
        value = pair[1]
        if value.kind == ALIAS:
            raise ValueError(f'its "{name}" is an alias of another place in it, and cannot be changed alone')
        if value.kind != SEQUENCE:
            raise ValueError(
                f'it is not a kubeconfig: its "{name}" are no list (line {self.tree.line(value.start)})'
            )

    def items(self, kind: str) -> list[Node]:
        """Return the items of one of the lists."""
        found = self.root.get(kind) if self.root is not None else None
        return found.children if found is not None and found.kind == SEQUENCE else []

    def all_names(self, *, but: str = "") -> set[str]:
        """Return the names of all entries, except those of the machine `but`."""
        return {
            _name(item) for kind in LISTS for item in self.items(kind) if not but or _owner(item, kind) != but
        }

    def owned(self, identity: str) -> dict[str, list[str]]:
        """Return the names of a machine's entries, by list."""
        return {kind: [_name(item) for item in self.own_items(kind, identity)] for kind in LISTS}

    def own_items(self, kind: str, identity: str) -> list[Node]:
        return [item for item in self.items(kind) if _owner(item, kind) == identity]

    @property
    def current(self) -> str:
        found = self.root.get(CURRENT) if self.root is not None else None
        return found.value if found is not None and found.kind == SCALAR and not found.is_null else ""

    def foreign(self, identity: str, *, but_current: bool = False) -> dict[str, Any]:
        """Return what is not the machine's, for comparisons. An empty list is as good as none.

        `but_current`: without the current context.
        """
        if self.root is None:
            return {}
        own_contexts = self.owned(identity)["contexts"]
        found: dict[str, Any] = {}
        for key, value in self.root.pairs:
            name = key.resolved().value
            if name in LISTS:
                items = tuple(data(item) for item in self.items(name) if _owner(item, name) != identity)
                if items:
                    found[name] = items
            elif name == CURRENT:
                if self.current and self.current not in own_contexts and not but_current:
                    found[name] = self.current
            elif name not in ("kind", "apiVersion") or not value.is_null:
                found[name] = data(value)
        if set(found) <= {"kind", "apiVersion"}:
            return {}  # a file of nothing
        return found


def _name(item: Node) -> str:
    found = item.resolved().get("name")
    return found.value if found is not None and found.kind == SCALAR else ""


def _owner(item: Node, kind: str) -> str:
    """Return the id in dinv's mark on an item; "" if it has none."""
    body = item.resolved().get(LISTS[kind]) if item.kind != ALIAS else None
    extensions = body.get("extensions") if body is not None else None
    if extensions is None or extensions.kind != SEQUENCE:
        return ""
    for extension in extensions.children:
        named = extension.resolved()
        name, content = named.get("name"), named.get("extension")
        if name is not None and name.value == MARK and content is not None:
            identity = content.get("id")
            return identity.value if identity is not None and identity.kind == SCALAR else ""
    return ""
