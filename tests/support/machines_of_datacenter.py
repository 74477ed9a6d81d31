"""Machines of a datacenter in memory: their daemons, UCP's installers and UCP itself are made up."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, cast

from fake_swarm import FakeClient
from machines_of_swarm import Place, SwarmOfMachines
from ucp_stand_in import keys

from dinv.declaration import values
from dinv.errors import DatacenterUnreached, LoginRefused, NotFound
from dinv.images.dinv import DinvContract
from dinv.provisioners.datacenter import DatacenterProvisioner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dinv.drivers import Driver
    from dinv.errors import InstallerFailed
    from dinv.provisioners.datacenter.installer import Run
    from dinv.provisioners.datacenter.membership import DatacenterMembership
    from dinv.provisioners.swarm.membership import SwarmMembership
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store

CA_KEY, CA = keys.new_ca()
IMAGE = "mirantis/ucp:3.8.10"


class Datacenter(SwarmOfMachines):
    """Machines, and what their daemons have besides a swarm."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.containers: dict[str, dict[str, str]] = {}
        """By machine: names of containers, and their images."""
        self.images: dict[str, set[str]] = {}
        self.runs: list[tuple[str, Run]] = []
        """Runs of installers, each with the machine that it ran on."""
        self.failing: dict[str, InstallerFailed] = {}
        """By operation: how the next run fails. One of "install" fails half-way."""
        self.ucp = Ucp(self)
        self.tried = (0, b"vxlan=yes\nip_vs=yes\nxt_ipvs=yes\nesp4=yes\nMemTotal: 16000000 kB\n")
        self.calls: list[tuple[str, str]] = []
        self.secrets: dict[str, Any] = {}
        removed = self.world.remove

        def remove(name: str) -> None:
            removed(name)
            self.containers.pop(name, None)
            self.images.pop(name, None)
            if not self.world.daemons:
                self.ucp.password = ""  # it is gone

        self.world.remove = remove  # type: ignore[method-assign]

    def create(self, name: str, **options: Any) -> None:
        """The password is given to this create alone, as a secret is."""
        given = values(DatacenterProvisioner.create_flags(), options, {})
        self.secrets = {"ucp_admin_password": given.pop("ucp_admin_password")}
        super().create(name, **given)
        self.secrets = {}

    def _of(self, config: MachineConfig) -> SwarmMembership:
        place = cast("Driver", Place(self, config))
        return DatacenterProvisioner(config, place, DinvContract(), secrets=self.secrets).membership()

    def member(self, name: str) -> DatacenterMembership:
        return cast("DatacenterMembership", self.membership(name))

    def operations(self) -> list[str]:
        return [what.operation for _, what in self.runs]

    def last(self, operation: str) -> Run:
        return next(what for _, what in reversed(self.runs) if what.operation == operation)

    def run(self, engine: Client, machine: str, what: Run, _progress: object) -> bytes:
        """In the place of `installer.run`."""
        self.runs.append((machine, what))
        return bytes(self.world.change(lambda: self._effect(machine, what)))

    def _effect(self, machine: str, what: Run) -> bytes:
        there = self.containers.setdefault(machine, {})
        failure = self.failing.pop(what.operation, None)
        if failure is not None:
            if what.operation == "install":
                there["ucp-client-root-ca"] = "mirantis/ucp-agent:3.8.10"
            raise failure
        version = what.image.rpartition(":")[2]
        if what.operation == "dump-certs":
            return CA
        if "dtr" in what.image:
            self._dtr(machine, what)
        elif what.operation in ("install", "upgrade"):
            if what.operation == "install":
                assert not there, "the installer would stumble over what is there"
                self.ucp.password = what.environment["UCP_ADMIN_PASSWORD"]
            for name in self.world.daemons:
                self.agent(name, version)
        elif what.operation == "uninstall-ucp":
            for each in self.containers.values():
                each.clear()
        return b""

    def agent(self, machine: str, version: str = "3.8.10") -> None:
        """UCP's agent has come to a node."""
        self.containers.setdefault(machine, {})["ucp-proxy"] = f"mirantis/ucp-agent:{version}"

    def _dtr(self, machine: str, what: Run) -> None:
        there = self.containers[machine]
        flags = dict(itertools.pairwise(what.flags))
        if what.operation in ("install", "join"):
            there[f"dtr-nginx-{flags['--replica-id']}"] = what.image
        elif what.operation in ("remove", "destroy"):
            del there["dtr-nginx-" + (flags.get("--replica-ids") or flags["--replica-id"])]


class Client(FakeClient):
    """A daemon's client, with containers and images."""

    def __init__(self, datacenter: Datacenter, name: str) -> None:
        super().__init__(datacenter.world, name)
        self.datacenter = datacenter
        self.containers = self.images = self
        self.there = datacenter.containers.setdefault(name, {})

    def info(self, timeout: float) -> dict[str, Any]:
        return {**super().info(timeout), "Name": self.name}

    def inspect(self, name: str, timeout: float | None = None) -> dict[str, Any]:
        if timeout is None:  # images
            if name not in self.datacenter.images.setdefault(self.name, set()):
                raise NotFound("no such image", status=404)
            return {"Id": name}
        if name == "ucp-proxy" and self.world.daemons[self.name].cluster is not None:
            self.datacenter.ucp.agents(self.name)
        if name not in self.there:
            raise NotFound("no such container", status=404)
        return {"Config": {"Image": self.there[name]}, "State": {"Running": True}}

    def list(self, *, all: bool, timeout: float, filters: Any = None) -> list[dict[str, Any]]:  # noqa: A002
        names = self.there
        if filters:
            replica = filters["label"][0].partition("=")[2]
            names = {name: image for name, image in names.items() if name.endswith(replica)}
        return [{"Names": [f"/{name}"]} for name in names]

    def remove(self, name: str, *, force: bool, timeout: float) -> None:
        del self.there[name]

    def load(self, archive: Any) -> Sequence[str]:
        assert archive.read(3) == b"tar"
        cluster = self.world.daemons[self.name].cluster
        self.datacenter.calls.append(("load before the swarm" if cluster is None else "load", self.name))
        self.datacenter.images.setdefault(self.name, set()).add(IMAGE)
        return [IMAGE]

    def pull(self, image: str, **_: object) -> None:
        self.datacenter.calls.append(("pull", image))
        self.datacenter.images.setdefault(self.name, set()).add(image)

    def call(self, method: str, path: str, **more: Any) -> Any:
        if path.startswith("/services/"):
            self.datacenter.calls.append((method, path))
            return b""
        return super().call(method, path, **more)


class Ucp:
    """The UCP of all of them."""

    address = "https://10.213.236.1:443"

    def __init__(self, datacenter: Datacenter) -> None:
        self.datacenter = datacenter
        self.machine = ""
        self.password = ""
        self.logins: list[str] = []
        self.unhealthy: list[str] = []
        """What the next pings say."""
        self.reachable = True
        self.agents_come = True

    def agents(self, name: str) -> None:
        if self.agents_come and self.password:
            self.datacenter.containers[name].setdefault("ucp-proxy", "mirantis/ucp-agent:3.8.10")

    def ping(self, *, timeout: float = 1) -> str:
        return self.unhealthy.pop(0) if self.unhealthy else ""

    def login(self, user: str, password: str) -> None:
        self.logins.append(user)
        if password != self.password:
            raise LoginRefused("m", user, "invalid credentials")

    def bundle(self) -> bytes:
        return keys.bundle(CA_KEY, CA, "admin", "10.213.236.1", 443)

    def nodes(self) -> list[dict[str, Any]]:
        if not self.reachable:
            raise DatacenterUnreached("m", self.address, "nothing listens there")
        return [
            {"ID": node, "Status": {"State": "ready", "Message": "Healthy UCP worker"}}
            for cluster in self.datacenter.world.clusters
            for node in cluster.nodes
        ]
