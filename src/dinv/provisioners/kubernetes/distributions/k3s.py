"""k3s: one program for everything (k3s-io/k3s). Its settings are the keys of /etc/rancher/k3s/config.yaml.

Names of settings, and where things lie, are those of pkg/cli/cmds/server.go and agent.go, pkg/clientaccess,
pkg/daemons/control/deps and pkg/etcd in k3s 1.28 to 1.35.
"""

from __future__ import annotations

import time

from dinv.channel import File
from dinv.errors import KubernetesError
from dinv.provisioners.kubernetes import api
from dinv.provisioners.kubernetes.distributions import Distribution, scalar_lines
from dinv.provisioners.kubernetes.node import SERVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dinv.provisioners.kubernetes.api import Api
    from dinv.provisioners.kubernetes.node import Inside, Node

PROGRAM = "/usr/local/bin/k3s"
CONFIG = "/etc/rancher/k3s/config.yaml"
KUBECONFIG = "/etc/rancher/k3s/k3s.yaml"
_WRITE_AHEAD_LOG = "/var/lib/rancher/k3s/server/db/etcd/member/wal"
_MEMBER = "etcd.k3s.cattle.io/node-name"
_REMOVE = "etcd.k3s.cattle.io/remove"
_REMOVED = "etcd.k3s.cattle.io/removed-node-name"
POLL_SECONDS = 0.3
_TOKEN = "/var/lib/rancher/k3s/server/token"  # noqa: S105  (a path)
"""Written once the server has its CA: K10<sha256 of the CA>::server:<secret>."""


class K3s(Distribution):
    """`k3s server`, with embedded etcd where other servers can join; `k3s agent`."""

    name = "k3s"
    programs = (PROGRAM,)
    kept = ("/var/lib/rancher", "/var/lib/kubelet", "/etc/rancher/node")
    """Data; what the kubelet keeps; the password that a node of this name has to know again."""
    release_url = "https://github.com/k3s-io/k3s/releases/download/{version}/k3s{suffix}"
    release_sums = "https://github.com/k3s-io/k3s/releases/download/{version}/sha256sum-{arch}.txt"
    reset_already = "was previously reset"
    """pkg/cluster/managed.go"""
    settings_name = CONFIG
    subnets = {"cluster-cidr": ("10.42.0.0/16",), "service-cidr": ("10.43.0.0/16",)}  # noqa: RUF012
    of_one_node = (
        *("node-ip", "node-external-ip", "node-label", "node-taint", "kubelet-arg", "kube-proxy-arg"),
        *("snapshotter", "tls-san", "advertise-address", "bind-address", "debug", "v", "resolv-conf"),
    )
    of_the_cluster = ("flannel-backend", "disable-network-policy")
    """pkg/daemons/config/types.go, CriticalControlArgs: a server with others than the first one's ends."""
    reserved = (
        "token",
        "token-file",
        "agent-token",
        "agent-token-file",
        "server",
        "data-dir",
        "node-name",
        "https-listen-port",
        "write-kubeconfig",
        "write-kubeconfig-mode",
        "write-kubeconfig-group",
        "cluster-reset",
        "disable-agent",
        "rootless",
    )

    def files(self, node: Node) -> list[File]:
        return [File(CONFIG, scalar_lines(self._settings(node)).encode(), 0o600)]

    def _settings(self, node: Node) -> dict[str, object]:
        settings: dict[str, object] = {"node-name": node.name}
        if node.ip:
            settings["node-ip"] = [node.ip]
        if node.is_server:
            settings["tls-san"] = list(node.addresses)
            settings["write-kubeconfig-mode"] = "0600"
        if node.server:
            settings["server"] = node.server
            settings["token-file"] = node.ticket
        elif node.joinable:
            # etcd: with SQLite, the default, no other server could ever join. It identifies its members by
            # their addresses, and does not start at another one.
            settings["cluster-init"] = True
        settings |= {
            key: value
            for key, value in node.adjustments.items()
            if node.is_server or key not in self.of_the_cluster
        }
        for key, values in node.settings.items():
            settings[key] = _merged(settings.get(key), values)
        return settings

    def services(self, node: Node) -> Mapping[str, str]:
        return {"k3s": f"exec {PROGRAM} {'server' if node.is_server else 'agent'}\n"}

    def ticket(self, server: Inside, role: str) -> bytes:
        found = server.read(_TOKEN).strip()
        # Without the CA's hash the first to answer at the address would be believed.
        return found + b"\n" if found.startswith(b"K10") and b"::" in found else b""

    def kubeconfig(self, server: Inside) -> bytes:
        return server.read(KUBECONFIG)

    def leave(self, inside: Inside, name: str, client: Api, *, timeout: float) -> str:
        # Where its log is not, etcd has never run: the database is SQLite, or it was no member yet.
        if inside.run("test", "-d", _WRITE_AHEAD_LOG)[0]:
            return ""
        end = time.monotonic() + timeout
        while True:
            try:
                why = _take_out(client, name)
            except KubernetesError as error:  # etcd may be electing another leader
                why = error.reason
            if not why or time.monotonic() >= end:
                return why
            time.sleep(POLL_SECONDS)

    def reset(self, node: Node) -> str:
        # k3s refuses it while `server` is set; who calls this puts the files of a first node in before.
        return f"{PROGRAM} server --cluster-reset" if node.role == SERVER else ""


def _take_out(client: Api, name: str) -> str:
    """Have k3s take a member out of etcd, a step of it; return what is still waited for.

    A member joins as a learner, which does not vote, has no node yet, and cannot be taken out. The leader
    looks every 15 s which of them have caught up, and lets these vote, even one that is gone since. So k3s
    must not end on it before: pkg/etcd/etcd.go, manageLearners; etcd's server/etcdserver/server.go,
    isLearnerReady. Then it has a node with annotations, which pkg/etcd/member_controller.go follows.
    """
    node = client.node(name)
    about = {} if node is None else api.annotations_of(node)
    if _MEMBER not in about:
        return "" if about.get(_REMOVED) else "it has not become a voting member of etcd yet"
    if about.get(_REMOVE) != "true":
        client.annotate(name, {_REMOVE: "true"})
    return "etcd still has it as a member"


def _merged(ours: object, given: Sequence[str]) -> object:
    """A list gets the user's entries as well; another value is the user's; true and false are switches."""
    if isinstance(ours, list):
        return [*ours, *given]
    if len(given) > 1:
        return list(given)
    return {"true": True, "false": False}.get(given[0], given[0])
