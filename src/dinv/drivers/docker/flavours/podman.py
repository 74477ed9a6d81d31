"""Podman, by its Docker-compatible API (`podman system service`), rootful.

Differences from a Docker Engine, seen with Podman 4.3: a restart policy has no effect without the unit
podman-restart, the log driver is k8s-file under another name, images without a registry in their name
are `localhost/NAME`, which its API finds by the short name too, a container may not use /dev/console, and
system paths are unmasked by another word.
"""

from __future__ import annotations

import re

from dinv.drivers.docker.flavours.engine import EngineFlavour

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from dinv.drivers.docker.flavours.specification import MachineSpec

_KEEPS_UPDATES = (5, 1)
"""Not tried: the tests have Podman 4.3."""
_CONSOLE = {
    "PathOnHost": "/dev/console",
    "PathInContainer": "/dev/console",
    "CgroupPermissions": "rwm",
}


_DOCKER_CAPABILITIES = (
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
)
"""What a nested runc gives its containers (moby: oci/caps/defaults.go), so a machine must have it itself.

Podman's own defaults are fewer, and its administrator can change them (containers.conf(5):
default_capabilities).
"""


class PodmanFlavour(EngineFlavour):
    """Podman, by its `/info`."""

    name = "podman"
    title = "Podman"
    has_own_network = False
    takes_files_running = False
    """It freezes a container that it copies to (podman-cp(1): --pause)."""

    @classmethod
    def recognises(cls, info: Mapping[str, Any]) -> bool:
        # Only its compatible API has this key (containers/podman: pkg/api/handlers/compat/info.go).
        return "BuildahVersion" in info

    @property
    def updates_limits(self) -> bool:
        # Before 5.1 they are lost at the next start, and inspect does not show them (podman's release notes).
        match = re.match(r"(\d+)\.(\d+)", self.version)
        return match is not None and (int(match[1]), int(match[2])) >= _KEEPS_UPDATES

    def create_body(self, spec: MachineSpec) -> dict[str, Any]:
        body = super().create_body(spec)
        host = body["HostConfig"]
        if str(self._info.get("CgroupVersion", "1")) == "1":
            # Docker lets its containers use the console (moby: oci/defaults.go), the nested one too; and
            # in cgroup v1 nobody can let others use what is not theirs. DeviceCgroupRules are ignored.
            host["Devices"] = [dict(_CONSOLE)]
        if "CapAdd" in host:
            host["CapAdd"] = [*host["CapAdd"], *_DOCKER_CAPABILITIES]
        if "MaskedPaths" in host:
            # Podman's word for what MaskedPaths and ReadonlyPaths are to Docker (podman-create(1)).
            host["SecurityOpt"] = [*host["SecurityOpt"], "unmask=ALL"]
        return body
