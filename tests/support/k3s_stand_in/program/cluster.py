"""One server's view of its cluster: what it keeps, who it trusts, and the other servers."""

from __future__ import annotations

import http.client
import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from k3s_stand_in.program import certificates, client, logs
from k3s_stand_in.program.certificates import Authority
from k3s_stand_in.program.state import State

if TYPE_CHECKING:
    from k3s_stand_in.program.flags import Options

_BEAT_SECONDS = 0.5
_CALL_ERRORS = (client.Refused, OSError, http.client.HTTPException, ValueError)

CRITICAL = (
    "cluster-cidr",
    "service-cidr",
    "cluster-dns",
    "cluster-domain",
    "flannel-backend",
    "flannel-ipv6-masq",
    "flannel-external-ip",
    "egress-selector-mode",
    "disable-cloud-controller",
    "disable-helm-controller",
    "disable-network-policy",
    "secrets-encryption",
    "embedded-registry",
)
"""What has to be the same on all servers (k3s: pkg/daemons/config/types.go, CriticalControlArgs)."""


class Cluster:
    """What the API of this server works on."""

    def __init__(self, options: Options, name: str, address: str) -> None:
        self.options = options
        self.name = name
        self.address = address
        self.directory = os.path.join(options["data-dir"], "server")
        self.tls = os.path.join(self.directory, "tls")
        self.server_ca = Authority.kept(self.tls, "server-ca", "k3s-server-ca")
        self.client_ca = Authority.kept(self.tls, "client-ca", "k3s-client-ca")
        self.state = State(os.path.join(self.directory, "db", "stand-in.json"))
        self.state.on_change = self._hand_out
        self.etcd = os.path.isdir(os.path.join(self.directory, "db", "etcd"))
        self.users: dict[str, str] = {}
        self.ready = False
        self._reached: set[str] = set()
        self._identity = self._own_identity()

    # The other servers

    @property
    def own_url(self) -> str:
        return f"https://{self.address}:{self.options['https-listen-port']}"

    def peers(self) -> dict[str, str]:
        return {name: url for name, url in self.state.exported()["members"].items() if name != self.name}

    def quorate(self) -> bool:
        """Whether a majority of etcd's members can be reached; SQLite always can."""
        if not self.etcd:
            return True
        members = self.state.exported()["members"]
        up = {self.name, *self._reached} & members.keys()
        return self.name in members and len(up) > len(members) // 2

    def leader(self) -> str:
        """Return the URL of the server that takes changes; "" if it is this one."""
        if not self.etcd:
            return ""
        members = self.state.exported()["members"]
        up = sorted({self.name, *self._reached} & members.keys())
        return "" if not up or up[0] == self.name else members[up[0]]

    def removed(self) -> bool:
        """Whether this server was a member of etcd and is no longer."""
        return self.etcd and self.ready and self.name not in self.state.exported()["members"]

    def servers(self) -> list[str]:
        """Return the URLs of all servers, this one first."""
        return [self.own_url, *self.peers().values()]

    def peer(self, url: str) -> client.Server:
        return client.Server(url, ca=self.server_ca.pem, identity=self._identity)

    def keep_in_step(self) -> None:
        """Ask the other servers, again and again, whether they are there, and for what is newer."""
        self._beat()
        threading.Thread(target=self._beats, daemon=True).start()

    def _beats(self) -> None:
        while True:
            time.sleep(_BEAT_SECONDS)
            self._beat()

    def _beat(self) -> None:
        reached = set()
        for name, url in self.peers().items():
            try:
                found = json.loads(self.peer(url).call("/v1-k3s/stand-in-state", timeout=2))
            except _CALL_ERRORS:
                continue
            if self.state.adopt(found):
                reached.add(name)
        self._reached = reached

    def _hand_out(self, state: dict[str, Any]) -> None:
        for name, url in self.peers().items():
            if name not in self._reached:
                continue
            try:
                self.peer(url).call("/v1-k3s/stand-in-state", method="PUT", body=state, timeout=2)
            except _CALL_ERRORS as error:
                logs.warning(f"etcd: cannot reach {name}: {error}")

    def _own_identity(self) -> tuple[str, str]:
        key_file = os.path.join(self.tls, "client-supervisor.key")
        certificate_file = os.path.join(self.tls, "client-supervisor.crt")
        key = certificates.kept_key(key_file)
        pem = self.client_ca.client("system:k3s-supervisor", ("system:masters",), key.public_key())
        certificates.write(certificate_file, pem)
        return certificate_file, key_file

    # What it gives to those who join

    def bootstrap(self) -> dict[str, Any]:
        """Return what a second server needs to be one of this cluster's: its CAs, its users, its state."""
        files = {}
        for name in ("server-ca", "client-ca"):
            for ending in ("crt", "key"):
                with open(os.path.join(self.tls, f"{name}.{ending}"), encoding="ascii") as stream:
                    files[f"{name}.{ending}"] = stream.read()
        return {"files": files, "users": self.users, "state": self.state.exported()}

    def critical(self) -> dict[str, Any]:
        disabled = sorted(self.options["disable"])
        return {**{name: self.options[name] for name in CRITICAL}, "servicelb": "servicelb" in disabled}
