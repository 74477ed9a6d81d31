"""A machine's part in a Docker Datacenter: a node of its swarm, which UCP looks after."""

from __future__ import annotations

import contextlib

from dinv import errors
from dinv.errors import ContextError, DinvError
from dinv.formats import host_port
from dinv.provisioners import peers
from dinv.provisioners.datacenter import bundle, dtr, password, requirements, subscription, ucp
from dinv.provisioners.datacenter.node import ADMINISTRATOR, INSTALLER, PORT, DatacenterNode
from dinv.provisioners.swarm import managers
from dinv.wording import command, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.engine import Engine
    from dinv.progress import Progress
    from dinv.provisioners.datacenter.api import UCP
    from dinv.store.record import MachineConfig

CONTEXT_SUFFIX = "-ucp"


class DatacenterMembership(DatacenterNode):
    """The node that a machine is, with what UCP and DTR have on it.

    node.py          what the others share
    ucp.py           UCP installed, seen, upgraded, uninstalled
    dtr.py           DTR
    installer.py     how their installers are run; log_lines.py what these say
    api.py           UCP's API, by port_in_machine.py
    bundle.py        client bundles
    password.py      the administrator's password
    subscription.py  the licence
    requirements.py  memory
    """

    # Before there is a machine

    def check(self, progress: Progress) -> None:
        password.given(self.options)
        if self.options["ucp_license"]:
            subscription.read(self.options["ucp_license"])
        super().check(progress)
        peer = str(self.options["join"] or "")
        if peer:
            self._check_peer(self.store.load(peer))

    def _check_peer(self, peer: MachineConfig) -> None:
        name = self.config.name
        if not peer.membership.get(INSTALLER):
            raise errors.CannotJoin(
                name,
                peer.name,
                "there is no Docker Datacenter on it",
                "One begins with "
                + command("create", "--provisioner", self.config.provisioner, "--ucp-image", "IMAGE", "NAME"),
            )
        if self.options["dtr_image"] and not self.password():
            raise errors.CannotJoin(
                name,
                peer.name,
                "DTR's installer needs the password of UCP's administrator, which this store does not have",
                "Give it by $DINV_UCP_ADMIN_PASSWORD",
            )

    def examine(self, progress: Progress) -> None:
        super().examine(progress)
        requirements.examine(
            self.config.name,
            self.driver,
            progress,
            manager=self.is_to_manage or bool(self.options["dtr_image"]),
            forced=bool(self.options["ucp_force_minimums"]),
        )

    # In the cluster

    def join(self, progress: Progress, *, timeout: float) -> None:
        with self.daemon() as engine:
            # Before it is a node: UCP's agent comes to each at once, and would look for them in a registry.
            ucp.load_images(self, engine, self._wanted_image(), progress)
        super().join(progress, timeout=timeout)
        with self.daemon() as engine:
            if self.begins:
                self._begin(engine, progress)
            else:
                self._follow(engine, progress)
            if self.options["dtr_image"]:
                dtr.have_replica(self, engine, progress)

    def _wanted_image(self) -> str:
        if self.begins:
            return str(self.options["ucp_image"])
        # By what a manager has: it may have been upgraded by way of another machine than is recorded.
        for peer in self.others():
            with (
                contextlib.suppress(DinvError),
                peers.open_daemon(peer, timeout=ucp.CALL_SECONDS, trace=self.trace) as engine,
            ):
                return ucp.installed(engine)
        return str(self.config.membership.get(INSTALLER) or "")

    def _begin(self, engine: Engine, progress: Progress) -> None:
        """Install UCP, if it is not there, and fetch what its users need."""
        secret = self.password() or password.made_up()
        password.keep(self.config.directory, secret)
        self.record(
            **{
                PORT: self.options["ucp_controller_port"],
                ADMINISTRATOR: self.options["ucp_admin_username"],
            }
        )
        ucp.install(self, engine, secret, progress)
        self._settle(engine, progress)

    def _follow(self, engine: Engine, progress: Progress) -> None:
        """Wait until UCP has the new node, which its agent sets up."""
        peer = next((each for each in self.others() if each.membership.get(PORT)), None)
        if peer is not None:
            self.record(
                **{
                    PORT: peer.membership[PORT],
                    ADMINISTRATOR: peer.membership.get(ADMINISTRATOR),
                    INSTALLER: peer.membership.get(INSTALLER),
                }
            )
        seconds = float(self.options["ucp_timeout"])
        with progress.working("UCP", f"waiting until it has {self.config.name}"):
            ucp.wait_for_agent(self, engine, progress, timeout=seconds)
            if self.is_manager:
                self._settle(engine, progress)
            node = str(engine.swarm.state(timeout=ucp.CALL_SECONDS).get("NodeID") or "")
            manager = self.bundled_manager()
            seen = ucp.by_bundle(self, manager) if manager is not None else None
            if seen is None:
                progress.note(
                    f"UCP's agent runs on {self.config.name}. Whether UCP sees it as healthy was not asked: "
                    "this store has no client bundle of it"
                )
                return
            ucp.wait_until_seen(seen, node, progress, timeout=seconds)
        progress.line(
            "UCP", f"{self.config.name} is a node of {self.config.membership.get('Cluster')}", "healthy"
        )

    def _settle(self, engine: Engine, progress: Progress) -> None:
        """Wait for the machine's own UCP, and fetch the client bundle."""
        controller = ucp.by_login(self, engine, progress)
        ucp.wait_until_healthy(controller, progress, timeout=float(self.options["ucp_timeout"]))
        image = ucp.installed(engine)
        self.record(**{INSTALLER: image})
        progress.line("UCP", f"{ucp.version_of(image)} at {controller.address}", "healthy")
        found = self._bundle(controller, progress)
        if found:
            self._write_context(found, progress)

    def _bundle(self, controller: UCP, progress: Progress) -> dict[str, bytes]:
        """Return the files of the client bundle, that in the store if it is of use; {} for none."""
        own = ucp.by_bundle(self, self.config)
        if own is not None:
            with contextlib.suppress(DinvError):
                own.nodes()
                return bundle.read(self.config.directory)
        secret = self.password()
        if not secret:
            progress.warn(
                f"There is no client bundle of {self.config.name}: this store does not have the password of "
                "UCP's administrator. Give it by $DINV_UCP_ADMIN_PASSWORD, then: "
                + command("provision", self.config.name)
            )
            return {}
        found = ucp.fetch_bundle(self, controller, secret)
        password.keep(self.config.directory, secret)
        return found

    def resume(self, progress: Progress, *, timeout: float) -> None:
        super().resume(progress, timeout=timeout)
        own = ucp.by_bundle(self, self.config) if self.is_manager else None
        if own is not None:
            with progress.working("UCP", "waiting until it is healthy"):
                ucp.wait_until_healthy(own, progress, timeout=timeout)

    def upgrade(self, image: str, progress: Progress) -> None:
        """Upgrade UCP, or DTR, on all machines of the cluster to the version of an installer."""
        with self.daemon() as engine:
            if dtr.is_installer(image):
                dtr.upgrade(self, engine, image, progress)
                return
            if ucp.installed(engine) == image:
                progress.note(f"UCP is of this version already: {image}")
                return
            ucp.load_images(self, engine, image, progress)
            ucp.upgrade(self, engine, image, progress)
            self._settle(engine, progress)

    def leave(self, progress: Progress, *, force: bool) -> list[str]:
        if force and not self.has_others():
            # All that there is of it goes with the machine.
            return super().leave(progress, force=force)
        left = dtr.leave(self, progress)
        if self.config.membership.get(INSTALLER) and self._is_last_manager():
            left += ucp.uninstall(self, progress)
        return [*left, *super().leave(progress, force=force)]

    def forget(self) -> None:
        super().forget()
        from dinv.endpoints import contexts

        with contextlib.suppress(ContextError):
            contexts.remove(self.config.name + CONTEXT_SUFFIX, self.config.identity)

    def _is_last_manager(self) -> bool:
        """Whether no other manager is left, as far as its own daemon says, which decides."""
        try:
            with self.daemon() as engine:
                engine.ping(timeout=managers.LOOK_SECONDS)
                state = engine.swarm.state(timeout=managers.CALL_SECONDS)
                if not managers.controls(state):
                    return False
                nodes = engine.swarm.nodes(timeout=managers.CALL_SECONDS)
                return not managers.lasting(nodes) - {str(state.get("NodeID") or "")}
        except DinvError:
            return False

    def _write_context(self, found: dict[str, bytes], progress: Progress) -> None:
        """Write a docker context for UCP, beside that of the machine's own daemon."""
        from dinv.endpoints import contexts

        config = self.config
        if not config.context:
            return
        where = self.driver.reached_at(config, self.controller_port)
        if where is None:
            progress.note(
                f"No docker context for UCP: its port {self.controller_port} on {config.name} is not reached "
                "from here. Publish it (" + option("publish-ports", str(self.controller_port)) + ")"
            )
            return
        try:
            contexts.write(
                config.name + CONTEXT_SUFFIX,
                host=f"tcp://{host_port.join(*where)}",
                description=f"UCP on dinv machine {config.name}",
                owner=config.identity,
                ca=found["ca.pem"],
                cert=found["cert.pem"],
                key=found["key.pem"],
            )
        except ContextError as error:
            progress.warn("No docker context for UCP: " + error.text)
