"""What is checked before anything is made: the machine that it joins by, and the cluster."""

from __future__ import annotations

from dinv import drivers, errors
from dinv.declaration import from_record
from dinv.errors import KubernetesError
from dinv.formats import host_port
from dinv.provisioners.kubernetes import kubeconfigs, servers
from dinv.provisioners.kubernetes.node import SERVER
from dinv.provisioners.kubernetes.options import OPTIONS, settings
from dinv.provisioners.membership import CLUSTER, ROLE
from dinv.wording import command, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.progress import Progress
    from dinv.provisioners.kubernetes.part import Part
    from dinv.store.record import MachineConfig


def check(membership: Part, progress: Progress) -> None:
    """Check what it is to join, and note in its record, which is not saved yet, which cluster that is."""
    config, options = membership.config, membership.options
    peer = str(options.get("join") or "")
    config.membership = {
        CLUSTER: config.name,
        ROLE: membership.role,
        servers.DISTRIBUTION: membership.distribution.name,
        servers.CLUSTER_ID: config.identity,
    }
    if peer:
        other = membership.store.load(peer)
        _check_kind(membership, other)
        _check_reached(membership, other)
        config.membership = {
            CLUSTER: other.membership[CLUSTER],
            ROLE: membership.role,
            servers.DISTRIBUTION: other.membership[servers.DISTRIBUTION],
            servers.CLUSTER_ID: other.membership[servers.CLUSTER_ID],
            servers.SERVER_URL: own_address_url(membership, other),
            **(_shared(membership, other) if membership.role == SERVER else {}),
        }
        _check_cluster(membership, other)
    else:
        _check_subnets(membership, progress)
    if membership.merges:
        kubeconfigs.check(config)


def _shared(membership: Part, other: MachineConfig) -> dict[str, object]:
    """Return what all servers of a cluster have to have, by the record of one of them."""
    distribution, kept = membership.distribution, other.membership
    own = from_record(OPTIONS, other.provisioner_options, {}, {})
    given = {**(kept.get(servers.SETTINGS) or {}), **settings(own.get("kube_opt") or ())}
    made_up = kept.get(servers.ADJUSTMENTS) or {}
    return {
        servers.SETTINGS: distribution.shared(given),
        servers.SHARED_ADJUSTMENTS: {
            key: made_up[key] for key in distribution.of_the_cluster if key in made_up
        },
    }


def _check_subnets(membership: Part, progress: Progress) -> None:
    """Warn of subnets around the machine that pods and services would have as well."""
    import ipaddress

    given = settings(membership.options.get("kube_opt") or ())
    around = [ipaddress.ip_network(each, strict=False) for each in membership.driver.surroundings()]
    for key, subnets in membership.distribution.subnets.items():
        taken = [
            str(each)
            for each in around
            for subnet in subnets
            if each.version == 4 and each.overlaps(ipaddress.ip_network(subnet))
        ]
        if taken and key not in given:
            progress.warn(
                f"{', '.join(taken)} is around {membership.name}, and would be reached from no pod: the "
                f"cluster uses {', '.join(subnets)} itself. Choose another: "
                + option("kube-opt", f"{key}=SUBNET")
            )


def _check_kind(membership: Part, other: MachineConfig) -> None:
    name, kept, options = membership.name, other.membership, membership.options
    if not kept.get(servers.CLUSTER_ID):
        raise errors.CannotJoin(
            name,
            other.name,
            "it is not a node of a Kubernetes cluster",
            "Make one that is: " + command("create", "--provisioner", membership.config.provisioner, "NAME"),
        )
    if other.unfinished or not kept.get(servers.JOINED):
        raise errors.CannotJoin(
            name, other.name, "it has not got ready itself", "Finish it: " + command("provision", other.name)
        )
    if kept.get(ROLE) != SERVER:
        there = [
            each.name
            for each in servers.members(membership.store, other)
            if each.membership.get(ROLE) == SERVER
        ]
        raise errors.CannotJoin(
            name, other.name, "it is an agent", f"Join by a server: {', '.join(there)}" if there else ""
        )
    wanted = options.get("distribution")
    if wanted and wanted != kept[servers.DISTRIBUTION]:
        raise errors.CannotJoin(
            name,
            other.name,
            f"its cluster is of {kept[servers.DISTRIBUTION]}, and {wanted} was asked for",
            "Leave " + option("distribution") + " away",
        )
    if membership.role == SERVER and not kept.get(servers.JOINABLE):
        raise errors.CannotJoin(
            name,
            other.name,
            "its database takes no other server, since its address may change with each start",
            "Join as an agent, or make the first one at a fixed address: "
            + option("network")
            + " and "
            + option("ip"),
        )


def _check_reached(membership: Part, other: MachineConfig) -> None:
    if why := membership.driver.apart(other):
        raise errors.CannotJoin(
            membership.name,
            other.name,
            f"{why}. Nodes reach each other at their own addresses, and so do pods: there is no way through "
            "published ports",
            "Make both on one network of one endpoint, or at addresses of their own that the other reaches",
        )


def own_address_url(membership: Part, other: MachineConfig) -> str:
    """Return where a machine reaches the API of another. Raises CannotJoin."""
    driver = drivers.of(other)(other, membership.store, trace=membership.trace)
    address = driver.fixed_ip or driver.own_ip
    if not address:
        raise errors.CannotJoin(membership.name, other.name, "its own address is not known")
    return f"https://{host_port.join(address, membership.distribution.port)}"


def _check_cluster(membership: Part, other: MachineConfig) -> None:
    """Ask the cluster: it has to answer, and to have no node of this name."""
    name = membership.name
    try:
        client = servers.client(other)
        if why := client.not_ready():
            raise errors.CannotJoin(
                name,
                other.name,
                f"its Kubernetes API does not answer: {why}",
                "Start it: " + command("start", other.name),
            )
        taken = client.node(membership.node_name)
    except KubernetesError as error:
        raise errors.CannotJoin(name, other.name, error.reason) from error
    if taken is not None:
        raise errors.CannotJoin(
            name,
            other.name,
            f"its cluster has a node {membership.node_name} already",
            f"If that is of a machine that is gone: kubectl --context {other.name} delete node "
            f"{membership.node_name}",
        )
