"""Becoming a node: what is checked before, the calls, and what is left to do after a kill.

The record has an entry before the first call that a manager could know of, so a kill leaves no node that
nobody knows: by its label (`dinv.labels.LABEL_ID`, on the daemon) it is found even without its id.
"""

from __future__ import annotations

import time

from dinv import errors, provisioners
from dinv.errors import DeadlineExceeded, DinvError, EndpointError, EngineError, ServerError
from dinv.formats import host_port
from dinv.provisioners import peers
from dinv.provisioners.membership import CLUSTER, ROLE
from dinv.provisioners.swarm import addresses, keys, leaving, live_restore, locking, managers, working
from dinv.provisioners.swarm.options import MANAGER, OF_THE_SWARM, WORKER, pools
from dinv.wording import command, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from dinv.engine import Engine
    from dinv.progress import Progress
    from dinv.provisioners.swarm.managers import Control
    from dinv.provisioners.swarm.node import Node
    from dinv.store.record import MachineConfig

    JSON = dict[str, Any]

JOIN_SECONDS = 40.0
"""For the call: dockerd gives up after 20 s (moby: daemon/cluster/cluster.go, swarmConnectTimeout)."""
NEEDED_API = {"data_path_port": "1.40", "default_addr_pool": "1.39", "default_addr_pool_mask_length": "1.39"}
"""Since which version of the API a daemon takes an option; an older one ignores it."""


# Before anything is made


def check(membership: Node, progress: Progress) -> None:
    """Check what it is to join: see `Membership.check`."""
    peer = str(membership.options["join"] or "")
    if not peer:
        return
    name = membership.config.name
    if peer == name:
        raise errors.CannotJoin(name, peer, "it is the same machine")
    other = membership.store.load(peer)
    _check_kind(membership, other)
    with _manager(membership, other) as control:
        try:
            with progress.working("Swarm", f"asking {peer} for its managers"):
                nodes = managers.settled(membership.store, other, control)
        except errors.ClusterUnreachable as error:
            raise _without_quorum(name, peer) from error
        if not managers.decide(nodes):
            raise _without_quorum(name, peer)
        node = managers.with_name(nodes, name)
        if node is not None:
            raise _name_taken(name, peer, node)
        if membership.options["advertise_addr"]:
            _check_advertised(membership, peer, nodes)
        elif why := membership.driver.apart(other):
            raise errors.CannotJoin(
                name,
                peer,
                f"{why}. Nodes of a swarm reach each other at their own addresses, at ports that are the "
                "same for all of them, and there is no way through published ports (NAT) for the traffic "
                "between containers",
                "Put it on the same network of the same endpoint: "
                + option("network", "NETWORK")
                + "; or both where each has an address that the other reaches, such as a container network "
                "of a VCH or a macvlan network, with " + option("publish", "none"),
            )
        pool = (control.state.get("Cluster") or {}).get("DefaultAddrPool") or ["10.0.0.0/8"]
    overlap = addresses.overlapping(pool, membership.driver.surroundings())
    if overlap:
        progress.warn(
            f"The swarm gives its overlay networks subnets of {', '.join(pool)}, which has "
            f"{', '.join(overlap)}, "
            f"that is around {name}: what is there may not be reached from services."
        )


def _check_kind(membership: Node, other: MachineConfig) -> None:
    name = membership.config.name
    if other.unfinished:
        raise errors.CannotJoin(
            name, other.name, "its create has not finished", "Finish it: " + command("provision", other.name)
        )
    if not other.membership:
        return
    if provisioners.of(other).cluster != membership.kind:
        raise errors.CannotJoin(
            name, other.name, f'it is in a cluster of another kind, of the provisioner "{other.provisioner}"'
        )


def _manager(membership: Node, other: MachineConfig) -> Control:
    """Return the connection to the machine that it is to join by. Raises CannotJoin."""
    name = membership.config.name
    engine = peers.open_daemon(other, timeout=managers.CALL_SECONDS, trace=membership.trace)
    try:
        state = managers.decided(engine)
    except (EndpointError, EngineError, DeadlineExceeded) as error:
        engine.close()
        raise errors.CannotJoin(
            name,
            other.name,
            f"it does not answer at {other.url}",
            "Start it: " + command("start", other.name),
        ) from error
    if managers.controls(state):
        return managers.Control(other.name, engine, state, name)
    engine.close()
    if state.get("ControlAvailable"):
        raise _without_quorum(name, other.name)
    raise errors.CannotJoin(name, other.name, managers.refusal(state), _advice(membership, other, state))


def _advice(membership: Node, other: MachineConfig, state: Mapping[str, Any]) -> str:
    local = state.get("LocalNodeState") or managers.INACTIVE
    if local == managers.LOCKED:
        return "Unlock it: " + command("provision", other.name)
    if local == managers.INACTIVE:
        return "A machine that begins a swarm is made by " + command(
            "create", "--provisioner", membership.config.provisioner, "NAME"
        )
    known = {addresses.host(str(each.get("Addr"))) for each in state.get("RemoteManagers") or ()}
    names = [
        each.name
        for each in managers.members(membership.store, other)
        if addresses.host(str(each.membership.get(managers.ADDRESS) or "")) in known
    ]
    return f"Name a manager: {', '.join(names)}" if names else "Name a manager of it"


def _without_quorum(name: str, peer: str) -> errors.CannotJoin:
    return errors.CannotJoin(
        name,
        peer,
        "its swarm has no quorum of managers",
        "Start the other managers; if they are lost: " + command("provision", "--force-new-cluster", peer),
    )


def _name_taken(name: str, peer: str, node: Mapping[str, Any]) -> errors.CannotJoin:
    down = (node.get("Status") or {}).get("State") == "down"
    return errors.CannotJoin(
        name,
        peer,
        f"its swarm has a node called {name} already" + (", which is down" if down else ""),
        f"If that is of a machine that is gone: docker --context {peer} node rm {node['ID']}"
        if down
        else "Give the machine another name",
    )


def _check_advertised(membership: Node, peer: str, nodes: list[dict[str, Any]]) -> None:
    """Check that no node has the address that it is to advertise: there is one set of ports at each."""
    given = str(membership.options["advertise_addr"])
    taken = next((node for node in nodes if addresses.of_node(node) == given), None)
    if taken is not None:
        who = (taken.get("Description") or {}).get("Hostname") or taken["ID"]
        raise errors.CannotJoin(
            membership.config.name,
            peer,
            f"its node {who} has the address {given}: two nodes cannot share one, since the ports for "
            "gossip (7946) "
            "and for traffic between containers (4789) are the same for all of them",
        )


# Once it serves


def join(membership: Node, progress: Progress, *, timeout: float) -> None:
    """Make it a node, or do what is left of that: see `Membership.join`."""
    with membership.daemon() as engine:
        state = engine.swarm.state(timeout=managers.CALL_SECONDS)
        if state.get("LocalNodeState") == managers.LOCKED:
            state = locking.unlock(membership, engine, progress)
        state = _settled(engine, state)
        if state.get("LocalNodeState") not in {None, "", managers.INACTIVE} and not _belongs(
            membership, state, progress
        ):
            _leave_old(membership, engine, progress)
            state = engine.swarm.state(timeout=managers.CALL_SECONDS)
        done = "there"
        if (state.get("LocalNodeState") or managers.INACTIVE) == managers.INACTIVE:
            live_restore.put_off(membership, engine)
            was_node = membership.config.membership.get(managers.NODE)
            if membership.begins and not (was_node and managers.members(membership.store, membership.config)):
                if was_node:
                    progress.note(
                        f"The daemon of {membership.config.name} is in no swarm any more: it begins anew"
                    )
                _begin(membership, engine, progress)
                done = "begun"
            else:
                _become_node(membership, engine, progress)
                done = "joined"
        _finish(membership, engine, progress, done, timeout=timeout)


def _settled(engine: Engine, state: JSON) -> JSON:
    """Wait a while for a daemon that is just joining, after a call that was killed."""
    end = time.monotonic() + JOIN_SECONDS / 2
    while state.get("LocalNodeState") == "pending" and time.monotonic() < end:
        time.sleep(managers.POLL_SECONDS)
        state = engine.swarm.state(timeout=managers.CALL_SECONDS)
    return state


def _belongs(membership: Node, state: Mapping[str, Any], progress: Progress) -> bool:
    """Return whether the daemon's swarm is the machine's, which still knows it. Raises ClusterError."""
    kept = membership.config.membership
    if not kept:
        raise errors.ClusterError(
            membership.config.name,
            f'Machine "{membership.config.name}" is in a swarm already, by what its cache volume has of an '
            "earlier one. Make it without "
            + option("provisioner")
            + ", and leave that one (docker swarm leave --force) or go on with it "
            "(docker swarm init --force-new-cluster).",
        )
    if membership.begins and not managers.members(membership.store, membership.config):
        return True  # there is nobody else who could say otherwise
    node = str(state.get("NodeID") or "")
    try:
        control = managers.find(membership.store, membership.config, trace=membership.trace)
    except errors.ClusterUnreachable:
        return True  # nobody says otherwise at the moment
    if control is None:
        if state.get("ControlAvailable"):
            return True  # the last one
        raise _left_alone(membership)
    with control:
        nodes = control.ask(control.engine.swarm.nodes)
    found = next((each for each in nodes if each["ID"] == node), None)
    if found is None:
        progress.note(f"The swarm does not know {membership.config.name} any more: it joins anew")
        return False
    if state.get("ControlAvailable") and not found.get("ManagerStatus"):
        progress.note(f"{membership.config.name} is no manager of the swarm any more: it joins anew")
        return False
    role = (found.get("Spec") or {}).get("Role")
    if role and role != kept.get(ROLE):
        # Somebody has promoted or demoted it, or a removal was killed that had.
        progress.note(f"{membership.config.name} is a {role} of its swarm now")
        membership.record(**{ROLE: role})
    return True


def _left_alone(membership: Node) -> errors.ClusterError:
    config = membership.config
    cluster = config.membership.get(CLUSTER)
    return errors.ClusterError(
        config.name,
        f'Machine "{config.name}" is a worker of a swarm that {cluster} began, and this store has no manager '
        "of that: if they are gone, so is the swarm. Make the machine anew: "
        + command("rm", "-f", config.name)
        + ", then "
        + command("create", "--provisioner", config.provisioner, "--join", "NAME", config.name),
    )


def _leave_old(membership: Node, engine: Engine, progress: Progress) -> None:
    """Have the daemon forget a swarm that has forgotten it."""
    engine.swarm.leave(force=True, timeout=JOIN_SECONDS)
    leaving.remove_nodes(membership, progress, force=False)
    membership.record(**{managers.NODE: None, managers.DRAINED: None})


def _begin(membership: Node, engine: Engine, progress: Progress) -> None:
    name, given = membership.config.name, membership.options
    _check_api(membership, engine)
    address = membership.advertised()
    subnets, bits = pools(given)
    subnets = subnets or addresses.overlay_pool(membership.driver.surroundings())
    body: dict[str, Any] = {
        "ListenAddr": addresses.LISTEN,
        "AdvertiseAddr": host_port.join(address, addresses.PORT),
        "DataPathPort": given["data_path_port"] or 0,
        "Availability": given["availability"] or "active",
        "AutoLockManagers": bool(given["autolock"]),
        "Spec": {"Name": "default", "EncryptionConfig": {"AutoLockManagers": bool(given["autolock"])}},
    }
    if subnets:
        body |= {"DefaultAddrPool": subnets, "SubnetSize": bits or addresses.DEFAULT_BITS}
    elif bits:
        body["SubnetSize"] = bits
    membership.record(**{CLUSTER: name, ROLE: MANAGER, managers.ADDRESS: body["AdvertiseAddr"]})
    try:
        with progress.working("Swarm", f"beginning one at {body['AdvertiseAddr']}"):
            engine.swarm.init(body, timeout=JOIN_SECONDS)
    except EngineError as error:
        raise errors.ClusterError(
            name, f'Machine "{name}" cannot begin a swarm: its daemon says "{error.message}".'
        ) from error


def _check_api(membership: Node, engine: Engine) -> None:
    for key in OF_THE_SWARM:
        version = NEEDED_API.get(key)
        if membership.options.get(key) and version and not engine.at_least(version):
            raise errors.ClusterError(
                membership.config.name,
                option(key.replace("_", "-"))
                + f": the daemon of {membership.config.name} is too old for it; it speaks API "
                f"{engine.api_version}, and that takes {version}",
            )


def _become_node(membership: Node, engine: Engine, progress: Progress) -> None:
    config = membership.config
    role = str(membership.options["role"] or config.membership.get(ROLE) or WORKER)
    peer = str(membership.options["join"] or "")
    with membership.manager() as control:
        found = control.ask(control.engine.swarm.inspect)
        nodes = control.ask(control.engine.swarm.nodes)
        others = membership.store.load(control.name).membership
        address = membership.advertised()
        membership.record(
            **{
                CLUSTER: str(others.get(CLUSTER) or control.name),
                ROLE: role,
                managers.SWARM_ID: found["ID"],
                managers.PEER: peer or None,
                managers.ADDRESS: host_port.join(address, addresses.PORT),
            }
        )
        # What an earlier try has left, that was killed and whose machine was made anew.
        _remove_own(membership, control, nodes)
        remotes = _remotes(control, nodes)
        body = {
            "ListenAddr": addresses.LISTEN,
            "AdvertiseAddr": config.membership[managers.ADDRESS],
            "RemoteAddrs": remotes,
            "JoinToken": (found.get("JoinTokens") or {}).get(role.capitalize()),
            "Availability": membership.options["availability"] or "active",
        }
        if role == MANAGER and ((found.get("Spec") or {}).get("EncryptionConfig") or {}).get(
            "AutoLockManagers"
        ):
            keys.keep(config.directory, control.ask(control.engine.swarm.unlock_key))
    try:
        with progress.working("Swarm", f"joining that of {control.name} at {remotes[0]}"):
            engine.swarm.join(body, timeout=JOIN_SECONDS)
    except (EngineError, DeadlineExceeded) as error:
        raise _not_joined(membership, control.name, remotes[0], error) from error


def _remotes(control: Control, nodes: list[dict[str, Any]]) -> list[str]:
    """Return the addresses of managers, that of the one that was asked first: dockerd takes that one."""
    own = str(control.state.get("NodeID") or "")
    found = {
        str(node["ID"]): str(node["ManagerStatus"].get("Addr") or "")
        for node in nodes
        if (node.get("ManagerStatus") or {}).get("Reachability") == "reachable"
    }
    first = host_port.join(str(control.state.get("NodeAddr") or ""), addresses.PORT)
    mine = found.pop(own, "")
    # A manager on several networks may have "0.0.0.0:2377".
    return [
        mine if addresses.host(mine) else first,
        *(each for each in found.values() if addresses.host(each)),
    ]


def _remove_own(membership: Node, control: Control, nodes: list[dict[str, Any]]) -> None:
    for node in managers.of_identity(nodes, membership.config.identity):
        leaving.remove_node(membership, control, str(node["ID"]))


def _not_joined(
    membership: Node, peer: str, remote: str, error: EngineError | DeadlineExceeded
) -> errors.CannotJoin:
    name = membership.config.name
    said = error.message if isinstance(error, EngineError) else str(error)
    unreached = isinstance(error, DeadlineExceeded) or (
        isinstance(error, ServerError)
        and any(
            each in said
            for each in ("Timeout was reached", "connection error", "Unavailable", "context deadline")
        )
    )
    lost = isinstance(error, EngineError) and managers.leaderless(error)
    if lost or (unreached and not _decides(membership, peer)):
        return _without_quorum(name, peer)
    if unreached:
        return errors.CannotJoin(
            name,
            peer,
            f"it does not reach its manager at {remote} in time",
            "Nodes need ports 2377/tcp of managers, and 7946/tcp, 7946/udp and 4789/udp of each other, at "
            "their own "
            "addresses: see whether a firewall or two networks are in between",
        )
    return errors.CannotJoin(name, peer, f'its daemon says "{said}"')


def _decides(membership: Node, peer: str) -> bool:
    """Return whether a manager that was to take a node in still decides, as far as it says so itself."""
    try:
        with peers.open_peer(membership.store, peer, timeout=managers.CALL_SECONDS) as engine:
            return managers.controls(engine.swarm.state()) and managers.decide(engine.swarm.nodes())
    except DinvError:
        return False


def _finish(membership: Node, engine: Engine, progress: Progress, done: str, *, timeout: float) -> None:
    """Wait until it is a node that works, and record what it is."""
    config = membership.config
    end = time.monotonic() + timeout
    while True:
        state = engine.swarm.state(timeout=managers.CALL_SECONDS)
        manager = config.membership.get(ROLE) == MANAGER
        if state.get("LocalNodeState") == managers.ACTIVE and (not manager or managers.controls(state)):
            break
        if time.monotonic() >= end:
            raise errors.ClusterError(
                config.name,
                f'Machine "{config.name}" does not become a node of its swarm within {timeout:g} s: '
                f"{managers.refusal(state)}.",
            )
        time.sleep(managers.POLL_SECONDS)
    known = managers.swarm_id(state) or config.membership.get(managers.SWARM_ID)
    membership.record(**{managers.SWARM_ID: known, managers.NODE: state.get("NodeID")})
    if config.membership.get(managers.DRAINED):
        # A removal, or a stop, was killed; a node that is new by now is not drained.
        working.take_tasks(membership, str(state.get("NodeID") or ""))
    if manager:
        membership.keep_key(engine)
    role, cluster = config.membership.get(ROLE), config.membership.get(CLUSTER)
    progress.line("Swarm", f"{role} of {cluster}, at {config.membership.get(managers.ADDRESS)}", done)
    if manager and int(state.get("Managers") or 0) == 2:
        progress.note("Of two managers neither may be lost: with three the swarm survives the loss of one")
