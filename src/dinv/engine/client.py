"""Engine: a client of one endpoint, with the calls grouped by subject."""

from __future__ import annotations

from dinv.engine import shapes
from dinv.engine.calls import Calls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dinv.engine.containers import Containers
    from dinv.engine.execs import Execs
    from dinv.engine.images import Images
    from dinv.engine.networks import Networks
    from dinv.engine.swarm import Swarm
    from dinv.engine.volumes import Volumes
    from dinv.system.deadline import Deadline


_CALLS = ("images", "volumes", "networks", "containers", "execs", "swarm")


class Engine(Calls):
    """A client of one Docker Engine API endpoint.

    `timeout` (seconds) applies to each call without one of its own: connecting, sending, and the whole
    answer. Wherever a call takes `timeout`, a running Deadline is accepted too, and `math.inf` means no
    limit. `trace` is called with one line for each call: method, path and query, status, milliseconds;
    never a header or a body.

    One connection is kept for the next call (over ssh:// it is an ssh process). Close the engine, or use it
    in a `with`. Calls may be made from several threads.

    Every call can raise EndpointUnreachable, EndpointTLSError, EndpointTooOld, DeadlineExceeded, and the
    subclasses of EngineError.
    """

    # One object for each of _CALLS; functools.cached_property takes 2 ms to import.
    if TYPE_CHECKING:
        images: Images
        volumes: Volumes
        networks: Networks
        containers: Containers
        execs: Execs
        swarm: Swarm

    else:

        def __getattr__(self, name: str) -> object:
            """The calls about one kind of object, made when they are first asked for."""
            if name not in _CALLS:
                raise AttributeError(f"an Engine has no attribute {name!r}")
            kind = name.capitalize()
            made = getattr(__import__(f"dinv.engine.{name}", fromlist=[kind]), kind)(self)
            setattr(self, name, made)
            return made

    def info(self, timeout: float | Deadline | None = None) -> dict[str, Any]:
        """`GET /info`."""
        found: dict[str, Any] = self.json("GET", "/info", shape=shapes.INFO, timeout=timeout)
        return found

    def disk_usage(self, timeout: float | Deadline | None = None) -> dict[str, Any]:
        """`GET /system/df`: the bytes that images, containers, volumes and the build cache take."""
        found: dict[str, Any] = self.json("GET", "/system/df", shape=shapes.DISK_USAGE, timeout=timeout)
        return found
