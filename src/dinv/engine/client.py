"""Engine: a client of one endpoint, with the calls grouped by subject."""

from __future__ import annotations

from functools import cached_property

from dinv.engine import shapes
from dinv.engine.calls import Calls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dinv.engine.containers import Containers
    from dinv.engine.execs import Execs
    from dinv.engine.images import Images
    from dinv.engine.networks import Networks
    from dinv.engine.volumes import Volumes
    from dinv.system.deadline import Deadline


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

    @cached_property
    def images(self) -> Images:
        """The calls about images."""
        from dinv.engine.images import Images

        return Images(self)

    @cached_property
    def volumes(self) -> Volumes:
        """The calls about volumes."""
        from dinv.engine.volumes import Volumes

        return Volumes(self)

    @cached_property
    def networks(self) -> Networks:
        """The calls about networks."""
        from dinv.engine.networks import Networks

        return Networks(self)

    @cached_property
    def containers(self) -> Containers:
        """The calls about containers."""
        from dinv.engine.containers import Containers

        return Containers(self)

    @cached_property
    def execs(self) -> Execs:
        """The calls about commands run in containers."""
        from dinv.engine.execs import Execs

        return Execs(self)

    def info(self, timeout: float | Deadline | None = None) -> dict[str, Any]:
        """`GET /info`."""
        found: dict[str, Any] = self.json("GET", "/info", shape=shapes.INFO, timeout=timeout)
        return found

    def disk_usage(self, timeout: float | Deadline | None = None) -> dict[str, Any]:
        """`GET /system/df`: the bytes that images, containers, volumes and the build cache take."""
        found: dict[str, Any] = self.json("GET", "/system/df", shape=shapes.DISK_USAGE, timeout=timeout)
        return found
