"""k0s: one program for everything (k0sproject/k0s). Its settings are flags of controller and worker.

Command lines are those of cmd/controller, cmd/worker, cmd/token, cmd/kubeconfig and cmd/etcd, and flags those
of pkg/config/cli.go, at commit dff90ce (August 2026). Nobody has run it in a machine yet.
"""

from __future__ import annotations

import json

from dinv.channel import File
from dinv.provisioners.kubernetes.distributions import Distribution

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from dinv.provisioners.kubernetes.api import Api
    from dinv.provisioners.kubernetes.node import Inside, Node

PROGRAM = "/usr/local/bin/k0s"
CONFIG = "/etc/k0s/k0s.yaml"
TICKET_LIFE = "1h"


class K0s(Distribution):
    """A controller that is a worker as well, so that one node is a cluster; workers."""

    name = "k0s"
    programs = (PROGRAM,)
    kept = ("/var/lib/k0s",)
    release_url = "https://github.com/k0sproject/k0s/releases/download/{version}/k0s-{version}-{arch}"
    release_sums = "https://github.com/k0sproject/k0s/releases/download/{version}/sha256sums.txt"
    settings_name = "k0s's flags"
    reserved = ("config", "data-dir", "token-file", "single", "enable-worker", "kubelet-root-dir")

    def files(self, node: Node) -> list[File]:
        if not node.is_server:
            return []
        api: dict[str, Any] = {"port": self.port, "sans": list(node.addresses)}
        # kine is SQLite: etcd identifies its members by their addresses, and does not start at another one.
        storage: dict[str, Any] = {"type": "etcd" if node.ip else "kine"}
        if node.ip:
            api["address"] = node.ip
            storage["etcd"] = {"peerAddress": node.ip}
        spec: dict[str, Any] = {"api": api, "storage": storage, "telemetry": {"enabled": False}}
        document = {
            "apiVersion": "k0s.k0sproject.io/v1beta1",
            "kind": "ClusterConfig",
            "metadata": {"name": "k0s"},
            "spec": spec,
        }
        return [File(CONFIG, json.dumps(document, indent=1).encode() + b"\n", 0o600)]

    def services(self, node: Node) -> Mapping[str, str]:
        words = [PROGRAM]
        if node.is_server:
            words += ["controller", f"--config={CONFIG}", "--enable-worker", "--no-taints"]
        else:
            words += ["worker"]
        if node.server:
            words.append(f"--token-file={node.ticket}")
        kubelet = [f"--hostname-override={node.name}"]
        kubelet += [f"--{each}" for each in node.adjustments.get("kubelet-arg", ())]
        words.append(_quoted("--kubelet-extra-args=" + " ".join(kubelet)))
        words += [
            _quoted(f"--{key}={value}" if value else f"--{key}")
            for key, values in node.settings.items()
            for value in values
        ]
        return {"k0s": f"exec {' '.join(words)}\n"}

    def ticket(self, server: Inside, role: str) -> bytes:
        kind = "controller" if role == "server" else "worker"
        status, said, _ = server.run(PROGRAM, "token", "create", f"--role={kind}", f"--expiry={TICKET_LIFE}")
        # A kubeconfig with the cluster's CA in it, packed and in base64.
        return said.strip() + b"\n" if status == 0 and said.strip() else b""

    def kubeconfig(self, server: Inside) -> bytes:
        status, said, _ = server.run(PROGRAM, "kubeconfig", "admin")
        return said if status == 0 else b""

    def leave(self, inside: Inside, name: str, client: Api, *, timeout: float) -> str:
        # k0s adds its members as voters at once (pkg/etcd/client.go, AddMember), and asks its own etcd here
        # (cmd/etcd/leave.go), which has to run. It fails also where that was done before.
        inside.run(PROGRAM, "etcd", "leave", timeout=timeout)
        return ""


def _quoted(word: str) -> str:
    import shlex

    return shlex.quote(word)
