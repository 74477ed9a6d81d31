"""Cache volumes as things of their own: whose, how large, how old; removed, and copied.

found.py    what there is on an endpoint, and whose it is
cloning.py  one volume copied to another, by a container
"""

from __future__ import annotations

from typing import NamedTuple, Self

from dinv.cache_volumes import cloning, found
from dinv.cache_volumes.found import CacheVolume
from dinv.drivers.docker.containers import CHANGE_SECONDS
from dinv.errors import (
    Conflict,
    DinvError,
    NoEndpoint,
    NotDone,
    NotFound,
    VolumeError,
    VolumeInUse,
    VolumeMissing,
)
from dinv.progress import Progress
from dinv.timeouts import LONGEST_SECONDS
from dinv.wording import command, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dinv.engine import Engine
    from dinv.store.store import Store

__all__ = ["CacheVolume", "CacheVolumes"]


class _Place(NamedTuple):
    """An endpoint: `named` if the user has said that it is meant."""

    engine: Engine
    named: bool


class CacheVolumes:
    """The volumes of dinv's on one endpoint, or on several. A context manager, which closes connections."""

    def __init__(
        self,
        store: Store,
        engines: Iterable[tuple[Engine, bool]],
        *,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        self._store = store
        self._places = [_Place(*place) for place in engines]
        self._trace = trace

    @classmethod
    def of_store(
        cls, store: Store, usual: Callable[[], Engine], *, trace: Callable[[str], None] | None = None
    ) -> Self:
        """Those of all endpoints with machines of the store, and of `usual()`, which `create` would use.

        `usual` may raise NoEndpoint: that is raised if there is no other endpoint either.
        """
        engines = [(each.engine(trace=trace), False) for each in found.endpoints(store)]
        try:
            one = usual()
        except NoEndpoint:
            if not engines:
                raise
        else:
            if one.address not in [engine.address for engine, _ in engines]:
                engines.append((one, False))
        return cls(store, engines, trace=trace)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the endpoints."""
        for place in self._places:
            place.engine.close()

    @property
    def endpoints(self) -> list[str]:
        """The addresses of the endpoints that are asked."""
        return [place.engine.address for place in self._places]

    def unused(self, *, everyone: bool = False, progress: Progress | None = None) -> list[CacheVolume]:
        """Return the volumes whose machine is gone: no record here has it, and no container there.

        Those are what `prune` removes, with copies that were broken off. Only volumes that this store has
        made; with `everyone` also those of other stores, and of versions of dinv that did not note the store.
        A copy that is whole never had a machine, and is not among them.
        """
        return [
            volume for volume in self.list(sizes=True, progress=progress) if volume.is_left(everyone=everyone)
        ]

    def remove(self, name: str, *, force: bool = False) -> None:
        """Remove a volume that no machine has. `force` also breaks off the copy that it is being made by.

        Raises VolumeMissing, VolumeInUse, and VolumeError if several endpoints have one of the name.
        """
        engine, volume = self._one(name)
        if volume.copying and not force:
            raise cloning.being_made(volume)
        _check_unused(volume)
        if volume.unfinished:
            cloning.let_go(engine, volume)
        elif volume.copying:
            cloning.remove_copier(engine, volume.copier)
        _remove(engine, volume)

    def prune(self, *, everyone: bool = False, progress: Progress | None = None) -> list[CacheVolume]:
        """Remove the volumes of `unused`; return those that were removed. What has got a user stays."""
        removed = []
        for volume in self.unused(everyone=everyone, progress=progress):
            try:
                engine, now = self._one(volume.name, endpoint=volume.endpoint)
                if not now.is_left(everyone=everyone):
                    continue
                if now.unfinished:
                    cloning.let_go(engine, now)
                _remove(engine, now)
            except (VolumeInUse, VolumeMissing):
                continue
            removed.append(volume)
        return removed

    def clone(
        self,
        source: str,
        target: str,
        *,
        stop: bool = False,
        timeout: float = LONGEST_SECONDS,
        progress: Progress | None = None,
    ) -> CacheVolume:
        """Copy a volume to a new one called `target`, on the same endpoint, for `create --cache-volume`.

        `source` is a volume, or a machine of the store, whose cache volume is meant. Nobody may use it while
        it is copied: with `stop` its machine is stopped for that long. The copy is made by a container there,
        from a machine image. `timeout` is in seconds, for all of it. Raises VolumeMissing, VolumeInUse,
        VolumeError, ImageMissing.
        """
        engine, volume = self._source(source)
        cloning.clone(
            engine,
            self._store,
            volume,
            target,
            stop=stop,
            timeout=timeout,
            progress=progress or Progress(),
            trace=self._trace,
        )
        for made in found.look(engine, self._store, sizes=False):
            if made.name == target:
                return made
        raise VolumeMissing(target, f"Volume {target} was copied, and somebody has removed it since.")

    def _source(self, name: str) -> tuple[Engine, CacheVolume]:
        try:
            return self._one(name)
        except VolumeMissing:
            if not self._store.exists(name):
                raise
        volume = found.of_machine(self._store.load(name))
        return self._one(volume) if volume else self._one(name)

    def _one(self, name: str, *, endpoint: str = "") -> tuple[Engine, CacheVolume]:
        """Return the volume of this name, and its endpoint. Raises VolumeMissing, VolumeError, ..."""
        there = []
        for place in self._places:
            if endpoint and place.engine.address != endpoint:
                continue
            try:
                volumes = found.look(place.engine, self._store, sizes=False)
            except DinvError:
                if place.named or len(self._places) == 1:
                    raise
                continue
            there += [(place.engine, volume) for volume in volumes if volume.name == name]
        if not there:
            asked = ", ".join(self.endpoints) or "no endpoint"
            raise VolumeMissing(
                name,
                f"There is no volume {name} of dinv's on {asked}. "
                + command("volume", "ls")
                + " lists them. Others are docker's: docker volume ls",
            )
        if len(there) > 1:
            places = " and ".join(volume.endpoint for _, volume in there)
            raise VolumeError(
                name,
                f"There is a volume {name} on {places}. Say which one is meant, with " + option("endpoint"),
            )
        return there[0]

    # Last, because within the class body `list` means this method from here on

    def list(self, *, sizes: bool = True, progress: Progress | None = None) -> list[CacheVolume]:
        """Return the volumes, by endpoint and name. Sizes are measured by the endpoint, which may take long.

        An endpoint that does not answer is a warning, unless it is the only one, or was named.
        """
        volumes: list[CacheVolume] = []
        for place in self._places:
            try:
                volumes += found.look(place.engine, self._store, sizes=sizes)
            except DinvError as error:
                if place.named or len(self._places) == 1:
                    raise
                (progress or Progress()).warn(error.text)
        return volumes


def _check_unused(volume: CacheVolume) -> None:
    """Raise VolumeInUse if a machine has it, or another container."""
    users = [user for user in volume.users if user != cloning.container(volume.name)]
    if volume.owner:
        raise VolumeInUse(
            volume.name,
            f'Volume {volume.name} is the one of machine "{volume.owner}". It is removed with the machine: '
            + command("rm", volume.owner),
            users,
        )
    if users:
        whose = f"machine {volume.machine} of another store" if volume.machine else "a container"
        raise VolumeInUse(
            volume.name,
            f"Volume {volume.name} is in use by {whose}: {', '.join(users)}. Remove that first.",
            users,
        )


def _remove(engine: Engine, volume: CacheVolume) -> None:
    """Remove a volume; one that is gone already is not an error. Raises VolumeInUse."""
    try:
        engine.volumes.remove(volume.name, timeout=CHANGE_SECONDS)
    except NotFound:
        return
    except Conflict as error:
        raise VolumeInUse(
            volume.name,
            f"Volume {volume.name} has just got a user: {error.message}",
            volume.users,
        ) from error
    if any(each["Name"] == volume.name for each in engine.volumes.list()):
        raise NotDone(engine.address, f"removed volume {volume.name}", "still has it")
