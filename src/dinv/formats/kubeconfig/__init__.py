"""kubectl's configuration file: entries are put in and taken out of its text, and the rest stays as it is.

A kubeconfig is the user's, often written by hand: it is not loaded and written anew, which would lose
comments, order and style. A YAML parser says where things stand, and the text is changed there and nowhere
else (`editing`). The result is parsed again, and given back only if everything of others is what it was.

What a kubeconfig is: kubernetes/client-go, tools/clientcmd/api/v1/types.go. An entry is known as dinv's by a
named extension, which kubectl keeps (minikube marks its entries in the same place):

    extensions: [{name: dinv, extension: {machine: NAME, id: IDENTITY, store: PATH}}]

Only what changes a kubeconfig loads this, and with it PyYAML, which is not installed with every dinv:
`ImportError` says so.
"""

from __future__ import annotations

from dinv.formats.kubeconfig import editing
from dinv.formats.kubeconfig import reached as reading
from dinv.formats.kubeconfig.document import Document
from dinv.formats.kubeconfig.entry import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from dinv.formats.kubeconfig.reached import Reached

__all__ = ["Entry", "added", "current", "names", "reached", "removed"]


def added(
    content: bytes, entry: Entry, *, taken: Collection[str] = (), use: bool | None = None
) -> tuple[bytes, str]:
    """Put an entry in, in the place of an earlier one of the same machine; return the file and its name.

    The name is the entry's own, or "dinv-" and that where something else has it, here or in `taken`. Its
    context becomes the current one if `use` is True, or None and there is no other. Raises ValueError, whose
    text says what is wrong with the file.
    """
    before = _parsed(content)
    kept = [name for name in before.owned(entry.identity)["contexts"] if name not in taken]
    bare = _bytes(editing.without(before, entry.identity, forget=False))
    document = _parsed(bare)
    others = document.all_names() | set(taken)
    wanted = [*kept[:1], entry.name, f"dinv-{entry.name}"]
    name = next((name for name in wanted if name not in others), "")
    if not name:
        raise ValueError(
            f"it has entries {entry.name} and dinv-{entry.name} already, which are not this machine's"
        )
    was_current = bool(kept) and before.current == kept[0]
    set_current = use or was_current or (use is None and not document.current)
    new = _bytes(editing.extended(document, entry, name, use=set_current))
    after = _parsed(new)
    expected = {kind: [name] for kind in after.owned(entry.identity)}
    if (
        after.owned(entry.identity) != expected
        or after.foreign(entry.identity, but_current=set_current)
        != before.foreign(entry.identity, but_current=set_current)
        or (set_current and after.current != name)
    ):
        raise ValueError(
            "it is written in a way in which an entry cannot be added and all else be left alone"
        )
    return new, name


def removed(content: bytes, identity: str) -> tuple[bytes, list[str]]:
    """Take a machine's entries out; return the file and the names of its contexts. Raises ValueError."""
    before = _parsed(content)
    owned = before.owned(identity)
    if not any(owned.values()):
        return content, []
    new = _bytes(editing.without(before, identity, forget=True))
    after = _parsed(new)
    if any(after.owned(identity).values()) or after.foreign(identity) != before.foreign(identity):
        raise ValueError(
            "it is written in a way in which an entry cannot be removed and all else be left alone"
        )
    return new, owned["contexts"]


def names(content: bytes, *, but: str = "") -> set[str]:
    """Return the names of all its entries, except those of the machine `but`. Raises ValueError."""
    document = _parsed(content)
    return document.all_names(but=but)


def current(content: bytes) -> str:
    """Return the name of its current context; "" if it has none. Raises ValueError."""
    return _parsed(content).current


def reached(content: bytes) -> Reached:
    """Return what its current context leads to. Raises ValueError if that is not all in it."""
    return reading.reached(_parsed(content))


def _parsed(content: bytes) -> Document:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError("it is UTF-16; save it as UTF-8")
    try:
        return Document(content.decode())
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 (byte {error.start})") from error


def _bytes(text: str) -> bytes:
    return text.encode()
