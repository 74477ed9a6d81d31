"""What volumes of dinv's an endpoint has, whose they are, and who uses them."""

from __future__ import annotations

import contextlib
import time
from typing import NamedTuple

from dinv import drivers
from dinv.drivers.docker import flavours
from dinv.errors import DeadlineExceeded, DinvError, EngineError, NotFound
from dinv.labels import LABEL, LABEL_CLONE_OF, LABEL_ID, LABEL_ROLE, LABEL_STORE
from dinv.lifecycle.host import leasing
from dinv.store import identity
from dinv.store.layout import natural_order

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from dinv.endpoints.resolve import Endpoint
    from dinv.engine import Engine
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store

SIZE_SECONDS = 60.0
"""Deadline for the endpoint to measure its volumes, by walking through them."""
COPIER = "dinv-clone-"
"""What the names of containers begin with that copy a volume; the name of the new one follows."""
YOUNG_SECONDS = 600.0
"""A volume of another store may be without a container for that long, in the middle of a create."""
FRESH_SECONDS = 60.0
"""A container that copies may be made and not started, or have ended and not been taken away, for that long:
whoever watches it looks at it now and then."""
CACHE = "cache"

IN_USE = "in use"
KEPT = "kept"
LEFT = "left"
COPYING = "copying"
UNFINISHED = "unfinished"
UNUSED = "unused"


class CacheVolume:
    """A volume of a machine, or a copy of one.

    `machine` is the machine that it was made for, "" for a copy; `owner` the one of this store that has it,
    or ""; `role` is "cache", or of another volume that its image wants. `users` are the names of containers
    that have it, running or not. `size` is in bytes, None if the endpoint does not tell; `created` RFC 3339,
    or "". `ours` is whether this store has made it, as far as is known. `clone_of` is the volume that it is a
    copy of; `copying` whether it is being made at the moment, `unfinished` whether that was broken off;
    `copier` the id of the container that is there for it, or "".
    """

    def __init__(self, name: str, endpoint: str, labels: Mapping[str, str]) -> None:
        self.name = name
        self.endpoint = endpoint
        self.machine = labels.get(LABEL, "")
        self.machine_id = labels.get(LABEL_ID, "")
        self.role = labels.get(LABEL_ROLE, "")
        self.clone_of = labels.get(LABEL_CLONE_OF, "")
        self.users: list[str] = []
        self.running: list[str] = []
        """Those of `users` that run."""
        self.owner = ""
        self.owner_there = False
        """Whether a container of its machine is on the endpoint, of whichever store."""
        self.ours = False
        self.copying = False
        self.unfinished = False
        self.copier = ""
        self.young = False
        """Whether a create of another store may be about to make its machine."""
        self.size: int | None = None
        self.created = ""
        self.options: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<CacheVolume {self.name} {self.state}>"

    @property
    def state(self) -> str:
        """A word for who has it.

        "in use", "copying", "unfinished"; "kept" for a machine of this store that has no container, or whose
        container has another volume; "left" by a machine that is gone; "unused".
        """
        if self.copying:
            return COPYING
        if self.unfinished:
            return UNFINISHED
        if self.users:
            return IN_USE
        if self.owner or self.owner_there:
            return KEPT
        return LEFT if self.machine_id else UNUSED

    def is_left(self, *, everyone: bool) -> bool:
        """Return whether its machine is gone, or its copying was broken off, so that `prune` removes it."""
        if not (self.ours or everyone):
            return False
        if self.unfinished:
            return True
        return self.state == LEFT and (self.ours or not self.young)


def of_machine(config: MachineConfig) -> str:
    """Return the name of a machine's cache volume, "" if it has none."""
    return str(config.driver.get("CacheVolume") or "")


def endpoints(store: Store) -> list[Endpoint]:
    """Return the endpoints on which machines of the store have volumes, each once."""
    found: dict[str, Endpoint] = {}
    for name in store.names():
        with contextlib.suppress(DinvError):
            config = store.load(name)
            endpoint = drivers.of(config).volumes_endpoint(config)
            if endpoint is not None:
                found.setdefault(endpoint.url, endpoint)
    return list(found.values())


def look(engine: Engine, store: Store, *, sizes: bool) -> list[CacheVolume]:
    """Return the volumes of an endpoint that are dinv's, or of a machine of `store`, by name.

    With `sizes` the endpoint is asked to measure them; one that cannot, as a VCH, leaves them unknown.
    """
    info = engine.info()
    if engine.transient is None:
        # A VCH refuses a call now and then that it takes a moment later.
        engine.transient = flavours.detect(info).transient
    # How old a thing is, is a question for the clock that it was made by.
    now = leasing.instant(str(info.get("SystemTime") or "")) or time.time()
    volumes = engine.volumes.list()
    containers = engine.containers.list(all=True)
    records = _Records(store)
    mine = identity.known(store)
    measured = _measured(engine) if sizes else {}
    machines = {str((each.get("Labels") or {}).get(LABEL_ID) or "") for each in containers}
    users = _users(engine, containers)
    found = []
    for each in volumes:
        name, labels = str(each["Name"]), each.get("Labels") or {}
        owner = records.owner(name, labels)
        if not (LABEL_ID in labels or LABEL_CLONE_OF in labels or owner):
            continue
        volume = CacheVolume(name, engine.address, labels)
        volume.owner = owner
        volume.owner_there = bool(volume.machine_id) and volume.machine_id in machines
        volume.ours = bool(owner) or (bool(mine) and labels.get(LABEL_STORE) == mine)
        volume.options = dict(each.get("Options") or {})
        volume.created = str(each.get("CreatedAt") or "")
        made = leasing.instant(volume.created)  # a VCH does not tell
        volume.young = made is not None and now - made < YOUNG_SECONDS
        volume.size = measured.get(name)
        for user in users.get(name, ()):
            volume.users.append(user.name)
            if user.runs:
                volume.running.append(user.name)
            if user.name == COPIER + name:
                volume.copier = user.id
                volume.copying = user.runs or _is_fresh(engine, user.id, now)
                volume.unfinished = not volume.copying
        found.append(volume)
    return sorted(found, key=lambda volume: natural_order(volume.name))


def _is_fresh(engine: Engine, copier: str, now: float) -> bool:
    """Return whether a container that copies, and does not run, is watched by whoever has made it.

    That it is made, or that it has ended, is no sign of a copy that was broken off before some time has
    passed, by the endpoint's clock. A clock that was set back since is no reason to wait longer.
    """
    try:
        found = engine.containers.inspect(copier)
    except NotFound:
        return True  # taken away just now
    state = found.get("State") or {}
    said = (found.get("Created"), state.get("StartedAt"), state.get("FinishedAt"))
    times = [leasing.instant(str(text or "")) for text in said]
    return any(when is not None and abs(now - when) < FRESH_SECONDS for when in times)


class _User(NamedTuple):
    """A container that has a volume."""

    name: str
    id: str
    state: str

    @property
    def runs(self) -> bool:
        return self.state not in ("exited", "created", "dead")


class _Records:
    """The machines of a store, by their identities and by the volumes that they have."""

    def __init__(self, store: Store) -> None:
        self._by_identity: dict[str, str] = {}
        self._by_volume: dict[str, str] = {}
        self._unreadable: set[str] = set()
        for name in store.names():
            try:
                config = store.load(name)
            except DinvError:
                self._unreadable.add(name)
                continue
            if config.identity:
                self._by_identity[config.identity] = name
            if of_machine(config):
                self._by_volume[of_machine(config)] = name

    def owner(self, volume: str, labels: Mapping[str, str]) -> str:
        """Return the machine that has a volume; the one of this name, if its record cannot be read."""
        found = self._by_identity.get(labels.get(LABEL_ID, "")) or self._by_volume.get(volume)
        if found:
            return found
        named = labels.get(LABEL, "")
        return named if named in self._unreadable else ""


def _users(engine: Engine, containers: Iterable[Mapping[str, Any]]) -> dict[str, list[_User]]:
    """Return by volume the containers that have it. A VCH's list has no mounts."""
    found: dict[str, list[_User]] = {}
    for each in containers:
        name = (each.get("Names") or ["?"])[0].lstrip("/")
        user = _User(name, str(each.get("Id") or name), str(each.get("State", "")).lower())
        mounts = each.get("Mounts")
        if mounts is None:
            with contextlib.suppress(NotFound):
                mounts = engine.containers.inspect(user.id).get("Mounts")
        for volume in {str(mount["Name"]) for mount in mounts or () if mount.get("Name")}:
            found.setdefault(volume, []).append(user)
    return found


def _measured(engine: Engine) -> dict[str, int]:
    """Return the bytes of each volume, as far as the endpoint tells."""
    try:
        usage = engine.disk_usage(timeout=SIZE_SECONDS)
    except (EngineError, DeadlineExceeded):
        return {}
    sizes = {}
    for each in usage.get("Volumes") or ():
        size = int((each.get("UsageData") or {}).get("Size", -1))
        if size >= 0:
            sizes[str(each.get("Name"))] = size
    return sizes
