"""Swarms in memory: daemons that are nodes, with moby's answers, under the calls of `engine.swarm`.

As strict as dockerd where dinv meets it, after moby 29's daemon/cluster/{swarm,nodes,cluster,errors}.go and
daemon/server/router/swarm, and swarmkit's manager/controlapi/node.go and manager/state/raft/raft.go: unknown
keys are refused, updates out of sequence too, managers are not removed before they are demoted, nor demoted
where the rest would have no quorum, and without a quorum nothing is decided. What takes time there takes time
here, by a clock of its own (`World.sleep`).
"""

from __future__ import annotations

import copy
import itertools
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

from dinv.engine import shapes
from dinv.engine.swarm import Swarm
from dinv.errors import (
    BadRequest,
    Conflict,
    EndpointUnreachable,
    NotFound,
    ServerError,
    Unauthorized,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dinv.errors import (
        EngineError,
    )

    JSON = dict[str, Any]

NO_SWARM = 'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.'  # noqa: E501  (moby's)
NOT_MANAGER = "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this command on a manager node or promote the current node to a manager."  # noqa: E501
LOCKED = 'Swarm is encrypted and needs to be unlocked before it can be used. Please use "docker swarm unlock" to unlock it.'  # noqa: E501
PART = (
    'This node is already part of a swarm. Use "docker swarm leave" to leave this swarm and join another one.'
)
NOT_PART = "This node is not part of a swarm"
NO_LEADER = "rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that too few managers are online. Make sure more than half of the managers are online."  # noqa: E501
TIMED_OUT = 'Timeout was reached before node joined. The attempt to join the swarm will continue in the background. Use the "docker info" command to see the current swarm status of your node.'  # noqa: E501
LIVE_RESTORE = "--live-restore daemon configuration is incompatible with swarm mode"

INIT_KEYS = {
    "ListenAddr",
    "AdvertiseAddr",
    "DataPathAddr",
    "DataPathPort",
    "ForceNewCluster",
    "Spec",
    "AutoLockManagers",
    "Availability",
    "DefaultAddrPool",
    "SubnetSize",
}
JOIN_KEYS = {"ListenAddr", "AdvertiseAddr", "DataPathAddr", "RemoteAddrs", "JoinToken", "Availability"}
DOWN_SECONDS = 12.0
ELECTION_SECONDS = 3.0


class Killed(BaseException):
    """dinv is killed at a call: nothing after it is done."""


class Cluster:
    """One swarm: what its managers agree on."""

    def __init__(self, number: int, *, autolock: bool, pool: list[str]) -> None:
        self.id = f"swarm{number}"
        self.version = 10
        self.autolock = autolock
        self.keys = ["SWMKEY-1-first"] if autolock else []
        self.pool = pool
        self.nodes: dict[str, JSON] = {}
        self.raft: set[str] = set()
        self.services = 0

    def token(self, role: str) -> str:
        return f"SWMTKN-1-{self.id}-{role}"


class Daemon:
    """A machine's daemon: up or not, and what it has of a swarm on its disk."""

    def __init__(self, world: World, name: str, address: str, labels: Mapping[str, str]) -> None:
        self.world = world
        self.name = name
        self.address = address
        self.labels = dict(labels)
        self.up = True
        self.up_since = -100.0
        self.down_since = 0.0
        self.live_restore = False
        self.state = "inactive"
        self.node = ""
        self.cluster: Cluster | None = None
        self.key = ""
        self.api = (1, 47)

    # Going up and down

    def stop(self) -> None:
        self.up, self.down_since = False, self.world.now

    def start(self) -> None:
        self.up, self.up_since = True, self.world.now
        if self.cluster and self.node in self.cluster.raft and self.cluster.autolock:
            self.state = "locked"

    @property
    def takes_part(self) -> bool:
        return self.up and self.state == "active" and self.world.reaches(self.name)

    # What it decides

    def manages(self) -> Cluster:
        """The swarm that it manages. Raises what moby answers otherwise."""
        if self.state == "locked":
            raise refused(503, LOCKED)
        if self.cluster is None:
            raise refused(503, NO_SWARM)
        if self.node not in self.cluster.raft:
            raise refused(503, NOT_MANAGER)
        if not self.world.decides(self.cluster):
            self.world.sleep(20)
            raise refused(500, NO_LEADER)
        return self.cluster


def refused(status: int, message: str) -> EngineError:
    kinds: dict[int, type[EngineError]] = {400: BadRequest, 401: Unauthorized, 404: NotFound, 409: Conflict}
    return kinds.get(status, ServerError)(message, status=status)


class World:
    """All daemons, by machine name; `calls` are noted as "NAME METHOD PATH"."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.daemons: dict[str, Daemon] = {}
        self.clusters: list[Cluster] = []
        self.calls: list[str] = []
        self.bodies: list[tuple[str, Any]] = []
        self.cut_off: set[str] = set()
        self.lagging = False
        """Whether a leader that has lost the others has not noticed yet."""
        self.stale_until = 0.0
        """Until when managers that have gone are counted as reachable, and a leader decides on its own."""
        self.unanswering: set[str] = set()
        """Machines that are well, but do not answer dinv."""
        self.gone: dict[str, float] = {}
        """When the machine of a node went, with its disk."""
        self.kill_at: int | None = None
        """Which change, counted from 0, is the one at which dinv is killed."""
        self.kill_after = False
        """Whether it has been done by then."""
        self.changes = 0
        self.conflicts = 0
        """How many of the next updates come too late: somebody else was faster."""
        self._numbers = itertools.count(1)

    # A clock

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for cluster in self.clusters:
            if self.decides(cluster):
                for node in cluster.nodes.values():
                    if node["Spec"]["Role"] == "worker":
                        cluster.raft.discard(node["ID"])

    def clock(self) -> SimpleNamespace:
        return SimpleNamespace(monotonic=self.monotonic, sleep=self.sleep)

    # Daemons

    def daemon(self, name: str, address: str, labels: Mapping[str, str]) -> Daemon:
        made = self.daemons[name] = Daemon(self, name, address, labels)
        return made

    def remove(self, name: str) -> None:
        """The machine is gone, with its disk."""
        gone = self.daemons.pop(name, None)
        if gone is not None:
            gone.stop()
            self.gone[gone.node] = self.now

    def reaches(self, name: str) -> bool:
        return name not in self.cut_off

    def of_node(self, node: str) -> Daemon | None:
        return next((daemon for daemon in self.daemons.values() if daemon.node == node), None)

    def decides(self, cluster: Cluster) -> bool:
        if self.lagging or self.now < self.stale_until:
            return True
        reachable = sum(self.reachable(node) for node in cluster.raft)
        return reachable > len(cluster.raft) // 2

    def reachable(self, node: str) -> bool:
        daemon = self.of_node(node)
        return daemon is not None and daemon.takes_part

    def state_of(self, node: str) -> str:
        daemon = self.of_node(node)
        if daemon is None:
            return "ready" if self.now - self.gone.get(node, 0.0) < DOWN_SECONDS else "down"
        if daemon.takes_part:
            return "ready"
        return "ready" if self.now - daemon.down_since < DOWN_SECONDS and daemon.state != "locked" else "down"

    def change(self, done: Callable[[], Any] | None = None) -> Any:
        """A change that may be the one at which dinv is killed: before it, or after."""
        number = self.changes
        self.changes += 1
        if self.kill_at == number and not self.kill_after:
            raise Killed
        found = done() if done is not None else None
        if self.kill_at == number:
            raise Killed
        return found

    def hostnames(self) -> list[str]:
        return sorted(
            str(node["Description"]["Hostname"]) for each in self.clusters for node in each.nodes.values()
        )


class FakeClient:
    """The client of one daemon, as far as a provisioner of swarms uses an Engine."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.swarm = Swarm(self)  # type: ignore[arg-type]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        pass

    @property
    def api_version(self) -> str:
        return "{}.{}".format(*self._daemon().api)

    def at_least(self, version: str) -> bool:
        major, minor = map(int, version.split("."))
        return self._daemon().api >= (major, minor)

    def ping(self, timeout: float) -> None:
        assert timeout
        self._daemon()

    def info(self, timeout: float) -> JSON:
        assert timeout
        return {"LiveRestoreEnabled": self._daemon().live_restore}

    def _daemon(self) -> Daemon:
        daemon = self.world.daemons.get(self.name)
        if daemon is None or not daemon.up or self.name in self.world.unanswering:
            raise EndpointUnreachable(f"tcp://{self.name}:2376", "nothing listens there")
        return daemon

    # What `Calls` has

    def json(
        self,
        method: str,
        path: str,
        *,
        query: JSON | None = None,
        body: object = None,
        shape: Any = object,
        timeout: object = None,
    ) -> Any:
        assert timeout is not None or method == "GET" or path.startswith("/nodes")
        found = self._answer(method, path, query or {}, body)
        assert shapes.fault(found, shape) == "", f"the stand-in's own answer to {method} {path}"
        return copy.deepcopy(found)

    def call(
        self,
        method: str,
        path: str,
        *,
        query: JSON | None = None,
        body: object = None,
        timeout: object = None,
    ) -> bytes:
        self.json(method, path, query=query, body=body, timeout=timeout or 1)
        return b""

    def _answer(self, method: str, path: str, query: JSON, body: Any) -> Any:  # noqa: C901, PLR0911, PLR0912  (a table)
        daemon = self._daemon()
        self.world.calls.append(f"{self.name} {method} {path}")
        if body is not None:
            self.world.bodies.append((path, body))
        change = self.world.change
        match method, path:
            case "GET", "/info":
                return {"Swarm": _info(daemon)}
            case "POST", "/swarm/init":
                return change(lambda: _init(daemon, body))
            case "POST", "/swarm/join":
                return change(lambda: _join(daemon, body))
            case "POST", "/swarm/leave":
                return change(lambda: _leave(daemon, force=bool(query["force"])))
            case "POST", "/swarm/unlock":
                return _unlock(daemon, body)
            case "GET", "/swarm":
                return _inspect(daemon.manages())
            case "GET", "/swarm/unlockkey":
                return {"UnlockKey": (daemon.manages().keys or [""])[0]}
            case "POST", "/swarm/update":
                return change(lambda: _update(daemon.manages(), query, body))
            case "GET", "/nodes":
                cluster = daemon.manages()
                return [_node(daemon.world, cluster, each) for each in cluster.nodes.values()]
            case "GET", "/tasks":
                return _tasks(daemon, query["filters"])
        found = re.fullmatch(r"/nodes/([a-z0-9]+)(/update)?", path)
        assert found, f"{method} {path} is none of the calls that the stand-in knows"
        cluster = daemon.manages()
        node = cluster.nodes.get(found[1])
        if node is None:
            raise refused(404, f"node {found[1]} not found")
        if method == "GET":
            return _node(daemon.world, cluster, node)
        if method == "DELETE":
            return change(lambda: _remove(daemon.world, cluster, node, force=bool(query["force"])))
        assert (method, found[2]) == ("POST", "/update")
        return change(lambda: _update_node(daemon.world, cluster, node, query, body))


def _info(daemon: Daemon) -> JSON:
    world, cluster = daemon.world, daemon.cluster
    said: JSON = {
        "NodeID": "" if daemon.state == "locked" else daemon.node,
        "NodeAddr": daemon.address,
        "LocalNodeState": daemon.state,
        "ControlAvailable": False,
        "Error": "",
        "RemoteManagers": None,
    }
    if cluster is None or daemon.state == "locked":
        return said
    managers = [each for each in cluster.nodes.values() if each["ID"] in cluster.raft]
    said["RemoteManagers"] = [{"NodeID": each["ID"], "Addr": each["Addr"]} for each in managers] or None
    if daemon.node in cluster.raft:
        said["ControlAvailable"] = True
        if world.decides(cluster):
            said |= {"Cluster": _cluster(cluster), "Nodes": len(cluster.nodes), "Managers": len(managers)}
        else:
            said |= {"Error": NO_LEADER, "Cluster": {"ID": ""}}
    return said


def _cluster(cluster: Cluster) -> JSON:
    return {
        "ID": cluster.id,
        "Version": {"Index": cluster.version},
        "Spec": {"Name": "default", "EncryptionConfig": {"AutoLockManagers": cluster.autolock}},
        "DefaultAddrPool": cluster.pool,
    }


def _inspect(cluster: Cluster) -> JSON:
    return {
        **_cluster(cluster),
        "JoinTokens": {"Worker": cluster.token("worker"), "Manager": cluster.token("manager")},
    }


def _node(world: World, cluster: Cluster, node: JSON) -> JSON:
    said = {key: value for key, value in node.items() if key != "Addr"}
    said["Status"] = {"State": world.state_of(node["ID"]), "Addr": node["Addr"].rpartition(":")[0]}
    if node["ID"] in cluster.raft:
        reachable = world.reachable(node["ID"]) or world.now < world.stale_until
        said["ManagerStatus"] = {
            "Addr": node["Addr"],
            "Reachability": "reachable" if reachable else "unreachable",
        }
    return said


def _check_body(body: Any, keys: set[str]) -> None:
    unknown = set(body) - keys
    assert not unknown, f"dockerd has no {unknown}"
    if not re.fullmatch(r"[\d.]+:\d+", body.get("ListenAddr", "")):
        raise refused(400, f"invalid ListenAddr {body.get('ListenAddr')!r}: invalid empty address")


def _add_node(daemon: Daemon, cluster: Cluster, role: str, body: JSON) -> str:
    node = f"node{next(daemon.world._numbers)}"
    cluster.nodes[node] = {
        "ID": node,
        "Version": {"Index": 1},
        "Spec": {"Role": role, "Availability": body.get("Availability") or "active", "Labels": {}},
        "Description": {"Hostname": daemon.name, "Engine": {"Labels": dict(daemon.labels)}},
        "Addr": body["AdvertiseAddr"],
    }
    if role == "manager":
        cluster.raft.add(node)
    daemon.node, daemon.cluster, daemon.state = node, cluster, "active"
    return node


def _init(daemon: Daemon, body: JSON) -> str:
    _check_body(body, INIT_KEYS)
    if daemon.live_restore:
        raise refused(400, LIVE_RESTORE)
    if daemon.cluster is not None:
        if not body.get("ForceNewCluster"):
            raise refused(503, PART)
        if daemon.state == "locked" or daemon.node not in daemon.cluster.raft:
            raise refused(503, NOT_MANAGER)
        old = daemon.cluster
        new = copy.copy(old)
        new.nodes, new.raft = copy.deepcopy(old.nodes), {daemon.node}
        new.nodes[daemon.node]["Addr"] = body["AdvertiseAddr"]
        daemon.cluster = new
        daemon.world.clusters = [*daemon.world.clusters, new]
        return daemon.node
    if body["Spec"].get("Name") not in {"", "default", None}:
        raise refused(400, 'swarm spec must be named "default"')
    number = len(daemon.world.clusters) + 1
    pool = body.get("DefaultAddrPool") or ["10.0.0.0/8"]
    cluster = Cluster(number, autolock=bool(body.get("AutoLockManagers")), pool=pool)
    daemon.world.clusters.append(cluster)
    return _add_node(daemon, cluster, "manager", body)


def _join(daemon: Daemon, body: JSON) -> None:
    _check_body(body, JOIN_KEYS)
    if daemon.live_restore:
        raise refused(400, LIVE_RESTORE)
    if daemon.cluster is not None:
        raise refused(503, PART)
    if not body["RemoteAddrs"]:
        raise refused(400, "at least 1 RemoteAddr is required to join")
    host, _, port = body["RemoteAddrs"][0].rpartition(":")
    assert port == "2377"
    manager = next((each for each in daemon.world.daemons.values() if each.address == host), None)
    if manager is None or not manager.takes_part or daemon.name in daemon.world.cut_off:
        daemon.world.sleep(20)
        raise refused(503, TIMED_OUT)
    cluster = manager.manages()
    roles = {cluster.token(role): role for role in ("worker", "manager")}
    if body["JoinToken"] not in roles:
        raise refused(
            400,
            "rpc error: code = InvalidArgument desc = A valid join token is necessary to join this cluster",
        )
    _add_node(daemon, cluster, roles[body["JoinToken"]], body)
    if cluster.autolock:
        daemon.key = cluster.keys[0]


def _leave(daemon: Daemon, *, force: bool) -> None:
    if daemon.cluster is None:
        raise refused(503, NOT_PART)
    if not force and (daemon.state == "locked" or daemon.node in daemon.cluster.raft):
        raise refused(
            503, "You are attempting to leave the swarm on a node that is participating as a manager. "
        )
    daemon.node, daemon.cluster, daemon.state, daemon.down_since = "", None, "inactive", daemon.world.now


def _unlock(daemon: Daemon, body: JSON) -> None:
    if daemon.state != "locked":
        raise refused(409, "swarm is not locked")
    assert daemon.cluster is not None
    if body["UnlockKey"] not in daemon.cluster.keys:
        raise refused(401, "swarm could not be unlocked: invalid key provided")
    daemon.state = "active"


def _in_sequence(world: World, found: int, query: JSON) -> None:
    if world.conflicts:
        world.conflicts -= 1
        raise refused(500, "rpc error: code = Unknown desc = update out of sequence")
    if query["version"] != found:
        raise refused(500, "rpc error: code = Unknown desc = update out of sequence")


def _update(cluster: Cluster, query: JSON, body: JSON) -> None:
    assert query["version"] == cluster.version
    cluster.version += 1
    cluster.autolock = bool(body["EncryptionConfig"]["AutoLockManagers"])
    if cluster.autolock and (query["rotateManagerUnlockKey"] or not cluster.keys):
        cluster.keys = [f"SWMKEY-1-{cluster.version}", *cluster.keys]


def _update_node(world: World, cluster: Cluster, node: JSON, query: JSON, body: JSON) -> None:
    _in_sequence(world, node["Version"]["Index"], query)
    assert body["Role"] in {"worker", "manager"}
    assert body["Availability"] in {"active", "pause", "drain"}
    if node["Spec"]["Role"] == "manager" and body["Role"] == "worker":
        others = cluster.raft - {node["ID"]}
        if not others:
            message = "attempting to demote the last manager of the swarm"
            raise refused(400, f"rpc error: code = FailedPrecondition desc = {message}")
        if sum(world.reachable(each) for each in others) < len(others) // 2 + 1:
            message = "can't remove member from the raft: this would result in a loss of quorum"
            raise refused(400, f"rpc error: code = FailedPrecondition desc = {message}")
    node["Spec"] = dict(body)
    node["Version"]["Index"] += 1


def _remove(world: World, cluster: Cluster, node: JSON, *, force: bool) -> None:
    if node["ID"] in cluster.raft:
        message = f"node {node['ID']} is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal"  # noqa: E501
        raise refused(400, f"rpc error: code = FailedPrecondition desc = {message}")
    if not force and world.state_of(node["ID"]) == "ready":
        message = f"node {node['ID']} is not down and can't be removed"
        raise refused(400, f"rpc error: code = FailedPrecondition desc = {message}")
    del cluster.nodes[node["ID"]]


def _tasks(daemon: Daemon, filters: JSON) -> list[JSON]:
    """One task on each active node, for each service; a drained node's has been shut down."""
    cluster = daemon.manages()
    found = []
    for node in filters["node"]:
        there = cluster.nodes.get(node)
        for number in range(cluster.services if there else 0):
            drained = there is not None and there["Spec"]["Availability"] == "drain"
            state = "shutdown" if drained and daemon.world.reachable(node) else "running"
            found.append({"ID": f"task{number}", "NodeID": node, "Status": {"State": state}})
    return found
