"""The machines of a cluster that this store knows: their records, which server answers, what that says."""

from __future__ import annotations

import os

from dinv import errors
from dinv.errors import DinvError, KubernetesError
from dinv.provisioners import peers
from dinv.provisioners.kubernetes import KUBECONFIG, api
from dinv.provisioners.kubernetes.api import CALL_SECONDS, Api
from dinv.provisioners.kubernetes.kubeconfigs import read
from dinv.provisioners.kubernetes.node import AGENT, SERVER
from dinv.provisioners.membership import CLUSTER, ROLE, Standing
from dinv.system import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.provisioners.kubernetes.kubeconfigs import Credentials
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store

KIND = "Kubernetes cluster"

# What is in a machine's `config.membership`, besides Cluster and Role
DISTRIBUTION = "Distribution"
NODE = "Node"
CLUSTER_ID = "ClusterID"
"""The identity of the machine that began the cluster: names can come again."""
API = "API"
"""https://HOST:PORT, as clients reach a server."""
SERVER_URL = "Server"
"""The same as the joining machine reaches it; "" in the record of the first one."""
ADJUSTMENTS = "Adjustments"
SETTINGS = "Settings"
"""Of the server that it joined by, what a server has to have as well: lists of values by key."""
SHARED_ADJUSTMENTS = "SharedAdjustments"
"""The same of its adjustments."""
JOINABLE = "Joinable"
"""Whether other servers can join it: its database is etcd."""
CORDONED = "Cordoned"
"""Whether dinv has cordoned it: a cordon of somebody else's stays."""
JOINED = "Joined"


def members(store: Store, config: MachineConfig) -> list[MachineConfig]:
    """Return the other machines of this store in the same cluster, its servers first."""
    own = config.membership.get(CLUSTER_ID)
    found = peers.others(store, config, lambda other: bool(own) and other.membership.get(CLUSTER_ID) == own)
    return sorted(found, key=lambda each: (each.membership.get(ROLE) != SERVER, each.name))


def credentials(config: MachineConfig) -> Credentials:
    """Return those in a machine's own kubeconfig. Raises KubernetesError."""
    path = os.path.join(config.directory, KUBECONFIG)
    server = str(config.membership.get(API) or "")
    try:
        found = read(files.read(path))
    except OSError as error:
        raise KubernetesError(config.name, server, f"{path}: {error.strerror}") from error
    if found is None or not server:
        raise KubernetesError(config.name, server, f"{path} has no credentials that could be used")
    return found


def client(config: MachineConfig, *, timeout: float = CALL_SECONDS) -> Api:
    """Return a client of the API that a machine's own kubeconfig leads to. Raises KubernetesError."""
    server = str(config.membership.get(API) or "")
    return Api(config.name, server, credentials(config), timeout=timeout)


def answering(configs: list[MachineConfig], asking: str, *, timeout: float = CALL_SECONDS) -> Api:
    """Return a client of the first of these servers that is ready. Raises ClusterUnreachable."""
    whys = []
    for config in configs:
        if config.membership.get(ROLE) != SERVER:
            continue
        try:
            found = client(config, timeout=timeout)
            why = found.not_ready()
        except KubernetesError as error:
            why = error.reason
        else:
            if not why:
                return found
        whys.append((config.name, why))
    raise unreachable(asking, whys)


def unreachable(machine: str, whys: list[tuple[str, str]]) -> errors.ClusterUnreachable:
    """Return the error that no server of a machine's cluster answers; `whys` pairs names with reasons."""
    return errors.ClusterUnreachable(machine, KIND, whys, decides=SERVER)


def standings(
    configs: list[MachineConfig], *, timeout: float, trace: Callable[[str], None] | None
) -> dict[str, Standing]:
    """Return the standings of machines by name; of those whose cluster does not answer there is none."""
    clusters: dict[str, list[MachineConfig]] = {}
    for config in configs:
        clusters.setdefault(str(config.membership.get(CLUSTER_ID)), []).append(config)
    found = {}
    for members in clusters.values():
        try:
            nodes = answering(members, members[0].name, timeout=timeout / 2).nodes()
        except DinvError as error:
            if trace is not None:
                trace(error.text)
            continue
        for config in members:
            node = nodes.get(str(config.membership.get(NODE)))
            cluster = str(config.membership.get(CLUSTER) or "")
            if node is None:
                found[config.name] = Standing(cluster, str(config.membership.get(ROLE) or ""), "unknown")
            else:
                role = SERVER if api.is_server(node) else AGENT
                found[config.name] = Standing(cluster, role, api.state(node))
    return found
