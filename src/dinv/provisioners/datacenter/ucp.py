"""UCP on the machines of a swarm: installed on the first, seen on each, upgraded, uninstalled.

What is installed is read off the container `ucp-proxy`, which every node has, and whose image has the version
(Mirantis/launchpad: pkg/mke/mke.go, CollectFacts). So nothing here depends on what a command that was killed
had come to.
"""

from __future__ import annotations

import contextlib
import time

from dinv import drivers
from dinv.channel import File
from dinv.drivers.docker.image import ensure, present
from dinv.engine.reference import parse_reference
from dinv.engine.wire.tls_files import TLSFiles
from dinv.errors import (
    CertificateError,
    DatacenterError,
    DatacenterUnreached,
    DinvError,
    EngineError,
    InstallerFailed,
    NotFound,
    OptionError,
)
from dinv.formats import host_port
from dinv.progress import Progress
from dinv.provisioners import peers
from dinv.provisioners.datacenter import bundle, installer, options, subscription
from dinv.provisioners.datacenter.api import UCP
from dinv.provisioners.datacenter.installer import Run
from dinv.provisioners.datacenter.port_in_machine import PortInMachine
from dinv.wording import command, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from dinv.engine import Engine
    from dinv.provisioners.datacenter.node import DatacenterNode
    from dinv.store.record import MachineConfig

PROXY = "ucp-proxy"
PREFIX = "ucp-"
CALL_SECONDS = 60.0
POLL_SECONDS = 0.5
QUICK_SECONDS = 300.0
"""For runs of an installer that only look something up."""
UNINSTALL_SECONDS = 240.0
"""uninstall-ucp itself waits 2 minutes for the nodes (Mirantis/launchpad: uninstall_mke.go)."""
UNINSTALL_SERVICES = ("ucp-uninstall-agent", "ucp-uninstall-agent-win")
READY = "ready"


# What is there


def installed(engine: Engine) -> str:
    """Return the image of the installer of the UCP that a node has, with its version; "" if it has none.

    That of the agent is `mirantis/ucp-agent:3.8.10`, and the installer's `mirantis/ucp:3.8.10`.
    """
    try:
        found = engine.containers.inspect(PROXY, timeout=CALL_SECONDS)
    except NotFound:
        return ""
    repository, colon, version = str((found.get("Config") or {}).get("Image") or "").rpartition(":")
    if not colon or "/" in version:
        return ""
    above, slash, _ = repository.rpartition("/")
    return f"{above}{slash}ucp:{version}"


def runs(engine: Engine) -> bool:
    """Return whether UCP's agent has set a node up."""
    try:
        found = engine.containers.inspect(PROXY, timeout=CALL_SECONDS)
    except NotFound:
        return False
    return bool((found.get("State") or {}).get("Running"))


def version_of(image: str) -> str:
    """Return the version in the name of an installer, "" if it has none."""
    return parse_reference(image).tag or ""


# Images


def load_images(member: DatacenterNode, engine: Engine, image: str, progress: Progress) -> None:
    """Load the archive of UCP's images, if one is given and they are not there. Raises OptionError."""
    path = str(member.options["ucp_images"] or "")
    if not path or not image or present(engine, image) is not None:
        return
    try:
        with open(path, "rb") as archive, progress.working("Images", f"loading {path}"):
            names = engine.images.load(archive)
    except OSError as error:
        raise OptionError(f"cannot be read: {error.strerror}", option="ucp-images", value=path) from error
    if present(engine, image) is None:
        there = ", ".join(sorted(names)[:5])
        raise OptionError(f"has no image {image}, but {there}", option="ucp-images", value=path)
    progress.line("Images", f"{len(names)} of {path}", "loaded")


def have_image(engine: Engine, image: str, progress: Progress) -> None:
    """See to it that a daemon has an installer. Raises ImageMissing."""
    if present(engine, image) is None:
        advice = (
            "Give the archive of its images by " + option("ucp-images", "FILE") + ", or a name that can be"
        )
        ensure(engine, image, progress, advice=advice + " pulled.")


# Installed


def install(member: DatacenterNode, engine: Engine, password: str, progress: Progress) -> None:
    """Install UCP on the machine, the first of its swarm, unless it is there. Raises InstallerFailed, ..."""
    given, name = member.options, member.config.name
    image = str(given["ucp_image"])
    installer.settle(engine, name, Run(image, "install", timeout=given["ucp_timeout"]), progress)
    if installed(engine):
        return
    have_image(engine, image, progress)
    _clear(member, engine, image, progress)
    state = engine.swarm.state(timeout=CALL_SECONDS)
    address = str(state.get("NodeAddr") or "")
    environment = {"UCP_ADMIN_USER": str(given["ucp_admin_username"]), "UCP_ADMIN_PASSWORD": password}
    if key := member.unlock_key():
        environment["UNLOCK_KEY"] = key
    files = []
    if given["ucp_license"]:
        files.append(File(subscription.PLACE, subscription.read(given["ucp_license"]), 0o600))
    run = Run(
        image,
        "install",
        install_flags(given, address, member.driver.addresses()),
        timeout=given["ucp_timeout"],
        environment=environment,
        secrets=[password, key],
        files=files,
    )
    with progress.working("UCP", f"{version_of(image) or image}: installing"):
        try:
            installer.run(engine, name, run, progress)
        except InstallerFailed as error:
            kept = command("create", "--keep-on-failure", name, "...")
            again = command("provision", name)
            error.add_note("To look into it: " + kept + ". Then, to go on: " + again)
            raise


def install_flags(given: Any, address: str, addresses: list[str]) -> list[str]:
    """Return the installer's flags from the options, by keyword. `addresses` are the machine's own."""
    flags = [
        *("--host-address", address),
        *("--controller-port", str(given["ucp_controller_port"])),
        *("--swarm-port", str(given["ucp_swarm_port"])),
    ]
    if given["ucp_kube_apiserver_port"] != options.KUBE_PORT:
        # UCP 2 does not know it.
        flags += ["--kube-apiserver-port", str(given["ucp_kube_apiserver_port"])]
    for san in dict.fromkeys([*given["ucp_san"], *(each for each in addresses if each != address)]):
        flags += ["--san", san]
    if given["ucp_force_minimums"]:
        flags.append("--force-minimums")
    return [*flags, *options.further(given["ucp_opt"])]


def _clear(member: DatacenterNode, engine: Engine, image: str, progress: Progress) -> None:
    """Remove what an installation that failed half-way has left: the next would stumble over it."""
    left = _containers(engine)
    if not left:
        return
    progress.note(f"Removing what an installation has left on {member.config.name}: {', '.join(left)}")
    with contextlib.suppress(DinvError):
        _uninstall(member, engine, image, progress)
    for name in _containers(engine):
        with contextlib.suppress(EngineError):
            engine.containers.remove(name, force=True, timeout=CALL_SECONDS)


def _containers(engine: Engine) -> list[str]:
    found = engine.containers.list(all=True, timeout=CALL_SECONDS)
    names = [str(each["Names"][0]).lstrip("/") for each in found if each.get("Names")]
    return sorted(name for name in names if name.startswith(PREFIX))


# Seen


def at(member: DatacenterNode, config: MachineConfig, files: TLSFiles, address: str = "") -> UCP:
    """Return the UCP on a machine of the cluster, which is a manager: the machine itself, or another.

    `address` is that of the node, by default as recorded.
    """
    if config.name == member.config.name:
        driver = member.driver
    else:
        driver = drivers.of(config)(config, member.store, trace=member.trace)
    host = address or member.address_of(config)
    names = (host, *member.options["ucp_san"])
    port = PortInMachine(driver.channel(), host, member.controller_port, files, names=names)
    # UCP writes bundles for the address that it is called by: the one that users reach.
    where = driver.reached_at(config, member.controller_port)
    return UCP(config.name, port, host=host_port.join(*where) if where else "")


def by_login(member: DatacenterNode, engine: Engine, progress: Progress) -> UCP:
    """Return the machine's own UCP, verified by the CA that its installer names."""
    image = installed(engine)
    have_image(engine, image, progress)
    run = Run(image, "dump-certs", ["--ca"], timeout=QUICK_SECONDS)
    said = installer.run(engine, member.config.name, run, Progress())
    address = str(engine.swarm.state(timeout=CALL_SECONDS).get("NodeAddr") or "")
    return at(member, member.config, TLSFiles(ca_text=_ca(member, said)), address)


def _ca(member: DatacenterNode, said: bytes) -> str:
    from dinv.pki.certificates import only_certificates

    try:
        return only_certificates(said, "its output").decode()
    except CertificateError as error:
        raise DatacenterError(
            member.config.name,
            f'The installer of UCP on machine "{member.config.name}" does not tell its CA: {error.text}',
        ) from error


def wait_until_healthy(ucp: UCP, progress: Progress, *, timeout: float) -> None:
    """Wait until UCP says that it is healthy. Raises DatacenterUnreached."""
    _wait(ucp, ucp.ping, progress, timeout)


def wait_until_seen(ucp: UCP, node: str, progress: Progress, *, timeout: float) -> None:
    """Wait until a UCP sees a node as healthy. Raises DatacenterUnreached."""

    def look() -> str:
        try:
            nodes = ucp.nodes()
        except DatacenterUnreached as error:
            return error.reason
        found = next((each for each in nodes if each.get("ID") == node), {})
        status = found.get("Status") or {}
        if status.get("State") == READY:
            return ""
        return str(status.get("Message") or "") or "the node is not ready"

    _wait(ucp, look, progress, timeout)


def wait_for_agent(member: DatacenterNode, engine: Engine, progress: Progress, *, timeout: float) -> None:
    """Wait until UCP's agent has set the machine up as a node. Raises DatacenterUnreached."""
    end = time.monotonic() + timeout
    while not runs(engine):
        progress.update("waiting for UCP's agent")
        if time.monotonic() >= end:
            raise DatacenterUnreached(
                member.config.name, "UCP's agent", f"after {timeout:g} s it has not set the node up"
            )
        time.sleep(POLL_SECONDS)


def _wait(ucp: UCP, look: Callable[[], str], progress: Progress, timeout: float) -> None:
    end = time.monotonic() + timeout
    while True:
        why = look()
        if not why:
            return
        progress.update(f"waiting for UCP: {why}")
        if time.monotonic() >= end:
            raise DatacenterUnreached(ucp.machine, ucp.address, f"after {timeout:g} s: {why}")
        time.sleep(POLL_SECONDS)


# Its client bundle


def fetch_bundle(member: DatacenterNode, ucp: UCP, password: str) -> dict[str, bytes]:
    """Log in, and keep a new bundle in the machine's directory; return its files."""
    ucp.login(member.administrator, password)
    found = bundle.unpack(member.config.name, ucp.bundle())
    bundle.keep(member.config.directory, found)
    return found


def by_bundle(member: DatacenterNode, config: MachineConfig) -> UCP | None:
    """Return the UCP of a manager whose bundle this store has, None if it has none."""
    from dinv.pki import client_files

    place = bundle.path_in(config.directory)
    if not client_files.complete(place) or not member.address_of(config):
        return None
    return at(member, config, TLSFiles.of_directory(place))


# Upgraded, and uninstalled


def upgrade(member: DatacenterNode, engine: Engine, image: str, progress: Progress) -> None:
    """Upgrade UCP on the whole cluster to the version of an installer. Raises InstallerFailed, ..."""
    have_image(engine, image, progress)
    run = Run(image, "upgrade", ["--id", _cluster_id(member, engine)], timeout=member.options["ucp_timeout"])
    with progress.working("UCP", f"upgrading to {version_of(image) or image}"):
        installer.run(engine, member.config.name, run, progress)


def uninstall(member: DatacenterNode, progress: Progress) -> list[str]:
    """Uninstall UCP from the cluster, of which the machine is the last manager; return what is left.

    Nothing of it may keep the machine from being removed.
    """
    name = member.config.name
    try:
        with peers.open_daemon(member.config, timeout=CALL_SECONDS, trace=member.trace) as engine:
            engine.ping(timeout=5.0)
            image = installed(engine)
            if not image or present(engine, image) is None:
                return []
            with progress.working("UCP", "uninstalling"):
                try:
                    _uninstall(member, engine, image, progress)
                finally:
                    # It hangs where a node is gone, and then leaves its own service behind.
                    for service in UNINSTALL_SERVICES:
                        with contextlib.suppress(EngineError):
                            engine.call("DELETE", f"/services/{service}", timeout=CALL_SECONDS)
    except DinvError as error:
        nodes = "; its other nodes have what they had of it" if member.has_others() else ""
        return [f"UCP was not uninstalled from {name}{nodes}: {error.text}"]
    return []


def _uninstall(member: DatacenterNode, engine: Engine, image: str, progress: Progress) -> None:
    flags = ["--id", _cluster_id(member, engine), "--purge-config"]
    run = Run(image, "uninstall-ucp", flags, timeout=UNINSTALL_SECONDS)
    installer.run(engine, member.config.name, run, progress)


def _cluster_id(member: DatacenterNode, engine: Engine) -> str:
    state = engine.swarm.state(timeout=CALL_SECONDS)
    found = str((state.get("Cluster") or {}).get("ID") or "")
    if not found:
        name = member.config.name
        raise DatacenterError(
            name, f'Machine "{name}" is not a manager of its swarm: UCP\'s id is not known.'
        )
    return found
