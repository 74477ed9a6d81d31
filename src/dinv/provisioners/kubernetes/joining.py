"""Becoming a node that is Ready, which can be repeated after a kill."""

from __future__ import annotations

import re
import time

from dinv import drivers, errors
from dinv.errors import ClusterError, DinvError, KubernetesError
from dinv.formats import host_port
from dinv.progress import Progress
from dinv.provisioners.kubernetes import api, kubeconfigs, servers
from dinv.provisioners.kubernetes.checking import own_address_url
from dinv.provisioners.kubernetes.kubeconfigs import read
from dinv.provisioners.kubernetes.node import SERVER, Inside
from dinv.provisioners.membership import CLUSTER, KUBECONFIG, ROLE
from dinv.timeouts import SERVE_SECONDS
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.provisioners.kubernetes.kubeconfigs import Credentials
    from dinv.provisioners.kubernetes.node import Node
    from dinv.provisioners.kubernetes.part import Part
    from dinv.store.record import MachineConfig

POLL_SECONDS = 0.3
READY_SECONDS = 300.0
"""For a node to get Ready unless a time was asked for: it fetches and starts a dozen containers first."""
SERVICE_SECONDS = 30.0
ENDINGS = 3
"""How many times a service may be seen to have ended before that counts as failed."""
LOG_LINES = 60
SHOWN_LINES = 12


def join(membership: Part, progress: Progress, *, timeout: float) -> None:
    """Make it a node that is Ready, unless it is one; see `Membership.join`."""
    # What is asked of a daemon is too short for a whole cluster; a time that somebody gave is theirs.
    seconds = READY_SECONDS if timeout == SERVE_SECONDS else timeout
    shown = Progress() if membership.config.membership.get(servers.JOINED) else progress
    make_ready(membership, shown, seconds=seconds)


def make_ready(membership: Part, progress: Progress, *, seconds: float) -> None:
    """Have it be a node that is Ready, with the files that it is to have now. Raises ClusterError."""
    config = membership.config
    end = time.monotonic() + seconds
    if servers.JOINABLE not in config.membership:
        joinable = membership.role == SERVER and bool(membership.driver.fixed_ip)
        membership.record(**{servers.JOINABLE: joinable})
    _follow_servers(membership)
    membership.record(**{servers.NODE: membership.node_name})
    inside, node = membership.inside(), membership.node()
    label = "Kubernetes"
    with progress.working(label, f"{node.role} {node.name}"):
        _give_ticket(membership, node, inside)
        _start_services(membership, inside)
        membership.distribution.started(inside, node, timeout=max(1.0, end - time.monotonic()))
        client = _client(membership, inside, end, progress)
        _await_node(membership, client, end, progress, inside)
        uncordon(membership, client)
        version = client.version()
    _keep(membership, client, progress)
    cluster = config.membership[CLUSTER]
    of = "" if cluster == config.name else f" of {cluster}"
    progress.line(label, f"{version}, node {node.name}{of} ({node.role}) at {client.server}", "ready")


def _follow_servers(membership: Part) -> None:
    """Have it reach another server if the one that it joined by has left; without another it is the first."""
    kept = membership.config.membership
    if not kept.get(servers.SERVER_URL) or not kept.get(servers.JOINED):
        return
    urls = [
        own_address_url(membership, other)
        for other in servers.members(membership.store, membership.config)
        if other.membership.get(ROLE) == SERVER and other.membership.get(servers.JOINED)
    ]
    if kept[servers.SERVER_URL] not in urls and (urls or membership.role == SERVER):
        membership.record(**{servers.SERVER_URL: urls[0] if urls else None})


def _give_ticket(membership: Part, node: Node, inside: Inside) -> None:
    """Put the file in by which it joins: out of a server's machine and into it, by their channels."""
    if node.first or (membership.config.membership.get(servers.JOINED) and inside.read(node.ticket)):
        return
    name = membership.name
    whys: list[tuple[str, str]] = []
    for other in servers.members(membership.store, membership.config):
        if other.membership.get(ROLE) != SERVER:
            continue
        try:
            ticket = _ticket(membership, other, node.role)
        except DinvError as error:
            whys.append((other.name, error.text))
            continue
        if not ticket:
            whys.append((other.name, "it has no token"))
        elif not inside.write_secret(node.ticket, ticket):
            raise ClusterError(name, f'{node.ticket} cannot be written in machine "{name}".')
        else:
            return
    raise servers.unreachable(name, whys)


def _ticket(membership: Part, other: MachineConfig, role: str) -> bytes:
    driver = drivers.of(other)(other, membership.store, trace=membership.trace)
    try:
        return membership.distribution.ticket(Inside(other.name, driver.channel()), role)
    finally:
        driver.close()


def _start_services(membership: Part, inside: Inside) -> None:
    """Have the services run as their files are to be; one that waits for its next start gets it at once."""
    supervisor = membership.contract.services_command
    _, said, _ = inside.run(*supervisor, "status")
    membership.put_files()
    reload(membership, inside)
    for name in membership.distribution.services(membership.node()):
        if f"{name}: ended" in said.decode(errors="replace"):
            inside.run(*supervisor, "restart", name, timeout=SERVICE_SECONDS)


def reload(membership: Part, inside: Inside) -> None:
    """Have the machine's services run as their files are now. Raises ClusterError."""
    status, _, why = inside.run(*membership.contract.services_command, "reload", timeout=SERVICE_SECONDS)
    if status:
        raise ClusterError(
            membership.name, f'The services of machine "{membership.name}" cannot be started: {why}'
        )


def end_services(membership: Part, inside: Inside) -> None:
    """Have the distribution's services end, and not begin again. Raises ClusterError."""
    names = membership.distribution.services(membership.node())
    files = [file.path for name in names if (file := membership.contract.service_file(name, b"")) is not None]
    inside.run("rm", "-f", *files)
    reload(membership, inside)


def _client(membership: Part, inside: Inside, end: float, progress: Progress) -> api.Api:
    """Return a client of the cluster's API that is ready: the machine's own, or for an agent a server's."""
    if membership.role != SERVER:
        return servers.answering(servers.members(membership.store, membership.config), membership.name)
    found: list[Credentials] = []

    def written() -> str:
        credentials = read(membership.distribution.kubeconfig(inside))
        if credentials is not None:
            found.append(credentials)
        return "" if credentials is not None else "it has not written its kubeconfig yet"

    wait(membership, written, end, progress, inside)
    client = api.Api(membership.name, own_url(membership), found[-1])
    wait(membership, client.not_ready, end, progress, inside)
    return client


def own_url(membership: Part) -> str:
    """Return https://HOST:PORT at which clients reach the machine's API. Raises ClusterError."""
    port = membership.distribution.port
    where = membership.driver.reached_at(membership.config, port)
    if where is None:
        raise ClusterError(
            membership.name,
            f'Port {port} of machine "{membership.name}", that of the Kubernetes API, is not published. '
            "Publish it: " + command("set", "--publish-ports", f"{port}", membership.name),
        )
    return f"https://{host_port.join(*where)}"


def _await_node(membership: Part, client: api.Api, end: float, progress: Progress, inside: Inside) -> None:
    started = _started(membership, inside)

    def look() -> str:
        try:
            node = client.node(membership.node_name)
        except KubernetesError as error:
            return error.reason
        if node is not None and 0 < api.last_heard(node) < started:
            return "it has not been heard of since it was started"
        if node is not None and (api.is_ready(node) or not membership.distribution.brings_network):
            return ""
        return api.why_not_ready(node)

    wait(membership, look, end, progress, inside)
    if not membership.distribution.brings_network:
        progress.note(
            f"Nodes of {membership.distribution.name} get Ready once their cluster has a pod network: "
            "kubectl apply -f FILE"
        )


def _started(membership: Part, inside: Inside) -> float:
    """Return when the youngest of its services began, in seconds of its clock since 1970; 0.0 if unknown.

    What a node said before it was stopped is taken for how it is until the cluster misses it.
    """
    _, said, _ = inside.run(*membership.contract.services_command, "status")
    processes = re.findall(rb"runs, process (\d+)", said)
    if not processes:
        return 0.0
    argv = ("sh", "-c", 'date +%s; ps -o etimes= -p "$1"', "sh", b",".join(processes).decode())
    numbers = inside.run(*argv)[1].split()
    if len(numbers) < 2 or not all(number.isdigit() for number in numbers):
        return 0.0
    now, *ages = map(int, numbers)
    return now - min(ages) - 1.0


def wait(
    membership: Part,
    look: Callable[[], str],
    end: float,
    progress: Progress,
    inside: Inside,
) -> None:
    """Wait until `look` returns "" and not why.

    Raises NodeNotReady at the `end`, or if a service keeps ending.
    """
    ended, next_look = 0, time.monotonic() + 1
    while why := look():
        now = time.monotonic()
        if now >= next_look:
            next_look = now + 1
            status, said, _ = inside.run(*membership.contract.services_command, "status")
            text = said.decode(errors="replace").strip()
            ended += 1 if status and "ended with" in text else 0
            if ended >= ENDINGS:
                raise errors.NodeNotReady(membership.name, text.splitlines()[0], _log(membership))
            progress.update(f"waiting: {why}")
        if now >= end:
            raise errors.NodeNotReady(membership.name, why, _log(membership))
        time.sleep(POLL_SECONDS)


def _log(membership: Part) -> list[str]:
    """Return what the distribution's services said last."""
    names = tuple(f"{name}: " for name in membership.distribution.services(membership.node()))
    lines = membership.driver.last_log_lines(LOG_LINES)
    return [line for line in lines if line.startswith(names)][-SHOWN_LINES:]


def uncordon(membership: Part, client: api.Api) -> None:
    """Have the scheduler use it again, if it was dinv who had it left alone."""
    if membership.config.membership.get(servers.CORDONED):
        client.cordon(membership.node_name, on=False)
        membership.record(**{servers.CORDONED: None})


def _keep(membership: Part, client: api.Api, progress: Progress) -> None:
    """Write its kubeconfig, in its directory and into the user's, and record that it is a node."""
    config = membership.config
    kubeconfigs.write(config, client.server, client.credentials)
    recorded = str(config.membership.get(KUBECONFIG) or "")
    merged: str | None = recorded or None
    if membership.merges or recorded:
        # Recorded before: by it a kill leaves nothing that `rm` does not find.
        target = recorded or kubeconfigs.target(config)
        membership.record(**{KUBECONFIG: target})
        done = kubeconfigs.merge(config, target, client.server, client.credentials, progress)
        merged = target if done or recorded else None
    membership.record(**{KUBECONFIG: merged, servers.API: client.server, servers.JOINED: True})
