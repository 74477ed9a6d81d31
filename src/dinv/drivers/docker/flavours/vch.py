"""A Virtual Container Host of vSphere Integrated Containers: each container is a VM of its own.

A VCH silently ignores much of what a plain engine honours, so its create body contains only what it is known
to read (vmware/vic: lib/apiservers/engine/backends/container.go, proxy/container_proxy.go), and what dinv
relies on is checked after the create. No capabilities are needed: the machine has a kernel of its own.
"""

from __future__ import annotations

import re

from dinv.drivers.docker.flavours.engine import (
    AUTO,
    DAEMON_PORT,
    EngineFlavour,
    container_config,
    missing_ports,
    service_config,
    service_ports,
)
from dinv.errors import PreCreateCheckFailed
from dinv.formats.units import format_size
from dinv.formats.urls import TLS_PORT
from dinv.wording import command, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from dinv.channel import Channel
    from dinv.drivers.docker.flavours.specification import MachineSpec, ServiceSpec
    from dinv.engine import Engine
    from dinv.errors import EngineError

VM = "vm"
"""The isolation of a machine on a VCH."""

MIB = 1024 * 1024
LEAST_MEMORY = 512 * MIB
MEMORY_STEP = 128 * MIB
DEFAULT_CACHE = 20 * 1024 * MIB
"""Bytes. A VCH's own default for a volume is 1 GB, which two images fill."""

_OLDEST = (1, 2)
_TRANSIENT_STATUS = (409, 423)
_TRANSIENT_WORDS = (
    "resource in use",
    "failed to lock",
    "collision",
    "concurrent modification",
    "please try again",
)
_FINAL_CONFLICTS = ("is already in use", "already exists", "you cannot remove", "already been")


class VchFlavour(EngineFlavour):
    """A VCH, by its `/info`."""

    name = "vch"
    title = "vSphere Integrated Containers"
    start_seconds = 300.0
    """Seconds. A start boots a VM; VIC's own property collectors wait for three minutes."""
    keeps_stopped_addresses = True
    """The address is kept until it is removed (vmware/vic: lib/portlayer/network/context.go)."""
    stop_rounds = 3
    """The process gets its grace, then its group, then the VM (vmware/vic: lib/portlayer/exec/base.go)."""
    default_cache = DEFAULT_CACHE
    chooses_address = False
    services = frozenset({22, *range(2375, 2381)})
    """SSH, the API in plain and by TLS, vic-admin, the port layer (vmware/vic: lib/install/management)."""
    guards_services = False
    """It looks for a listener at its loopback address, but its API listens at another (vic-observed)."""
    bridges_reachable = False
    chooses_subnets = False
    has_own_network = False
    takes_files_running = False
    """It can, by the VM's tether, but VIC writes to the disks of a stopped VM more reliably."""
    builds_images = False
    """It answers that these calls are not implemented; images are pulled."""
    image_advice = (
        "A VCH can neither build nor load images: it pulls them from a registry that it trusts. From an "
        "engine, "
        + command("image", "push", "REGISTRY/dinv", "--endpoint", "ENGINE")
        + " puts one there; then "
        + option("image", "REGISTRY/dinv")
    )
    single_attach = True

    @property
    def updates_limits(self) -> bool:
        return False  # it answers that the call is not implemented

    @classmethod
    def recognises(cls, info: Mapping[str, Any]) -> bool:
        # Its ID is not random (vmware/vic: lib/apiservers/engine/backends/system.go).
        return info.get("ID") == "vSphere Integrated Containers"

    @staticmethod
    def channel(engine: Engine, container: str, machine: str) -> Channel:
        from dinv.drivers.docker.flavours.vm_channel import VmChannel

        return VmChannel(engine, container, machine)

    @property
    def volume_stores(self) -> list[str] | None:
        """The labels of its volume stores; in SystemStatus, not in DriverStatus.

        None if there is no such entry: its port layer could not tell. A VCH without any has an empty one.
        """
        entries = [value for key, value in self._info.get("SystemStatus") or () if key == "VolumeStores"]
        return [store for value in entries for store in str(value).split()] if entries else None

    def settle(self, kept: dict[str, Any]) -> list[str]:
        self._check_version()
        notes = []
        if kept["CPUs"] != int(kept["CPUs"]):
            raise PreCreateCheckFailed(option("cpus", f"{kept['CPUs']:g}") + ": a VCH gives whole CPUs only.")
        asked = kept["Memory"]
        if asked:
            steps = -(-max(asked, LEAST_MEMORY) // MEMORY_STEP)
            kept["Memory"] = steps * MEMORY_STEP
            if kept["Memory"] != asked:
                notes.append(
                    f"Memory is {format_size(kept['Memory'])}: a VCH gives 512 MiB, and more in steps of 128"
                )
        if kept["Isolation"] not in (AUTO, VM):
            raise PreCreateCheckFailed(
                option("isolation", kept["Isolation"]) + ": on a VCH each machine is a VM of its own."
            )
        kept["Isolation"] = VM
        self._check_store(str(kept.get("VolumeStore") or ""))
        return notes

    def _check_version(self) -> None:
        match = re.search(r"v(\d+)\.(\d+)", self.version)
        if match is not None and (int(match[1]), int(match[2])) < _OLDEST:
            raise PreCreateCheckFailed(
                f"This VCH is of VIC {match[1]}.{match[2]}, which has no docker cp: certificates cannot be "
                f"put into a machine. VIC 1.2 is the oldest that can have one."
            )

    def _check_store(self, store: str) -> None:
        stores = self.volume_stores
        if stores is None or (store or "default") in stores:
            return
        has = ", ".join(stores) or "none"
        if store:
            raise PreCreateCheckFailed(
                option("volume-store", store) + f": this VCH has no such volume store. It has: {has}."
            )
        raise PreCreateCheckFailed(
            f'This VCH has no volume store "default" (it has: {has}). Name one with '
            + option("volume-store")
            + "; a VCH without any needs one first (vic-machine configure --volume-store)."
        )

    def isolation_of(self, inspected: Mapping[str, Any]) -> str:  # it echoes what it ignores
        return VM

    def create_body(self, spec: MachineSpec) -> dict[str, Any]:
        host: dict[str, Any] = {
            "Binds": [f"{volume}:{path}" for volume, path in spec.mounts],
            "NetworkMode": spec.network or "bridge",
        }
        if spec.memory:
            host["Memory"] = spec.memory
        if spec.cpus:
            # Read as a count, not as a set.
            host["CpusetCpus"] = str(int(spec.cpus))
        if spec.dns:
            host["Dns"] = list(spec.dns)
        # On a container network too: the VM's firewall lets in only what is published (vic-product#1220).
        port = str(spec.port or TLS_PORT)
        host["PortBindings"] = {
            **spec.ports,
            DAEMON_PORT: [{"HostIp": spec.publish_address, "HostPort": port}],
        }
        return {**container_config(spec), "HostConfig": host}

    def service_body(self, spec: ServiceSpec) -> dict[str, Any]:
        host: dict[str, Any] = {
            "Binds": [f"{volume}:{path}" for volume, path in spec.mounts],
            "NetworkMode": spec.network or "bridge",
        }
        if spec.network:
            # As for machines: on a container network the firewall lets in only what is published.
            host["PortBindings"] = service_ports(spec)
        return {**service_config(spec), "HostConfig": host}

    def volume_options(self, size: int, store: str) -> dict[str, str]:
        # Capacity is a number of MB; without it a volume has 1024.
        options = {"Capacity": str(-(-size // MIB))} if size else {}
        return {**options, "VolumeStore": store} if store else options

    def volume_refused(self, error: EngineError, size: int) -> str:  # a VCH limits any volume
        if "No volume store named" in error.message:
            return f"{error.message}. This VCH has: {', '.join(self.volume_stores or ()) or 'none'}"
        return ""

    def start_refused(self, error: EngineError, kept: Mapping[str, Any]) -> str:
        if "deadline exceeded" in error.message and kept["Network"] and not kept.get("DNS"):
            return (
                ". On a container network with DHCP a VM starts only when it is told its DNS servers: "
                + option("dns")
            )
        return ""

    def ignored(self, spec: MachineSpec, inspected: Mapping[str, Any]) -> list[str]:
        host = inspected.get("HostConfig") or {}
        missing = []
        # Inspect gives MB, and the number of CPUs as text.
        if spec.memory and int(host.get("Memory") or 0) not in (spec.memory, spec.memory // MIB):
            missing.append("the memory limit")
        if spec.cpus and str(host.get("CpusetCpus") or "") != str(int(spec.cpus)):
            missing.append("the CPUs")
        mounted = {mount.get("Destination") for mount in inspected.get("Mounts") or ()}
        missing += [f"the volume at {path}" for _, path in spec.mounts if path not in mounted]
        if not (host.get("PortBindings") or {}).get(DAEMON_PORT):
            missing.append("the published port")
        missing += missing_ports(spec, host)
        networks = (inspected.get("NetworkSettings") or {}).get("Networks") or {}
        if spec.network and spec.network not in networks:
            missing.append(f"network {spec.network}")
        return missing

    def address_taken(self, message: str) -> bool:
        # Seen at the start only: backends/portmap/portmap.go.
        return "error mapping ports" in message and "is not available" in message

    def has_own_addresses(self, driver: str) -> bool:
        # A container network, made by vic-machine.
        return driver == "external"

    @staticmethod
    def transient(error: EngineError) -> bool:
        # Its own words and vSphere's begin with a capital or not, as their sentences have it.
        message = error.message.lower()
        if any(words in message for words in _FINAL_CONFLICTS):
            return False
        return error.status in _TRANSIENT_STATUS or any(words in message for words in _TRANSIENT_WORDS)

    @staticmethod
    def list_filters() -> dict[str, list[str]]:
        # Labels can leak from one container to another of the same image (vic#8545): all are checked.
        return {}
