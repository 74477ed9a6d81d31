"""The machines of a swarm in this store, and one among them that answers as its manager.

By the records: machines with the id of the same swarm. Who is a manager now is asked, since anybody may have
promoted or demoted it. Nothing of other machines is changed.
"""

from __future__ import annotations

import time

from dinv.errors import (
    ClusterUnreachable,
    DeadlineExceeded,
    DinvError,
    EndpointError,
    EngineError,
    MachineNotRunning,
    ServerError,
)
from dinv.provisioners import peers
from dinv.provisioners.swarm import quorum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, Self, TypeVar

    from dinv.engine import Engine
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store

    T = TypeVar("T")

# Keys of `config.membership`, besides those that all clusters have
SWARM_ID = "ID"
NODE = "Node"
PEER = "Peer"
DRAINED = "Drained"
"""What the node's availability was before dinv drained it, while it is to be so again."""
ADDRESS = "Address"

CALL_SECONDS = 25.0
"""dockerd itself gives up after 20 s where a swarm has no leader."""
LOOK_SECONDS = 5.0
ELECTION_SECONDS = 22.0
"""How long a swarm may be without a leader after one has gone, and a leader not notice that it is alone.

Both take 10 to 20 s (moby: `--swarm-raft-election-tick`, 10 ticks of a second; etcd/raft: up to twice that).
"""
POLL_SECONDS = 0.2
LOCKED = "locked"
ACTIVE = "active"
INACTIVE = "inactive"

_NO_LEADER = (
    "does not have a leader",
    "no elected cluster leader",
    "lost leader status",
    "is being prepared or has trouble connecting",
    "context deadline exceeded",
)
"""What managers answer without a quorum, or during an election (swarmkit: manager/state/raft/raft.go)."""


def leaderless(error: EngineError) -> bool:
    """Return whether a manager has answered that its swarm has no leader at the moment."""
    return isinstance(error, ServerError) and any(said in error.message for said in _NO_LEADER)


def controls(state: Mapping[str, Any]) -> bool:
    """Return whether a daemon whose `Swarm` this is (`GET /info`) is a manager that can decide."""
    return bool(state.get("ControlAvailable")) and not state.get("Error") and bool(state.get("Cluster"))


def swarm_id(state: Mapping[str, Any]) -> str:
    """Return the id of the swarm; "" if the daemon is no manager of one."""
    return str((state.get("Cluster") or {}).get("ID") or "")


def members(store: Store, config: MachineConfig) -> list[MachineConfig]:
    """Return the other machines of this store in the same swarm, those recorded as managers first.

    Before the machine knows which swarm it is in, it is the one that it is to join by.
    """
    own, peer = config.membership.get(SWARM_ID), config.membership.get(PEER)

    def belongs(other: MachineConfig) -> bool:
        its = other.membership.get(SWARM_ID)
        # A machine of the peer's name that is of another swarm by now is none of this one.
        return bool(own and its == own) or (other.name == peer and not (own and its))

    found = peers.others(store, config, belongs)
    return sorted(found, key=lambda each: (each.membership.get("Role") != "manager", each.name != peer))


class Control:
    """A connection to a manager that decides: `engine` is its daemon's, `name` the machine's.

    `asker` is the machine for which it is asked.
    """

    def __init__(self, name: str, engine: Engine, state: Mapping[str, Any], asker: str) -> None:
        self.name = name
        self.asker = asker
        self.engine = engine
        self.state = state

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.close()

    def ask(self, call: Callable[[], T]) -> T:
        """Make a call, again and again while the swarm has no leader, for ELECTION_SECONDS.

        Raises ClusterUnreachable if there is none after that.
        """
        end = time.monotonic() + ELECTION_SECONDS
        while True:
            try:
                return call()
            except EngineError as error:
                if not leaderless(error):
                    raise
                if time.monotonic() >= end:
                    why = [(self.name, "its swarm has no quorum of managers")]
                    raise ClusterUnreachable(self.asker, "swarm", why) from error
            time.sleep(POLL_SECONDS)


def find(
    store: Store,
    config: MachineConfig,
    *,
    itself: bool = False,
    trace: Callable[[str], None] | None = None,
) -> Control | None:
    """Return a manager of the machine's swarm that decides, other than the machine, or also `itself`.

    None if the store has no other machine of the swarm that may be a manager. Raises ClusterUnreachable if
    none of those decides.
    """
    candidates = members(store, config)
    if itself:
        candidates.append(config)
    if not candidates:
        return None
    whys = []
    for other in candidates:
        found, why = _control(other, config, trace)
        if found is not None:
            return found
        whys.append((other.name, why))
    if all(why in _NO_MANAGER for _, why in whys):
        return None
    raise ClusterUnreachable(config.name, "swarm", whys)


def controller(store: Store, config: MachineConfig, *, trace: Callable[[str], None] | None = None) -> str:
    """Return the name of a machine that is a manager and decides: this one, if it does, or another.

    Raises ClusterUnreachable.
    """
    found, why = _control(config, config, trace)
    if found is None:
        found = find(store, config, trace=trace)
    if found is None:
        raise ClusterUnreachable(config.name, "swarm", [(config.name, why)])
    with found:
        return found.name


def _control(
    other: MachineConfig, config: MachineConfig, trace: Callable[[str], None] | None
) -> tuple[Control | None, str]:
    """Return a machine as the manager, or why it is not one."""
    try:
        engine = peers.open_daemon(other, timeout=CALL_SECONDS, trace=trace)
    except DinvError as error:
        return None, error.text
    try:
        state = decided(engine)
        own = config.membership.get(SWARM_ID)
        if controls(state) and (not own or swarm_id(state) == own):
            return Control(other.name, engine, state, config.name), ""
        why = refusal(state, own or "")
    except (EndpointError, EngineError, DeadlineExceeded, MachineNotRunning) as error:
        why = "it does not answer" if not isinstance(error, EngineError) else error.message
    engine.close()
    return None, why


def decided(engine: Engine) -> Mapping[str, Any]:
    """Return the state of a daemon; of a manager without a leader once there is one, or none in time."""
    end = time.monotonic() + ELECTION_SECONDS
    # One that is not there is not waited for as long as one that asks others.
    engine.ping(timeout=LOOK_SECONDS)
    while True:
        state = engine.swarm.state(timeout=CALL_SECONDS)
        waits = state.get("ControlAvailable") and not controls(state)
        if not waits or time.monotonic() >= end:
            return state
        time.sleep(POLL_SECONDS)


_IN_NONE = "it is in no swarm"
_A_WORKER = "it is a worker"
_NO_MANAGER = (_IN_NONE, _A_WORKER)
"""What is said of machines that manage nothing, whatever comes."""


def refusal(state: Mapping[str, Any], own: str = "") -> str:
    """Return why a daemon in this state is not a manager that decides."""
    local = state.get("LocalNodeState") or INACTIVE
    if local == LOCKED:
        return "it is locked"
    if local == INACTIVE:
        return _IN_NONE
    if state.get("ControlAvailable"):
        if own and swarm_id(state) not in {"", own}:
            return "it is in another swarm"
        return "its swarm has no quorum of managers"
    if local == ACTIVE:
        return _A_WORKER
    return str(state.get("Error") or "").strip() or f"its part in the swarm is {local}"


def decide(nodes: list[dict[str, Any]]) -> bool:
    """Return whether the managers among nodes that can be reached are a majority.

    A leader that has just lost the others still answers for some seconds, and says so only here.
    """
    counted = [reachable for _, reachable in tallies(nodes)]
    return quorum.has(len(counted), sum(counted))


def settled(store: Store, config: MachineConfig, control: Control) -> list[dict[str, Any]]:
    """Return the nodes that a manager knows, once it can tell which of the managers are there.

    For some seconds after others were killed a leader still counts them. So the machines of this store among
    them are asked, until there is a majority. Where there is none, the manager is asked again and again, for
    ELECTION_SECONDS. After that it is believed: what does not answer here may well answer the swarm. Raises
    ClusterUnreachable.
    """
    end = time.monotonic() + ELECTION_SECONDS
    while True:
        nodes = control.ask(control.engine.swarm.nodes)
        counted = dict(tallies(nodes))
        if not decide(nodes) or _majority_answers(store, config, control, counted):
            return nodes
        if time.monotonic() >= end:
            return nodes
        time.sleep(POLL_SECONDS)


def _majority_answers(
    store: Store, config: MachineConfig, control: Control, counted: Mapping[str, bool]
) -> bool:
    """Return whether so many managers answer here, or are no machines of this store, that they decide."""
    machines = {str(each.membership.get(NODE)): each for each in (*members(store, config), config)}
    reachable = [node for node, is_reachable in counted.items() if is_reachable]
    # The one that has just answered, and those that cannot be asked, need no call.
    reachable.sort(key=lambda node: node in machines and machines[node].name != control.name)
    heard = 0
    for node in reachable:
        machine = machines.get(node)
        heard += machine is None or machine.name == control.name or _answers(machine)
        if quorum.has(len(counted), heard):
            return True
    return False


def _answers(machine: MachineConfig) -> bool:
    try:
        with peers.open_daemon(machine, timeout=LOOK_SECONDS) as engine:
            engine.ping(timeout=LOOK_SECONDS)
    except DinvError:
        return False
    return True


def with_name(nodes: list[dict[str, Any]], name: str) -> dict[str, Any] | None:
    """Return the node of this host name, if there is one."""
    return next((node for node in nodes if (node.get("Description") or {}).get("Hostname") == name), None)


def of_identity(nodes: list[dict[str, Any]], identity: str) -> list[dict[str, Any]]:
    """Return the nodes whose daemons have the machine's identity as a label: the machine, now or once."""
    from dinv.labels import LABEL_ID

    def has_it(node: Mapping[str, Any]) -> bool:
        engine = (node.get("Description") or {}).get("Engine") or {}
        return bool(identity) and (engine.get("Labels") or {}).get(LABEL_ID) == identity

    return [node for node in nodes if has_it(node)]


def tallies(nodes: list[dict[str, Any]]) -> Iterator[tuple[str, bool]]:
    """Yield id and reachability of each manager."""
    for node in nodes:
        manager = node.get("ManagerStatus")
        if manager:
            yield str(node["ID"]), manager.get("Reachability") == "reachable"


def lasting(nodes: list[dict[str, Any]]) -> set[str]:
    """Return the ids of the managers that are to stay so.

    One that has been demoted counts among them until Raft has taken it out, some time after the command
    (swarmkit: manager/role_manager.go), and is none of those that a swarm is left with.
    """
    roles = {str(node["ID"]): (node.get("Spec") or {}).get("Role") for node in nodes}
    return {node for node, _ in tallies(nodes) if roles[node] == "manager"}
