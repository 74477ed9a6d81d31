"""How clients reach a machine's daemon: the docker CLI, docker-py, and dinv itself.

`Host.environment`, which shells wait for, is in `Host`.
"""

from __future__ import annotations

import os

from dinv.errors import EndpointTLSError
from dinv.pki import client_files
from dinv.timeouts import STATE_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dinv.engine import Engine
    from dinv.lifecycle.host import Host


def docker_flags(host: Host, *, swarm: bool = False) -> list[str]:
    """Return flags for the docker CLI, which removes the quotes around their values itself.

    With `swarm`, those for a manager of its swarm, or for the classic swarm that it is the master of. Raises
    NoSwarm, MachineNotRunning, CertificatesTorn, ClusterError.
    """
    if swarm and (other := controller(host)) is not None:
        return docker_flags(other)
    url = swarm_url(host) if swarm else host.known_url()
    if not host.has_tls:
        return [f"-H={url}"]
    host.finish_certificates()
    flags = zip(("tlscacert", "tlscert", "tlskey"), client_files.NAMES, strict=True)
    quoted = [f'--{flag}="{os.path.join(host.cert_path, file)}"' for flag, file in flags]
    return ["--tlsverify", *quoted, f"-H={url}"]


def docker_kwargs(host: Host) -> dict[str, Any]:
    """Return keyword arguments for docker-py's DockerClient and APIClient: base_url, tls.

    Needs the package docker, for its TLSConfig.
    """
    if not host.has_tls:
        return {"base_url": host.url}
    host.finish_certificates()
    from docker.tls import TLSConfig

    ca, certificate, key = (os.path.join(host.cert_path, name) for name in client_files.NAMES)
    return {
        "base_url": host.url,
        "tls": TLSConfig(client_cert=(certificate, key), ca_cert=ca, verify=True),
    }


def engine(host: Host, *, timeout: float = STATE_SECONDS, url: str = "", only_looks: bool = False) -> Engine:
    """Return a client of its daemon; `timeout` in seconds is for calls without a deadline of their own.

    `url`: another address at which the machine listens, with the same certificates.
    `only_looks`: it asks whether the machine answers, and does not count as its use. Raises
    MachineNotRunning, CertificatesTorn.
    """
    from dinv.engine import Engine, TLSFiles, parse_address

    host.finish_certificates()
    tls = TLSFiles.of_directory(host.cert_path, only_looks=only_looks) if host.has_tls else None
    return Engine(parse_address(url or host.known_url(), tls), timeout=timeout, trace=host.trace)


def daemon_version(host: Host) -> str:
    """Return the version of its daemon, asked of the daemon."""
    host.check_running()
    try:
        with engine(host) as daemon:
            return str(daemon.version().get("Version", ""))
    except EndpointTLSError as error:
        if said := host.expiry():
            error.add_note(said)
        raise


def controller(host: Host) -> Host | None:
    """Return a machine by which its swarm is controlled, which may be itself; None if it is in none.

    That is asked of the swarm. Machines of a classic swarm are in none. Raises ClusterError, NotSupported.
    """
    if not host.config.membership:
        return None
    from dinv.lifecycle.host import Host, cluster

    membership = cluster.of(host)
    name = membership.controller() if membership is not None else host.name
    return host if name == host.name else Host(host.store.load(name), host.store, trace=host.trace)


def swarm_url(host: Host) -> str:
    """Return the address of the classic swarm that it is the master of. Raises NoSwarm."""
    from dinv.provisioners import classic_swarm

    return classic_swarm.master_url(host.config, host.url)
