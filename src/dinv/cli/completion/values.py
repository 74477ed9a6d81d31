"""Completions that need a query: images and networks of the endpoint, contexts, paths in a machine.

A user is waiting after pressing Tab: what does not answer in ANSWER_SECONDS offers nothing, and errors are
not shown. Names that a terminal would not show unchanged are left out.
"""

from __future__ import annotations

import contextlib
import posixpath
import threading

from dinv.cli.completion.commands import CACHES, ENDPOINTS, HOLDERS, IMAGES, LISTED, NETWORKS, PATHS, POOLS
from dinv.errors import DinvError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dinv.machines import Machines

ANSWER_SECONDS = 2.0
MOST_BYTES = 256 * 1024
"""Characters read of a machine's listing of a directory."""

LISTS = (*LISTED, PATHS)
"""The kinds that `dinv completion --list` accepts."""


def values(kind: str, machines: Machines, *, word: str = "", endpoint: str | None = None) -> list[str]:
    """Return the completions of `kind`, one of LISTS; for paths `word` is what was typed so far."""

    def ask() -> list[str]:
        if kind == PATHS:
            return paths(machines, word)
        if kind == ENDPOINTS:
            from dinv.endpoints import contexts

            return contexts.names()
        if kind == CACHES:
            return machines.caches.names()
        if kind == POOLS:
            return machines.pools.names()
        if kind == HOLDERS:
            return holders(machines)
        return objects(kind, machines, endpoint)

    return sorted({name for name in _in_time(ask) if name and name.isprintable()})


def objects(kind: str, machines: Machines, endpoint: str | None) -> list[str]:
    """Return images, networks or volumes of an endpoint. Raises DinvError."""
    with machines.endpoint(endpoint) as engine:
        if kind == IMAGES:
            found = engine.images.list(timeout=ANSWER_SECONDS)
            return [tag for image in found for tag in image.get("RepoTags") or () if "<none>" not in tag]
        listed = engine.networks.list if kind == NETWORKS else engine.volumes.list
        return [str(each.get("Name") or "") for each in listed(timeout=ANSWER_SECONDS)]


def holders(machines: Machines) -> list[str]:
    """Return those who have been given access to any machine. Raises StoreError."""
    found: list[str] = []
    for name in machines.names(unreadable=False):
        with contextlib.suppress(DinvError), machines.get(name) as machine:
            found += [record.holder for record in machine.access_log()]
    return found


def paths(machines: Machines, word: str) -> list[str]:
    """Return `NAME:PATH` for paths that begin like `word`; directories end in a slash. Raises DinvError."""
    from dinv.access.place import HOME, Place

    place = Place.parse(word)
    if place.machine is None:
        return []
    directory, slash, beginning = place.path.rpartition("/")
    before = word[: len(word) - len(beginning)]
    where = posixpath.join(
        HOME, directory.removeprefix("~").lstrip("/") if directory[:1] == "~" else directory + slash
    )
    said = bytearray()

    def take(piece: bytes) -> None:
        if len(said) < MOST_BYTES:
            said.extend(piece)

    with machines.get(place.machine) as machine:
        # By POSIX: one per line, those with a dot too, a slash after directories and links to them.
        machine.run(["ls", "-1ApL", "--", where], stdout=take, timeout=ANSWER_SECONDS)
    names = said.decode(errors="surrogateescape").splitlines()
    return [
        before + name
        for name in names
        if name.startswith(beginning) and (beginning or not name.startswith("."))
    ]


def _in_time(ask: Callable[[], Iterable[str]]) -> list[str]:
    found: list[str] = []

    def run() -> None:
        with contextlib.suppress(Exception):  # whatever it is, there is nobody to tell
            found.extend(ask())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(ANSWER_SECONDS)
    return list(found)
