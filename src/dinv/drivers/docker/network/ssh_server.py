"""The SSH server of a machine whose image has one: where it is reached, and by which key.

It is at port 22 of the machine's own address, or at the port of the endpoint where that is published
(`ssh_port.py`).
"""

from __future__ import annotations

import os

from dinv.drivers.docker.network import publishing
from dinv.drivers.ssh_address import SSHAddress, alias_of
from dinv.formats.host_port import SSH_PORT
from dinv.labels import FEATURE_SSHD
from dinv.pki import ssh_keys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from dinv.store.record import MachineConfig

USER = "root"


def has_one(kept: Mapping[str, Any]) -> bool:
    """Return whether the image that a machine was made from has an SSH server, by the machine's config."""
    return FEATURE_SSHD in (kept.get("ImageFeatures") or ())


def record(config: MachineConfig) -> None:
    """Record how ssh gets in where docker-machine's records have it, for scripts; or that it does not."""
    kept = config.driver
    where = publishing.reached_at(kept, SSH_PORT) if has_one(kept) else None
    key = os.path.join("machines", config.name, ssh_keys.USER)
    found = (USER, where[1], key) if where is not None else ("", 0, "")
    kept["SSHUser"], kept["SSHPort"], kept["SSHKeyPath"] = found


def recorded(config: MachineConfig) -> SSHAddress | None:
    """Return the address by what is recorded; None if it has no SSH server whose key is known."""
    where = publishing.reached_at(config.driver, SSH_PORT) if has_one(config.driver) else None
    known_hosts = os.path.join(config.directory, ssh_keys.KNOWN_HOSTS)
    if where is None or not os.path.exists(known_hosts):
        return None
    return SSHAddress(
        *where,
        USER,
        os.path.join(config.directory, ssh_keys.USER),
        whose="a machine with an SSH server",
        known_hosts=known_hosts,
        alias=alias_of(config),
    )
