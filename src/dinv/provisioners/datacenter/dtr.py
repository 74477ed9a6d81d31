"""DTR (MSR 2) on machines of a datacenter: a replica installed, joined, removed.

Its installer works by UCP's API, not by a socket (docker/docs: reference/dtr/2.7/cli). The id of a replica is
chosen here and recorded before the first call, so that one which was half made is found and taken away.
"""

from __future__ import annotations

import os
import time

from dinv.engine.reference import parse_reference
from dinv.engine.wire.tls_files import TLSFiles
from dinv.errors import DatacenterError, DatacenterUnreached, DinvError
from dinv.formats import host_port
from dinv.pki import pem
from dinv.provisioners import peers
from dinv.provisioners.datacenter import bundle, installer, options
from dinv.provisioners.datacenter.api import UCP
from dinv.provisioners.datacenter.installer import Run
from dinv.provisioners.datacenter.port_in_machine import PortInMachine
from dinv.provisioners.datacenter.ucp import have_image
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.engine import Engine
    from dinv.progress import Progress
    from dinv.provisioners.datacenter.node import DatacenterNode
    from dinv.store.record import MachineConfig

NAME = "dinv-dtr"
LABEL_REPLICA = "com.docker.dtr.replica"
CALL_SECONDS = 60.0
POLL_SECONDS = 0.5
REMOVE_SECONDS = 300.0

# Keys of `config.membership`
REPLICA = "Replica"
IMAGE = "DTR"


def have_replica(member: DatacenterNode, engine: Engine, progress: Progress) -> None:
    """See to it that the machine has a replica. Raises InstallerFailed, DatacenterUnreached, ..."""
    image = str(member.options["dtr_image"])
    replica = str(member.config.membership.get(REPLICA) or "")
    if replica and _there(engine, replica):
        if not _ping(member, engine):
            return
        # Half made: what there is of it has to go, or its id is taken.
        progress.note(f"Removing what an installation of DTR has left on {member.config.name}")
        _run(member, engine, "destroy", ["--replica-id", replica], progress, timeout=REMOVE_SECONDS)
    replica = os.urandom(6).hex()
    member.record(**{REPLICA: replica, IMAGE: image})
    have_image(engine, image, progress)
    others = replicas(member)
    given = member.options
    flags = [
        *("--ucp-node", str(engine.info(timeout=CALL_SECONDS).get("Name") or member.config.name)),
        *("--replica-id", replica),
        *("--replica-https-port", str(given["dtr_https_port"])),
        *("--replica-http-port", str(given["dtr_http_port"])),
    ]
    if others:
        # What is decided for all replicas was decided with the first.
        operation, flags = "join", [*flags, "--existing-replica-id", next(iter(others.values()))]
    else:
        operation = "install"
        flags += ["--dtr-external-url", given["dtr_external_url"]] if given["dtr_external_url"] else []
    flags += options.further(given["dtr_opt"])
    with progress.working("DTR", f"replica {replica}: {operation}"):
        _run(member, engine, operation, flags, progress, timeout=given["ucp_timeout"])
        _wait(member, engine, progress, timeout=given["ucp_timeout"])
    progress.line("DTR", f"replica {replica} at port {given['dtr_https_port']}", "ready")


def replicas(member: DatacenterNode) -> dict[str, str]:
    """Return the replicas of other machines of the cluster in this store, by machine."""
    return {
        each.name: str(each.membership[REPLICA]) for each in member.others() if each.membership.get(REPLICA)
    }


def is_installer(image: str) -> bool:
    """Return whether an image is DTR's installer, by the name that it always has."""
    return parse_reference(image).name.rpartition("/")[2] == "dtr"


def upgrade(member: DatacenterNode, engine: Engine, image: str, progress: Progress) -> None:
    """Upgrade DTR, all its replicas, to the version of an installer. Raises InstallerFailed, ..."""
    replica = str(member.config.membership.get(REPLICA) or "") or next(iter(replicas(member).values()), "")
    if not replica:
        raise DatacenterError(
            member.config.name, f'No machine of the cluster of "{member.config.name}" has DTR by its record.'
        )
    have_image(engine, image, progress)
    flags = ["--existing-replica-id", replica]
    with progress.working("DTR", f"upgrading to {image}"):
        _run(member, engine, "upgrade", flags, progress, timeout=member.options["ucp_timeout"], image=image)
    if member.config.membership.get(REPLICA):
        member.record(**{IMAGE: image})
    progress.line("DTR", image, "upgraded")


def leave(member: DatacenterNode, progress: Progress) -> list[str]:
    """Take the machine's replica away; return what is left. Nothing of it keeps the machine."""
    replica = str(member.config.membership.get(REPLICA) or "")
    if not replica:
        return []
    others = replicas(member)
    operation, flags = "destroy", ["--replica-id", replica]
    if others:
        operation = "remove"
        flags = ["--replica-ids", replica, "--existing-replica-id", next(iter(others.values()))]
    try:
        with peers.open_daemon(member.config, timeout=CALL_SECONDS, trace=member.trace) as engine:
            engine.ping(timeout=5.0)
            if not _there(engine, replica):
                return []
            with progress.working("DTR", f"removing replica {replica}"):
                _run(member, engine, operation, flags, progress, timeout=REMOVE_SECONDS)
    except DinvError as error:
        if not others:
            return []  # what there is of it goes with the machine
        return [f"DTR still counts replica {replica} of {member.config.name}: {error.text}"]
    return []


def _run(
    member: DatacenterNode,
    engine: Engine,
    operation: str,
    flags: list[str],
    progress: Progress,
    *,
    timeout: float,
    image: str = "",
) -> None:
    config = member.config
    password = member.password()
    if not password:
        raise DatacenterError(
            config.name,
            f'The password of UCP\'s administrator is not known on machine "{config.name}". Give it by '
            "$DINV_UCP_ADMIN_PASSWORD, then: " + command("provision", config.name),
        )
    manager = member.bundled_manager()
    if manager is None:
        raise DatacenterError(
            config.name, f'No machine of the cluster of "{config.name}" has a client bundle of UCP here.'
        )
    run = Run(
        image or str(config.membership.get(IMAGE)),
        operation,
        flags,
        timeout=timeout,
        environment={
            "UCP_URL": _url(member, manager),
            "UCP_USERNAME": member.administrator,
            "UCP_PASSWORD": password,
            "UCP_CA": pem.read(os.path.join(bundle.path_in(manager.directory), "ca.pem")).decode(),
        },
        secrets=[password],
        socket=False,
        name=NAME,
    )
    installer.run(engine, config.name, run, progress)


def _url(member: DatacenterNode, manager: MachineConfig) -> str:
    return "https://" + host_port.join(member.address_of(manager), member.controller_port)


def _there(engine: Engine, replica: str) -> bool:
    wanted = {"label": [f"{LABEL_REPLICA}={replica}"]}
    return bool(engine.containers.list(all=True, filters=wanted, timeout=CALL_SECONDS))


def _ping(member: DatacenterNode, engine: Engine) -> str:
    """Return why its replica is not healthy; "" if it is. Nothing secret is sent: it is not verified."""
    address = str(engine.swarm.state(timeout=CALL_SECONDS).get("NodeAddr") or "")
    port = int(member.options["dtr_https_port"])
    files = TLSFiles(verify=False)
    return UCP(member.config.name, PortInMachine(member.driver.channel(), address, port, files)).ping()


def _wait(member: DatacenterNode, engine: Engine, progress: Progress, *, timeout: float) -> None:
    end = time.monotonic() + timeout
    while why := _ping(member, engine):
        progress.update(f"waiting for DTR: {why}")
        if time.monotonic() >= end:
            raise DatacenterUnreached(member.config.name, "DTR", f"after {timeout:g} s: {why}")
        time.sleep(POLL_SECONDS)
