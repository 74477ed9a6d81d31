"""A cache's objects on its endpoint: its container and its volume, found by label, and the way into them."""

from __future__ import annotations

import contextlib

from dinv.drivers import clock
from dinv.drivers.docker.flavours import detect
from dinv.endpoints.resolve import Endpoint
from dinv.errors import CacheNotReady, DinvError, NotFound
from dinv.labels import LABEL_CACHE, LABEL_CACHE_ID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    from dinv.channel import Channel
    from dinv.drivers.docker.flavours.engine import EngineFlavour
    from dinv.engine import Engine
    from dinv.registries.cache_record import CacheRecord

CHANGE_SECONDS = 60.0
REPORT_SECONDS = 60.0
"""Seconds for what a command in the cache's container prints: sizes of many files may have to be read."""
_LOG_LINES = 20
_MOST_SAID = 64 * 1024


class CacheSite:
    """One cache's endpoint. A context manager, which closes the connections at its end."""

    def __init__(self, record: CacheRecord, *, trace: Callable[[str], None] | None = None) -> None:
        self.record = record
        self.endpoint = Endpoint.recorded(record["Endpoint"])
        self.engine: Engine = self.endpoint.engine(trace=trace)
        self._flavour: EngineFlavour | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.engine.close()

    @property
    def flavour(self) -> EngineFlavour:
        """The endpoint's flavour by its `/info`, asked once."""
        if self._flavour is None:
            self._flavour = detect(self.engine.info())
            self.engine.transient = self._flavour.transient
        return self._flavour

    def channel(self) -> Channel:
        """The guest channel into the cache's container."""
        return self.flavour.channel(self.engine, self.record.container, self.record.name)

    def container(self) -> dict[str, Any] | None:
        """Return the cache's container, as inspected; None if there is none, or it is another's."""
        try:
            found = self.engine.containers.inspect(self.record.container)
        except NotFound:
            return None
        labels = (found.get("Config") or {}).get("Labels") or {}
        return found if labels.get(LABEL_CACHE_ID) == self.record.identity else None

    def volume(self) -> dict[str, Any] | None:
        """Return the volume with the cache's name if it is a cache's of this name; None else."""
        try:
            found = self.engine.volumes.inspect(self.record.volume)
        except NotFound:
            return None
        return found if (found.get("Labels") or {}).get(LABEL_CACHE) == self.record.name else None

    def system_time(self) -> str:
        """Return the endpoint's clock, RFC 3339; "" if it does not tell."""
        return str(self.engine.info(timeout=clock.ASK_SECONDS).get("SystemTime") or "")

    def output(self, *argv: str, timeout: float = REPORT_SECONDS) -> str:
        """Return what a command in the container prints, 64 KiB at most. Raises CacheNotReady, DinvError."""
        said = bytearray()

        def take(data: bytes) -> None:
            said.extend(data[: _MOST_SAID - len(said)])

        status = self.channel().run(argv, stdout=take, timeout=timeout)
        if status:
            raise CacheNotReady(
                self.record.name, f"{argv[0]} in its container ended with status {status}", self.log()
            )
        return said.decode(errors="replace")

    def reload(self) -> None:
        """Have its registries start anew, with the files that it has now. Raises CacheNotReady, DinvError."""
        self.output("/usr/local/lib/dinv-cache/reload")

    def log(self) -> str:
        """Return the last lines of its container's log, "" if there is none to be had."""
        said = bytearray()
        with (
            contextlib.suppress(DinvError),
            self.engine.containers.logs(
                self.record.container, tail=_LOG_LINES, timeout=CHANGE_SECONDS, body_timeout=CHANGE_SECONDS
            ) as output,
        ):
            for _, data in output:
                said.extend(data)
        return said[-_MOST_SAID:].decode(errors="replace").strip()


def running(container: dict[str, Any] | None) -> bool:
    """Return whether an inspected container runs."""
    return bool(container and (container.get("State") or {}).get("Running"))
