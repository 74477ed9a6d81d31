"""What docker-machine's records say: where a machine is, its certificates, whether it answers.

Its drivers record where a machine was when docker-machine last looked: as `Driver.IPAddress`, or, for hosts
without a driver, as `Driver.URL`.
"""

from __future__ import annotations

import os
import re

from dinv.formats import host_port
from dinv.formats.kinds import text
from dinv.formats.urls import PLAIN_PORT, TLS_PORT
from dinv.states import ERROR, RUNNING, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from dinv.store.record import MachineConfig

WITHOUT_DRIVER = ("none", "ci-test")
"""docker-machine's driver names for hosts that it has not made (docker/machine: drivers/none)."""

_PORT_KEYS = ("EnginePort", "DockerPort")
"""The keys for the daemon's port of the drivers generic and azure."""
_LOCATED = ("StorePath", "SSHKeyPath", "SSHKey")


# Where it is


def url(config: MachineConfig) -> str:
    """Return where its daemon was last known to listen, as tcp://HOST:PORT; "" if that was never known."""
    kept = config.driver
    if config.driver_name in WITHOUT_DRIVER:
        return text(kept.get("URL"))
    address = text(kept.get("IPAddress"))
    ports = [kept[key] for key in _PORT_KEYS if isinstance(kept.get(key), int) and kept[key] > 0]
    return f"tcp://{host_port.join(address, (*ports, TLS_PORT)[0])}" if address else ""


def ip(config: MachineConfig) -> str:
    """Return the host in `url`. The driver `none` records it with its port, which is not an address."""
    return _host(url(config)) if config.driver_name in WITHOUT_DRIVER else _address(config)


def cert_path(config: MachineConfig) -> str:
    """Return the directory with its ca.pem, cert.pem and key.pem: DOCKER_CERT_PATH; "" for one without TLS.

    docker-machine copies them into the machine's directory, but not for the driver `none` (#1221). Such a
    host has TLS if there are files for it (#2355).
    """
    from dinv.pki import client_files

    given = config.driver_name in WITHOUT_DRIVER
    if given and not _host(url(config)):
        return ""
    directories = (config.directory, located(config, text(config.auth_options.get("CertDir"))))
    for directory in directories:
        if client_files.complete(directory):
            return directory
    return "" if given else config.directory


def environment(config: MachineConfig) -> dict[str, str]:
    """Return the variables by which docker's CLI and libraries find it."""
    certificates = cert_path(config)
    return {
        **({"DOCKER_TLS_VERIFY": "1"} if certificates else {}),
        "DOCKER_HOST": url(config),
        **({"DOCKER_CERT_PATH": certificates} if certificates else {}),
        "DOCKER_MACHINE_NAME": config.name,
    }


def located(config: MachineConfig, path: str) -> str:
    """Return where a machine's file is now: docker-machine's paths are absolute, and stores are moved.

    If the path no longer exists, its name is looked for in the machine's directory and in the store's.
    Relative paths are relative to the store.
    """
    if not path:
        return ""
    base = re.split(r"[/\\]", path.rstrip("/\\"))[-1]
    here = os.path.normpath(os.path.join(config.store_path, path))
    if os.path.exists(here):
        return here
    certs = os.path.join(config.store_path, "certs")
    for found in (
        os.path.join(config.directory, base),
        os.path.join(certs, base),
        os.path.join(config.store_path, base),
        config.directory if base == config.name else "",
    ):
        if found and os.path.exists(found):
            return found
    return path if re.match(r"[A-Za-z]:\\", path) else here


def shown(config: MachineConfig) -> dict[str, Any]:
    """Return the document with its paths corrected, as `inspect` shows it."""
    document = dict(config.document())
    driver = {
        key: located(config, value) if key in _LOCATED and isinstance(value, str) else value
        for key, value in config.driver.items()
    }
    if text(driver.get("StorePath")) and not os.path.exists(driver["StorePath"]):
        driver["StorePath"] = config.store_path
    auth = {
        key: located(config, value)
        if isinstance(value, str) and key.endswith(("Path", "Dir")) and "Remote" not in key
        else value
        for key, value in config.auth_options.items()
    }
    document["Name"] = config.name
    document["Driver"] = driver
    document["HostOptions"] = {**document["HostOptions"], "AuthOptions": auth}
    return document


# Whether it answers


def states(configs: Iterable[MachineConfig], *, timeout: float) -> dict[str, Status]:
    """Return whether something listens where each machine should be, by name.

    Their driver cannot be asked, so one that does not answer is only Error, or Timeout. One that never had a
    driver is Running, as in docker-machine, with the failure in its error. `timeout` in seconds is for all of
    them; each host is connected to once.
    """
    from dinv.drivers import listening

    configs = list(configs)
    found = listening.states(
        {config.name: (url(config), _host_and_port(config)) for config in configs}, timeout=timeout
    )
    for config in configs:
        if not url(config):
            found[config.name] = Status(ERROR, "no address of it is known; its driver is docker-machine's")
        if config.driver_name in WITHOUT_DRIVER:
            found[config.name] = Status(RUNNING, found[config.name].error)
    return found


def _address(config: MachineConfig) -> str:
    return text(config.driver.get("IPAddress"))


def _host(where: str) -> str:
    return (host_port.of_url(where) or ("", 0))[0]


def _host_and_port(config: MachineConfig) -> tuple[str, int] | None:
    """Return where its daemon listens; None if its URL names no host."""
    found = host_port.of_url(url(config), missing=0)
    if found is None:
        return None
    host, port = found
    return host, port or (TLS_PORT if cert_path(config) else PLAIN_PORT)
