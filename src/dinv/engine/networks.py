"""The calls about networks."""

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


class Networks:
    """`engine.networks`. Answers are the API's own objects; networks go by name or id."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def create(
        self,
        name: str,
        *,
        driver: str | None = None,
        labels: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
        ipam: Mapping[str, Any] | None = None,
        internal: bool = False,
        timeout: float | Deadline | None = None,
    ) -> str:
        """Make a network and return its id. Raises Conflict when the name is taken."""
        body: JSON = {
            "Name": name,
            "CheckDuplicate": True,
            "Labels": dict(labels or {}),
            "Internal": internal,
        }
        if driver:
            body["Driver"] = driver
        if options:
            body["Options"] = dict(options)
        if ipam:
            body["IPAM"] = dict(ipam)
        found: str = self._calls.make("/networks/create", body, shape=shapes.CREATED, timeout=timeout)["Id"]
        return found

    def inspect(self, network: str, *, timeout: float | Deadline | None = None) -> JSON:
        """Return one network. Raises NotFound."""
        found: JSON = self._calls.json(
            "GET", f"/networks/{quote(network)}", shape=shapes.NETWORK, timeout=timeout
        )
        return found

    def remove(self, network: str, *, timeout: float | Deadline | None = None) -> None:
        """Remove a network. Raises NotFound, and Unauthorized (403) while containers are on it."""
        self._calls.call("DELETE", f"/networks/{quote(network)}", timeout=timeout)

    def connect(
        self,
        network: str,
        container: str,
        *,
        endpoint_config: Mapping[str, Any] | None = None,
        timeout: float | Deadline | None = None,
    ) -> None:
        """Attach a container. `endpoint_config` is the API's EndpointSettings (aliases, fixed addresses)."""
        body: JSON = {"Container": container}
        if endpoint_config:
            body["EndpointConfig"] = dict(endpoint_config)
        self._calls.call("POST", f"/networks/{quote(network)}/connect", body=body, timeout=timeout)

    def disconnect(
        self, network: str, container: str, *, force: bool = False, timeout: float | Deadline | None = None
    ) -> None:
        """Detach a container."""
        self._calls.call(
            "POST",
            f"/networks/{quote(network)}/disconnect",
            body={"Container": container, "Force": force},
            timeout=timeout,
        )

    def list(
        self, *, filters: Mapping[str, list[str]] | None = None, timeout: float | Deadline | None = None
    ) -> JSONList:
        """Return the networks that match all of `filters`."""
        found = self._calls.json(
            "GET", "/networks", query={"filters": filters or None}, shape=shapes.NETWORKS, timeout=timeout
        )
        networks: JSONList = found or []
        return networks
