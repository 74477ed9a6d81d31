"""The calls about a swarm: the daemon's own part in one, and, on a manager, its nodes and tasks.

A daemon that is not a manager answers most of these with 503 (moby: daemon/cluster/errors.go). Tokens and
keys travel in bodies, which are never traced.
"""

from __future__ import annotations

from dinv.engine import shapes
from dinv.engine.wire.http_syntax import quote
from dinv.errors import ServerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from dinv.engine.calls import Calls
    from dinv.system.deadline import Deadline

    JSON = dict[str, Any]
    JSONList = list[dict[str, Any]]

OUT_OF_SEQUENCE = "update out of sequence"
"""What an update based on an earlier version is refused with (swarmkit: manager/state/store/memory.go)."""
TRIES = 10


class Swarm:
    """`engine.swarm`. Answers are the API's own objects; nodes go by their id."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    # The daemon's own part in it

    def state(self, *, timeout: float | Deadline | None = None) -> JSON:
        """Return `Swarm` of `GET /info`, which every daemon answers, in a swarm or not.

        `LocalNodeState` is inactive, pending, active, locked or error; `ControlAvailable` says whether it is
        a manager that serves; `Cluster` is there on managers only.
        """
        found: JSON = self._calls.json("GET", "/info", shape=shapes.SWARM_INFO, timeout=timeout)
        return found.get("Swarm") or {}

    def init(self, body: Mapping[str, Any], *, timeout: float | Deadline | None = None) -> str:
        """Make the daemon the first manager of a swarm; return its node's id. `body` is an InitRequest."""
        return str(self._calls.json("POST", "/swarm/init", body=body, shape=str, timeout=timeout))

    def join(self, body: Mapping[str, Any], *, timeout: float | Deadline | None = None) -> None:
        """Make the daemon a node of a swarm. `body` is a JoinRequest, with the token.

        After 20 s the daemon answers 503, and goes on trying in the background.
        """
        self._calls.call("POST", "/swarm/join", body=body, timeout=timeout)

    def leave(self, *, force: bool = False, timeout: float | Deadline | None = None) -> None:
        """Have the daemon leave its swarm; a manager only does so with `force`."""
        self._calls.call("POST", "/swarm/leave", query={"force": force}, timeout=timeout)

    def unlock(self, key: str, *, timeout: float | Deadline | None = None) -> None:
        """Unlock a manager that was started locked. Raises Unauthorized (401) for another key."""
        self._calls.call("POST", "/swarm/unlock", body={"UnlockKey": key}, timeout=timeout)

    # What managers know

    def inspect(self, *, timeout: float | Deadline | None = None) -> JSON:
        """Return the swarm, with its `JoinTokens`."""
        found: JSON = self._calls.json("GET", "/swarm", shape=shapes.SWARM, timeout=timeout)
        return found

    def unlock_key(self, *, timeout: float | Deadline | None = None) -> str:
        """Return the key that unlocks managers; "" if they are not locked."""
        found = self._calls.json("GET", "/swarm/unlockkey", shape={"UnlockKey": str}, timeout=timeout)
        return found.get("UnlockKey") or ""

    def update(
        self,
        change: Callable[[JSON], None],
        *,
        rotate_unlock_key: bool = False,
        timeout: float | Deadline | None = None,
    ) -> None:
        """Change the swarm's `Spec` in place by `change`, whatever else is changing it."""

        def attempt() -> None:
            found = self.inspect(timeout=timeout)
            spec = found.get("Spec") or {}
            change(spec)
            query = {"version": _version(found), "rotateManagerUnlockKey": rotate_unlock_key}
            self._calls.call("POST", "/swarm/update", query=query, body=spec, timeout=timeout)

        _in_sequence(attempt)

    def nodes(self, *, timeout: float | Deadline | None = None) -> JSONList:
        """Return all nodes."""
        found: JSONList = self._calls.json("GET", "/nodes", shape=shapes.NODES, timeout=timeout)
        return found

    def node(self, node: str, *, timeout: float | Deadline | None = None) -> JSON:
        """Return one node. Raises NotFound."""
        found: JSON = self._calls.json("GET", f"/nodes/{quote(node)}", shape=shapes.NODE, timeout=timeout)
        return found

    def update_node(self, node: str, *, timeout: float | Deadline | None = None, **changes: str) -> None:
        """Change `Role` or `Availability` of a node, whatever else is changing it. Raises NotFound.

        The last manager, and one without which the rest would have no quorum, is not demoted: BadRequest.
        """

        def attempt() -> None:
            found = self.node(node, timeout=timeout)
            spec = found.get("Spec") or {}
            if all(spec.get(key) == value for key, value in changes.items()):
                return
            path, query = f"/nodes/{quote(node)}/update", {"version": _version(found)}
            self._calls.call("POST", path, query=query, body={**spec, **changes}, timeout=timeout)

        _in_sequence(attempt)

    def remove_node(self, node: str, *, force: bool = False, timeout: float | Deadline | None = None) -> None:
        """Remove a node that is down, or any with `force`, but no manager. Raises NotFound, BadRequest."""
        self._calls.call("DELETE", f"/nodes/{quote(node)}", query={"force": force}, timeout=timeout)

    def tasks(
        self, *, filters: Mapping[str, list[str]] | None = None, timeout: float | Deadline | None = None
    ) -> JSONList:
        """Return the tasks that match all of `filters`, such as `{"node": [ID]}`."""
        found: JSONList = self._calls.json(
            "GET", "/tasks", query={"filters": filters or None}, shape=shapes.TASKS, timeout=timeout
        )
        return found


def _version(found: Mapping[str, Any]) -> int:
    return int((found.get("Version") or {}).get("Index") or 0)


def _in_sequence(attempt: Callable[[], None]) -> None:
    """Try an update again whose object was changed by somebody else since it was read."""
    for left in reversed(range(TRIES)):
        try:
            attempt()
        except ServerError as error:
            if OUT_OF_SEQUENCE not in error.message or not left:
                raise
        else:
            return
