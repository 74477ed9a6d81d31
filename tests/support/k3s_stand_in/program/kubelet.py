"""The node's part: a certificate by the join token, a Node in the API, and its state, again and again.

k3s-io/k3s: pkg/agent/run.go, pkg/agent/config/config.go; a node is NotReady until its network is there.
"""

from __future__ import annotations

import http.client
import json
import os
import platform
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any

from k3s_stand_in.program import answers, certificates, client, logs, machine, tokens
from k3s_stand_in.program.state import now

if TYPE_CHECKING:
    from k3s_stand_in.program.flags import Options

_RETRY_SECONDS = 2
_BEAT_SECONDS = 2
_AGAIN_SECONDS = 0.3
_NETWORK_SECONDS = 1.5
_ERRORS = (client.Refused, OSError, http.client.HTTPException)
_NO_NETWORK = (
    "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady "
    "message:Network plugin returns error: cni plugin not initialized"
)
PASSWORD_FILE = "/etc/rancher/node/password"


class Kubelet:
    """One node. `roles` are its labels' node-role.kubernetes.io/ROLE."""

    def __init__(self, options: Options, name: str, server: str, token: str, roles: tuple[str, ...]) -> None:
        self.options = options
        self.name = f"{name}-{_node_id()}" if options["with-node-id"] else name
        self.server = server
        self.token = token
        self.roles = roles
        self.directory = os.path.join(options["data-dir"], "agent")
        self._since = now()
        self._reported_ready = False
        self._control_plane = bool(roles)
        self.ended = threading.Event()
        self._servers: list[str] = []

    def run(self) -> None:
        """Join, and stay a node."""
        api = self._joined()
        network = threading.Event()
        threading.Thread(target=self._network, args=(network,), daemon=True).start()
        registered = False
        while not self.ended.is_set():
            try:
                if not registered:
                    self._register(api)
                    registered = True
                    logs.info(f"Annotations and labels have been set successfully on node: {self.name}")
                self._report(api, ready=network.is_set())
                self._learn(api)
            except client.Refused as refused:
                # A node that was deleted is not registered again before k3s is restarted: so is the kubelet.
                logs.error(f"Unable to {'update node status' if registered else 'register node'}: {refused}")
            except (OSError, http.client.HTTPException) as error:
                logs.warning(f"Unable to update node status: {error}")
                api = self._next(api)
            if not registered:
                time.sleep(_AGAIN_SECONDS)
            elif self._reported_ready or not network.wait(_BEAT_SECONDS):
                time.sleep(_BEAT_SECONDS)

    def _learn(self, api: client.Server) -> None:
        """Ask which servers there are, for when one ends (k3s: pkg/agent/loadbalancer)."""
        if not self._control_plane:
            self._servers = [f"https://{address}" for address in json.loads(api.call("/v1-k3s/apiservers"))]

    def _next(self, api: client.Server) -> client.Server:
        others = [url for url in self._servers if url != api.url]
        if not others:
            return api
        self._servers = [*others, api.url]
        return api.at(others[0])

    def _network(self, there: threading.Event) -> None:
        time.sleep(_NETWORK_SECONDS)
        reason = machine.check_network(self.options)
        if reason:
            logs.error(f"flannel exited: failed to register flannel network: {reason}")
            return
        there.set()

    def _joined(self) -> client.Server:
        """Return the API by the certificate of this node; tries until a server gives it one, as k3s does."""
        password = _kept_password()
        key_file = os.path.join(self.directory, "client-kubelet.key")
        key = certificates.kept_key(key_file)
        certificate_file = os.path.join(self.directory, "client-kubelet.crt")
        while True:
            try:
                token = tokens.parsed(self.token)
                ca = client.Server(self.server).call("/cacerts")
                tokens.check_ca(token, ca)
            except (*_ERRORS, logs.FatalError) as error:
                logs.error(f"Failed to validate connection to cluster at {self.server}: {error}")
                time.sleep(_RETRY_SECONDS)
                continue
            try:
                supervisor = client.Server(self.server, ca=ca)
                basic = ("node", token.secret)
                supervisor.call("/v1-k3s/config", basic=basic)
                headers = {"k3s-Node-Name": self.name, "k3s-Node-Password": password}
                pem = supervisor.call(
                    "/v1-k3s/client-kubelet.crt",
                    method="POST",
                    body=certificates.request(key),
                    basic=basic,
                    headers=headers,
                )
            except _ERRORS as error:
                self._explain(error)
                time.sleep(_RETRY_SECONDS if "503" not in str(error) else _AGAIN_SECONDS)
                continue
            certificates.write(os.path.join(self.directory, "server-ca.crt"), ca)
            certificates.write(certificate_file, pem)
            return client.Server(self.server, ca=ca, identity=(certificate_file, key_file))

    def _explain(self, error: Exception) -> None:
        if isinstance(error, client.Refused) and error.status == 403 and b"password" in error.body:
            logs.error(
                f"Node password rejected, duplicate hostname or contents of '{PASSWORD_FILE}' may not match "
                "server node-passwd entry, try enabling a unique node name with the --with-node-id flag"
            )
        logs.info(f"Waiting to retrieve agent configuration; server is not ready: {error}")

    def _register(self, api: client.Server) -> None:
        node = {"metadata": {"name": self.name, "labels": self._labels()}, "spec": {}, "status": {}}
        try:
            api.call("/api/v1/nodes", method="POST", body=node)
            logs.info(f'"Successfully registered node" node="{self.name}"')
        except client.Refused as refused:
            if refused.status != 409:
                raise
            merge = {"Content-Type": "application/strategic-merge-patch+json"}
            body = {"metadata": {"labels": self._labels()}}
            api.call(f"/api/v1/nodes/{self.name}", method="PATCH", body=body, headers=merge)

    def _report(self, api: client.Server, *, ready: bool) -> None:
        why = {
            True: ("True", "KubeletReady", "kubelet is posting ready status"),
            False: (
                "False",
                "KubeletNotReady",
                _NO_NETWORK,
            ),
        }[ready]
        if ready and not self._reported_ready:
            self._since = now()
        condition = {
            "type": "Ready",
            "status": why[0],
            "reason": why[1],
            "message": why[2],
            "lastHeartbeatTime": now(),
            "lastTransitionTime": self._since,
        }
        status = {
            "conditions": [condition],
            "addresses": [
                {"type": "InternalIP", "address": machine.address(self.options)},
                {"type": "Hostname", "address": self.name},
            ],
            "nodeInfo": self._info(),
        }
        merge = {"Content-Type": "application/strategic-merge-patch+json"}
        path = f"/api/v1/nodes/{self.name}/status"
        api.call(path, method="PATCH", body={"status": status}, headers=merge)
        self._reported_ready = ready

    def _info(self) -> dict[str, str]:
        runtime = "docker://26.1.5" if self.options["docker"] else "containerd://2.1.4-k3s1"
        return {
            "kubeletVersion": answers.VERSION,
            "osImage": "stand-in for k3s",
            "kernelVersion": platform.release(),
            "containerRuntimeVersion": runtime,
            "operatingSystem": "linux",
            "architecture": "amd64",
        }

    def _labels(self) -> dict[str, str]:
        labels = {
            "kubernetes.io/hostname": self.name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
            "node.kubernetes.io/instance-type": "k3s",
        }
        labels.update({f"node-role.kubernetes.io/{role}": "true" for role in self.roles})
        for pair in self.options["node-label"]:
            key, _, value = pair.partition("=")
            labels[key] = value
        return labels


def watch_over(state: Any, grace: float) -> None:
    """Mark nodes that say nothing any more, as Kubernetes' node lifecycle controller does."""
    seen: dict[str, tuple[str, float]] = {}
    while True:
        time.sleep(0.5)
        for node in state.listed()[1]:
            name = node["metadata"]["name"]
            ready = [one for one in node.get("status", {}).get("conditions", []) if one["type"] == "Ready"]
            beat = ready[0]["lastHeartbeatTime"] if ready else ""
            if seen.get(name, ("", 0.0))[0] != beat or name not in seen:
                seen[name] = (beat, time.monotonic())
            if ready and ready[0]["status"] != "Unknown" and time.monotonic() - seen[name][1] > grace:
                ready[0].update(
                    status="Unknown",
                    reason="NodeStatusUnknown",
                    message="Kubelet stopped posting node status.",
                    lastTransitionTime=now(),
                )
                state.put(node)


def _kept_password() -> str:
    """Return what proves that a node which comes again is the same one."""
    if not os.path.exists(PASSWORD_FILE):
        certificates.write(PASSWORD_FILE, secrets.token_hex(16).encode() + b"\n")
    with open(PASSWORD_FILE, encoding="ascii") as stream:
        return stream.read().strip()


def _node_id() -> str:
    path = "/etc/rancher/node/id"
    if not os.path.exists(path):
        certificates.write(path, secrets.token_hex(4).encode() + b"\n")
    with open(path, encoding="ascii") as stream:
        return stream.read().strip()


def read_file(path: str) -> str:
    """Return a file's text; wait four minutes for one that is not there (k3s: pkg/util/file.go)."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        try:
            with open(path, encoding="utf-8") as stream:
                return stream.read().strip()
        except FileNotFoundError:
            logs.info(f"Waiting for {path} to be available\n")
            time.sleep(2)
        except OSError as error:
            logs.fatal(f"open {path}: {error.strerror}")
    return logs.fatal("Timeout while trying to read the file")
