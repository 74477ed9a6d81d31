"""kubeadm, with a kubelet and a containerd of its own: Kubernetes as its project releases it.

The image has kubeadm, kubelet, kubectl and CNI plugins, from a tar. Configuration is kubeadm.k8s.io/v1beta4
(Kubernetes 1.31 and later; kubernetes: cmd/kubeadm/app/apis/kubeadm/v1beta4), and the kubelet's command line
is that of kubernetes/release: cmd/krel/templates/latest/kubeadm/10-kubeadm.conf. kubeadm brings no pod
network: nodes are NotReady until somebody applies one. Nobody has run it in a machine yet.
"""

from __future__ import annotations

import json

from dinv import errors
from dinv.channel import File
from dinv.provisioners.kubernetes.distributions import Distribution
from dinv.provisioners.kubernetes.node import SERVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from dinv.provisioners.kubernetes.api import Api
    from dinv.provisioners.kubernetes.node import Inside, Node

PROGRAM = "/usr/bin/kubeadm"
KUBELET = "/usr/bin/kubelet"
CONFIG = "/etc/dinv/kubeadm.json"
KUBECONFIG = "/etc/kubernetes/admin.conf"
_CONTAINERD = "/etc/dinv/kubernetes-containerd.toml"
_SOCKET = "/run/containerd/containerd.sock"
_API = "kubeadm.k8s.io/v1beta4"
_HASH = "--discovery-token-ca-cert-hash"


class Kubeadm(Distribution):
    """`kubeadm init` and `kubeadm join`, once; then a kubelet that is kept running."""

    name = "kubeadm"
    programs = (PROGRAM, KUBELET)
    kept = ("/etc/kubernetes", "/var/lib/etcd", "/var/lib/kubelet", "/var/lib/kubernetes-containerd")
    brings_network = False
    settings_name = "kubeadm's ClusterConfiguration"
    reserved = ("apiServer", "controlPlaneEndpoint", "apiVersion", "kind")

    def files(self, node: Node) -> list[File]:
        content = (
            'version = 2\nroot = "/var/lib/kubernetes-containerd"\nstate = "/run/kubernetes-containerd"\n'
            f'[grpc]\n  address = "{_SOCKET}"\n'
        )
        documents = [self._init(node), self._cluster(node), self._kubelet(node)] if node.first else []
        text = "---\n".join(json.dumps(each, indent=1) + "\n" for each in documents)
        return [File(_CONTAINERD, content.encode()), File(CONFIG, text.encode(), 0o600)]

    def _init(self, node: Node) -> dict[str, Any]:
        endpoint = {"bindPort": self.port, **({"advertiseAddress": node.ip} if node.ip else {})}
        return {
            "apiVersion": _API,
            "kind": "InitConfiguration",
            "localAPIEndpoint": endpoint,
            # A cluster of one node is to run something.
            "nodeRegistration": {**self._registration(node), "taints": []},
        }

    def _registration(self, node: Node) -> dict[str, Any]:
        arguments = [{"name": "node-ip", "value": node.ip}] if node.ip else []
        return {
            "name": node.name,
            "criSocket": f"unix://{_SOCKET}",
            "kubeletExtraArgs": arguments,
            # `requirements` has looked at what matters in a container.
            "ignorePreflightErrors": ["Swap", "SystemVerification"],
        }

    def _cluster(self, node: Node) -> dict[str, Any]:
        return {
            "apiVersion": _API,
            "kind": "ClusterConfiguration",
            "controlPlaneEndpoint": f"{node.ip or node.name}:{self.port}",
            "apiServer": {"certSANs": list(node.addresses)},
            "networking": {"podSubnet": "10.244.0.0/16"},
            **{key: values[-1] for key, values in node.settings.items()},
        }

    def _kubelet(self, node: Node) -> dict[str, Any]:
        document: dict[str, Any] = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "cgroupDriver": "cgroupfs",
            "failSwapOn": False,
        }
        for argument in node.adjustments.get("kubelet-arg", ()):
            key, _, value = str(argument).partition("=")
            pairs = dict(pair.split("=", 1) for pair in value.split(",") if "=" in pair)
            if key == "feature-gates":
                document["featureGates"] = {name: on == "true" for name, on in pairs.items()}
            elif key == "system-reserved":
                document["systemReserved"] = pairs
        return document

    def services(self, node: Node) -> Mapping[str, str]:
        return {
            "kubernetes-containerd": f"exec containerd --config {_CONTAINERD}\n",
            "kubelet": (
                "until [ -f /var/lib/kubelet/config.yaml ]; do sleep 1; done\n"
                "KUBELET_KUBEADM_ARGS=''\n"
                "[ ! -f /var/lib/kubelet/kubeadm-flags.env ] || . /var/lib/kubelet/kubeadm-flags.env\n"
                f"exec {KUBELET} --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf "
                "--kubeconfig=/etc/kubernetes/kubelet.conf --config=/var/lib/kubelet/config.yaml "
                "$KUBELET_KUBEADM_ARGS\n"
            ),
        }

    def started(self, inside: Inside, node: Node, *, timeout: float) -> None:
        if inside.read("/etc/kubernetes/kubelet.conf"):
            return
        if node.first:
            words = [PROGRAM, "init", f"--config={CONFIG}", "--skip-token-print"]
        else:
            joining = f"{node.state}/join.json"
            ticket = json.loads(inside.read(node.ticket) or b"{}")
            if not inside.write_secret(joining, json.dumps(self._join(node, ticket)).encode()):
                raise errors.NodeNotReady(node.name, f"{joining} cannot be written", [])
            words = [PROGRAM, "join", f"--config={joining}"]
        status, said, why = inside.run(*words, timeout=timeout)
        if status:
            lines = said.decode(errors="replace").splitlines()[-20:]
            raise errors.NodeNotReady(node.name, f"kubeadm {words[1]} failed: {why}", lines)

    def _join(self, node: Node, ticket: Mapping[str, Any]) -> dict[str, Any]:
        document: dict[str, Any] = {
            "apiVersion": _API,
            "kind": "JoinConfiguration",
            "discovery": {
                "bootstrapToken": {
                    "apiServerEndpoint": ticket.get("endpoint", ""),
                    "token": ticket.get("token", ""),
                    "caCertHashes": ticket.get("hashes", []),
                }
            },
            "nodeRegistration": self._registration(node),
        }
        if node.is_server:
            place = {"bindPort": self.port, **({"advertiseAddress": node.ip} if node.ip else {})}
            document["controlPlane"] = {
                "localAPIEndpoint": place,
                "certificateKey": ticket.get("certificateKey", ""),
            }
        return document

    def ticket(self, server: Inside, role: str) -> bytes:
        admin = f"--kubeconfig={KUBECONFIG}"
        status, said, _ = server.run(PROGRAM, "token", "create", "--ttl=1h", "--print-join-command", admin)
        # kubeadm join HOST:PORT --token TOKEN --discovery-token-ca-cert-hash sha256:HASH
        words = said.decode(errors="replace").split()
        if status or words[:2] != ["kubeadm", "join"] or "--token" not in words or _HASH not in words:
            return b""
        ticket: dict[str, Any] = {
            "endpoint": words[2],
            "token": words[words.index("--token") + 1],
            "hashes": [words[words.index(_HASH) + 1]],
        }
        if role == SERVER:
            status, said, _ = server.run(PROGRAM, "init", "phase", "upload-certs", "--upload-certs", admin)
            lines = said.decode(errors="replace").split()
            if status or not lines:
                return b""
            ticket["certificateKey"] = lines[-1]
        return json.dumps(ticket).encode() + b"\n"

    def kubeconfig(self, server: Inside) -> bytes:
        return server.read(KUBECONFIG)

    def leave(self, inside: Inside, name: str, client: Api, *, timeout: float) -> str:
        # Its first phase takes the member out of etcd, by the API that still runs here, and goes on if that
        # fails (cmd/kubeadm/app/cmd/phases/reset/removeetcdmember.go). Members are added as learners (feature
        # gate EtcdLearnerMode, on since Kubernetes 1.29, always since 1.32); `kubeadm join` promotes them.
        inside.run(PROGRAM, "reset", "--force", timeout=timeout)
        return ""
