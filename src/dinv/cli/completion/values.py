"""Values that completion has to ask for: images and networks of the endpoint, contexts, paths in a machine.

Somebody waits with a finger on the Tab key: what does not answer in ANSWER_SECONDS has nothing to offer, and
what goes wrong is said to nobody. Names that a terminal would not show as they are, are left out.
"""

from __future__ import annotations

import contextlib
import posixpath
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dinv.machines import Machines

ANSWER_SECONDS = 2.0
MOST_BYTES = 256 * 1024
"""Of what a machine says is in a directory."""

LISTS = ("images", "networks", "volumes", "endpoints", "paths")


def values(kind: str, machines: Machines, *, word: str = "", endpoint: str | None = None) -> list[str]:
    """What can stand where `kind`, one of LISTS, is meant; for paths `word` is what is there so far."""

    def ask() -> list[str]:
        if kind == "paths":
            return paths(machines, word)
        if kind == "endpoints":
            from dinv.endpoints import contexts

            return contexts.names()
        return objects(kind, machines, endpoint)

    return sorted({name for name in _in_time(ask) if name and name.isprintable()})


def objects(kind: str, machines: Machines, endpoint: str | None) -> list[str]:
    """Images, networks or volumes of an endpoint. Raises DinvError."""
    with machines.endpoint(endpoint) as engine:
        if kind == "images":
            found = engine.images.list(timeout=ANSWER_SECONDS)
            return [tag for image in found for tag in image.get("RepoTags") or () if "<none>" not in tag]
        listed = engine.networks.list if kind == "networks" else engine.volumes.list
        return [str(each.get("Name") or "") for each in listed(timeout=ANSWER_SECONDS)]


def paths(machines: Machines, word: str) -> list[str]:
    """`NAME:PATH` for all that begins like `word`; directories end in a slash. Raises DinvError."""
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
        # As POSIX has it: one a line, those with a dot too, a slash behind directories and links to them.
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
        with contextlib.suppress(Exception):  # whatever it is, nobody can be told
            found.extend(ask())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(ANSWER_SECONDS)
    return list(found)
