"""The calls about volumes."""

from __future__ import annotations

from dinv.engine import shapes
from dinv.engine.wire.http_syntax import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from dinv.engine.calls import Calls
    from dinv.system.deadline import Deadline

    JSON = dict[str, Any]
    JSONList = list[dict[str, Any]]


class Volumes:
    """`engine.volumes`. Answers are the API's own objects."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def create(
        self,
        name: str,
        *,
        labels: Mapping[str, str] | None = None,
        driver: str | None = None,
        driver_opts: Mapping[str, str] | None = None,
        timeout: float | Deadline | None = None,
    ) -> JSON:
        """Create a volume. If one of this name and driver exists, an Engine returns it, without an error."""
        body: JSON = {"Name": name, "Labels": dict(labels or {}), "DriverOpts": dict(driver_opts or {})}
        if driver:
            body["Driver"] = driver
        found: JSON = self._calls.make("/volumes/create", body, shape=shapes.VOLUME, timeout=timeout)
        return found

    def inspect(self, name: str, *, timeout: float | Deadline | None = None) -> JSON:
        """Return one volume. Raises NotFound."""
        found: JSON = self._calls.json("GET", f"/volumes/{quote(name)}", shape=shapes.VOLUME, timeout=timeout)
        return found

    def remove(self, name: str, *, force: bool = False, timeout: float | Deadline | None = None) -> None:
        """Remove a volume. Raises NotFound, and Conflict while a container uses it."""
        self._calls.call("DELETE", f"/volumes/{quote(name)}", query={"force": force}, timeout=timeout)

    def list(
        self, *, filters: Mapping[str, list[str]] | None = None, timeout: float | Deadline | None = None
    ) -> JSONList:
        """Return the volumes that match all of `filters`, such as `{"label": ["a=b"]}`."""
        found = self._calls.json(
            "GET", "/volumes", query={"filters": filters or None}, shape=shapes.VOLUMES, timeout=timeout
        )
        # moby before 23 returns null for none.
        volumes: JSONList = found.get("Volumes") or []
        return volumes
