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
PROMOTION_SECONDS = 3.0
"""Between looks at learners: 15 s in k3s (pkg/etcd/etcd.go, manageTickerTime)."""
STALL_SECONDS = 300.0
"""How long a learner may make no progress before it is taken out (learnerMaxStallTime)."""
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
        self._caught_up: set[str] = set()
        self._stalled: dict[str, float] = {}
        self._identity = self._own_identity()

    # The other servers

    @property
    def own_url(self) -> str:
        return f"https://{self.address}:{self.options['https-listen-port']}"

    def peers(self) -> dict[str, str]:
        return {name: url for name, url in self.state.exported()["members"].items() if name != self.name}

    def voters(self) -> dict[str, str]:
        """Return the URLs of the members that vote: a learner does not (etcd: learning/design-learner)."""
        known = self.state.exported()
        return {name: url for name, url in known["members"].items() if name not in known["learners"]}

    def up(self) -> set[str]:
        """Return the names of the voters that can be reached, as of the last beat."""
        return {self.name, *self._reached} & self.voters().keys()

    def no_quorum(self, *, now: bool = False) -> str:
        """Return why etcd does not answer; "" if it does. SQLite always does.

        With `now` the others are asked, as a change does, which a majority has to agree to.
        """
        if not self.etcd:
            return ""
        if now:
            self._beat()
        if self.learning():
            return "etcdserver: rpc not supported for learner"
        voters = self.voters()
        if self.name in voters and len(self.up()) > len(voters) // 2:
            return ""
        return "etcdserver: request timed out"

    def learning(self) -> bool:
        """Whether this server is a member that does not vote yet."""
        return self.name in self.state.exported()["learners"]

    def leader(self) -> str:
        """Return the URL of the server that takes changes; "" if it is this one."""
        if not self.etcd:
            return ""
        up = sorted(self.up())
        return "" if not up or up[0] == self.name else self.voters()[up[0]]

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
        threading.Thread(target=self._manage_learners, daemon=True).start()

    def _beats(self) -> None:
        while True:
            time.sleep(_BEAT_SECONDS)
            self._beat()

    def _beat(self) -> None:
        reached = set()
        for name, url in self.peers().items():
            try:
                found = json.loads(self.peer(url).call("/v1-k3s/stand-in-state"))
            except _CALL_ERRORS:
                continue
            if self.state.adopt(found):
                reached.add(name)
        self._reached = reached
        self._caught_up = (self._caught_up | reached) & self.peers().keys()

    def _manage_learners(self) -> None:
        while True:
            time.sleep(PROMOTION_SECONDS)
            self.manage_learners(time.monotonic())

    def manage_learners(self, now: float) -> None:
        """Have learners vote that have caught up, if this server leads (pkg/etcd/etcd.go, manageLearners).

        One that has, and is gone since, is promoted all the same: etcd compares what it has acknowledged with
        the leader's log (server/etcdserver/server.go, isLearnerReady), and does not ask whether it is there.
        """
        if not self.etcd or self.no_quorum() or self.leader():
            return
        for name in self.state.exported()["learners"]:
            if name in self._caught_up:
                self.state.promote(name)
                logs.info(f"Promoted learner {name}")
            elif now - self._stalled.setdefault(name, now) > STALL_SECONDS:
                self._stalled.pop(name)
                self.state.evict(name)
                logs.warning(f"Removed learner {name} from etcd cluster")

    def _hand_out(self, state: dict[str, Any]) -> None:
        for name, url in self.peers().items():
            if name not in self._reached:
                continue
            try:
                self.peer(url).call("/v1-k3s/stand-in-state", method="PUT", body=state)
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
