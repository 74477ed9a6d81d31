"""What the files of a membership share: the machine's part in its cluster, by its record and its options."""

from __future__ import annotations

import hashlib

from dinv.provisioners.kubernetes import distributions, servers
from dinv.provisioners.kubernetes.node import AGENT, SERVER, Inside, Node, script
from dinv.provisioners.kubernetes.options import settings
from dinv.provisioners.membership import ROLE, Membership

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.channel import File
    from dinv.provisioners.kubernetes.distributions import Distribution


class Part(Membership):
    """One machine's part, without what is done with it."""

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def distribution(self) -> Distribution:
        """Its distribution: by its record, else as asked for."""
        recorded = self.config.membership.get(servers.DISTRIBUTION)
        return distributions.find(str(recorded or self.options.get("distribution") or distributions.DEFAULT))

    @property
    def role(self) -> str:
        """Its role: by its record, else as asked for."""
        recorded = self.config.membership.get(ROLE)
        return str(recorded or self.options.get("role") or (AGENT if self.options.get("join") else SERVER))

    @property
    def serves_api(self) -> bool:
        """Whether the cluster's API answers on it."""
        return self.role == SERVER

    @property
    def merges(self) -> bool:
        """Whether it is to have an entry in the user's kubeconfig: servers have, unless it is not wanted."""
        return self.serves_api and bool(self.options.get("kubeconfig", True))

    @property
    def node_name(self) -> str:
        """The name of its node: Kubernetes has lower-case names only."""
        return self.config.name.lower()

    @property
    def state(self) -> str:
        """The directory in the machine, on its volume, for what outlives its container."""
        return f"{self.contract.mounts['cache']}/.dinv/kubernetes/{self.config.identity}"

    def node(self) -> Node:
        """Return what its files are made of, as its record says now."""
        kept = self.config.membership
        return Node(
            name=self.node_name,
            role=self.role,
            identity=self.config.identity,
            state=self.state,
            server=str(kept.get(servers.SERVER_URL) or ""),
            ip=self.driver.fixed_ip,
            joinable=bool(kept.get(servers.JOINABLE)),
            addresses=[name for name in self.driver.addresses() if name],
            settings={
                **(kept.get(servers.SETTINGS) or {}),
                **settings(self.options.get("kube_opt") or ()),
            },
            adjustments=dict(kept.get(servers.ADJUSTMENTS) or {}),
        )

    def files(self) -> list[File]:
        """Return the distribution's files and services for it."""
        node, distribution = self.node(), self.distribution
        found = distribution.files(node)
        # A service is restarted if its file changes, and so it has to if its configuration does.
        digest = hashlib.sha256(b"\0".join(file.content for file in found)).hexdigest()
        for name, commands in distribution.services(node).items():
            file = self.contract.service_file(
                name, script(node, distribution.kept, commands, digest).encode()
            )
            if file is not None:
                found.append(file)
        return found

    def put_files(self) -> None:
        """Put them into the machine, which need not run; those that run are not restarted by that."""
        if self.config.membership.get(servers.NODE):
            self.driver.channel().put(self.files())

    def inside(self) -> Inside:
        """Return the way for commands into the machine, which runs."""
        return Inside(self.name, self.driver.channel())
