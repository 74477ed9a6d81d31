"""Plain Docker Engine: a machine is a container with the capabilities that nested containers need.

Nothing here is `--privileged` unless the user asks for it (design decision 5): CAP_SYS_ADMIN for mounts
and cgroups, CAP_NET_ADMIN for bridges and iptables, no seccomp and AppArmor profile (both forbid
mounts), system paths not masked (a nested runc mounts /proc anew, which the kernel refuses if parts of the
outer one are hidden), and no host devices.
"""

from __future__ import annotations

from dinv import errors
from dinv.formats.units import format_size
from dinv.formats.urls import TLS_PORT
from dinv.labels import LABEL_ID
from dinv.wording import command, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from dinv.channel import Channel
    from dinv.drivers.docker.flavours.specification import MachineSpec, ServiceSpec
    from dinv.engine import Engine
    from dinv.errors import EngineError

DAEMON_PORT = f"{TLS_PORT}/tcp"

AUTO = "auto"
CAPABILITIES = "capabilities"
PRIVILEGED = "privileged"

_SYSTEM_RUNTIMES = ("sysbox-runc",)
"""Runtimes made for a system in a container: it needs, and gets, no capabilities beyond Docker's own.
(nestybox/sysbox: docs/user-guide/deploy.md.)"""


_BILLION = 1_000_000_000


class EngineFlavour:
    """A Docker Engine, by its `/info`."""

    name = "engine"
    title = "Docker Engine"
    start_seconds = 60.0
    """Seconds that a start call may take before the machine's first process runs."""
    keeps_stopped_addresses = False
    """Whether a stopped container keeps the address that was chosen for it."""
    stop_rounds = 1
    """How many times a stop waits for its grace before the machine is off."""
    default_cache = 0
    """Bytes of the cache volume if no size is given; 0 for no limit."""
    chooses_address = True
    """Whether the address to publish at can be chosen; if not, the endpoint reports it."""
    services: frozenset[int] = frozenset()
    """Ports of its own that the endpoint gives to a container that asks, becoming unreachable itself."""
    guards_services = True
    """Whether a container cannot be given the port that the API listens on."""
    bridges_reachable = True
    """Whether a machine can be reached at its own address on a network that the endpoint itself has made."""
    takes_files_running = True
    """Whether files can be put into a running machine as reliably as into a stopped one."""
    builds_images = True
    """Whether images can be built and loaded there."""
    image_advice: str = "Build it there with: " + command("image", "build")
    """Advice about a machine image that is missing and cannot be pulled."""
    chooses_subnets = True
    """Whether a machine shares networks with its endpoint, so that the subnets in it must be chosen."""
    has_own_network = True
    """Whether dinv creates a network of its own there, whose machines keep their addresses."""
    single_attach = False
    """Whether a volume in a running container keeps another container from starting."""

    @property
    def updates_limits(self) -> bool:
        """Whether memory and CPUs of a container can be changed, for good, while it runs."""
        return True

    def __init__(self, info: Mapping[str, Any]) -> None:
        self._info = info

    @classmethod
    def recognises(cls, info: Mapping[str, Any]) -> bool:  # a plain engine is what remains
        """Return whether an endpoint with this `/info` is of this flavour."""
        return True

    @staticmethod
    def channel(engine: Engine, container: str, machine: str) -> Channel:  # a VCH's, for messages
        """Return the guest channel of a machine's container; `machine` is the machine's name."""
        from dinv.channel import ContainerChannel

        return ContainerChannel(engine, container)

    @property
    def version(self) -> str:
        return str(self._info.get("ServerVersion", ""))

    @property
    def build(self) -> str:
        """Return what may change at an endpoint's address, and with it what can run there."""
        words = (self.version, self._info.get("KernelVersion"), self._info.get("CgroupVersion") or "1")
        return " ".join(str(word or "") for word in words)

    @property
    def cpus(self) -> int:
        return int(self._info.get("NCPU") or 0)

    @property
    def memory(self) -> int:
        """Bytes."""
        return int(self._info.get("MemTotal") or 0)

    @property
    def address_pools(self) -> list[dict[str, Any]]:
        """Return the pools of its networks' subnets, if its administrator has set them."""
        return list(self._info.get("DefaultAddressPools") or ())

    def settle(self, kept: dict[str, Any]) -> list[str]:
        """Decide in the machine's config what the flags left open; return what the user should know.

        Raises PreCreateCheckFailed for what the endpoint cannot provide.
        """
        if self._info.get("OSType", "linux") != "linux":
            raise errors.PreCreateCheckFailed(
                f"The endpoint runs {self._info.get('OSType')} containers; a machine is a Linux container."
            )
        self._check_rootless()
        if kept.get("VolumeStore"):
            raise errors.PreCreateCheckFailed(
                option("volume-store") + f" is for a VCH; a {self.title} has no volume stores."
            )
        if self.cpus and kept["CPUs"] > self.cpus:
            asked = option("cpus", f"{kept['CPUs']:g}")
            raise errors.PreCreateCheckFailed(asked + f": the endpoint has {self.cpus} CPUs.")
        if self.memory and kept["Memory"] > self.memory:
            raise errors.PreCreateCheckFailed(
                option("memory", format_size(kept["Memory"]))
                + f": the endpoint has {format_size(self.memory)}."
            )
        kept["Isolation"] = self.isolation(kept["Isolation"])
        return []

    @property
    def rootless(self) -> bool:
        """Whether it is rootless. Docker reports that as a security option, Podman by a key of its own."""
        options = self._info.get("SecurityOptions") or ()
        return self._info.get("Rootless") is True or "name=rootless" in options

    def _check_rootless(self) -> None:
        """Reject one without cgroups to delegate: no container would start in a machine on it."""
        if not self.rootless:
            return
        version = str(self._info.get("CgroupVersion") or "1")
        if version != "1" and self._info.get("CgroupDriver") != "none":
            return
        why = (
            "its host has cgroup v1, which can be delegated to no user"
            if version == "1"
            else "no cgroups are delegated to its user"
        )
        raise errors.PreCreateCheckFailed(
            f"This {self.title} is rootless, and {why}: no container would start in a machine. It takes "
            f"cgroup v2 and systemd, which knows the user (loginctl enable-linger USER); or use a "
            f"{self.title} that runs as root."
        )

    def isolation(self, asked: str) -> str:
        """Return what `--isolation` means here: "capabilities", "privileged" or a runtime's name.

        "auto" is a runtime made for nested systems if there is one, else capabilities. Raises
        PreCreateCheckFailed for a runtime that the endpoint does not have.
        """
        runtimes = tuple(self._info.get("Runtimes") or {})
        if asked == AUTO:
            return next((runtime for runtime in _SYSTEM_RUNTIMES if runtime in runtimes), CAPABILITIES)
        if asked in (CAPABILITIES, PRIVILEGED) or asked in runtimes:
            return asked
        raise errors.PreCreateCheckFailed(
            f'The endpoint has no runtime "{asked}" for '
            + option("isolation")
            + f". It has: {', '.join(sorted(runtimes))}; "
            f"without one there are {CAPABILITIES} (as by default) and {PRIVILEGED}."
        )

    def isolation_of(self, inspected: Mapping[str, Any]) -> str:
        """Return the isolation of a container made without dinv."""
        host = inspected.get("HostConfig") or {}
        if host.get("Privileged"):
            return PRIVILEGED
        runtime = str(host.get("Runtime") or "")
        return runtime if runtime in _SYSTEM_RUNTIMES else CAPABILITIES

    def create_body(self, spec: MachineSpec) -> dict[str, Any]:
        """Return the body of `POST /containers/create` (moby: api/swagger.yaml)."""
        host: dict[str, Any] = {
            "Binds": [f"{volume}:{path}" for volume, path in spec.mounts],
            "Memory": spec.memory,
            "NanoCpus": _nano(spec.cpus),
            "NetworkMode": spec.network or "default",
            # The machine comes back with its endpoint, as a host does; a stopped one stays stopped.
            "RestartPolicy": {"Name": "unless-stopped"},
            # Nested daemons log much at debug level; unbounded json-file logs would fill the endpoint's disk.
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "2"}},
        }
        if spec.isolation == PRIVILEGED:
            host["Privileged"] = True
        elif spec.isolation not in _SYSTEM_RUNTIMES:
            host["CapAdd"] = ["SYS_ADMIN", "NET_ADMIN"]
            host["SecurityOpt"] = ["seccomp=unconfined", "apparmor=unconfined"]
            host["MaskedPaths"] = []
            host["ReadonlyPaths"] = []
        if spec.isolation not in (CAPABILITIES, PRIVILEGED):
            host["Runtime"] = spec.isolation
        bindings: dict[str, Any] = dict(spec.ports)
        if spec.port:
            bindings[DAEMON_PORT] = [{"HostIp": spec.publish_address, "HostPort": str(spec.port)}]
        if bindings:
            host["PortBindings"] = bindings
        if spec.dns:
            host["Dns"] = list(spec.dns)
        return {**container_config(spec), "StopSignal": "SIGTERM", "HostConfig": host}

    def limits_body(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body of `POST /containers/NAME/update` for values of a machine's config.

        Memory and swap together are given along with memory, twice as much, as a create without them has it:
        an engine refuses memory above what they were, also when it goes on to raise both.
        """
        body: dict[str, Any] = {}
        if "Memory" in values:
            body.update(Memory=values["Memory"], MemorySwap=2 * values["Memory"])
        if "CPUs" in values:
            body["NanoCpus"] = _nano(values["CPUs"])
        return body

    def limits(self, inspected: Mapping[str, Any]) -> dict[str, Any]:
        """Return the limits that a container has, as values of a machine's config; 0 for none."""
        host = inspected.get("HostConfig") or {}
        return {"Memory": host.get("Memory") or 0, "CPUs": (host.get("NanoCpus") or 0) / _BILLION}

    def service_body(self, spec: ServiceSpec) -> dict[str, Any]:
        """Return the body of `POST /containers/create` for a container that serves machines."""
        host: dict[str, Any] = {
            "Binds": [f"{volume}:{path}" for volume, path in spec.mounts],
            "NetworkMode": spec.network or "default",
            "RestartPolicy": {"Name": "unless-stopped"},
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "2"}},
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
        }
        if spec.publish_address:
            host["PortBindings"] = service_ports(spec)
        return {**service_config(spec), "HostConfig": host}

    def volume_options(self, size: int, store: str) -> dict[str, str]:  # a VCH's
        """Return DriverOpts of a volume of `size` bytes (0: no limit) in the volume store `store` ("": none).

        The `local` driver takes a size if its file system has project quotas: xfs mounted with pquota (moby:
        volume/local/local_unix.go).
        """
        return {"size": str(size)} if size else {}

    def volume_refused(self, error: EngineError, size: int) -> str:
        """Return why a volume could not be created, with advice; "" to use the engine's own message."""
        if size and "quota" in error.message:
            return (
                "the endpoint cannot limit the size of its volumes (that takes a data root on xfs, "
                "mounted with pquota). Leave " + option("cache-size") + " away, or choose another endpoint"
            )
        return ""

    def start_refused(self, error: EngineError, kept: Mapping[str, Any]) -> str:  # a VCH's
        """Return advice about a failed start, a sentence after the error's; "" if it is not recognised."""
        return ""

    def ignored(self, spec: MachineSpec, inspected: Mapping[str, Any]) -> list[str]:
        """Return what the created container lacks of the specification.

        An engine whose kernel lacks a controller drops the limit with a warning and goes on (moby:
        daemon/daemon_unix.go, verifyPlatformContainerResources).
        """
        host = inspected.get("HostConfig") or {}
        missing = []
        if spec.memory and host.get("Memory") != spec.memory:
            missing.append("the memory limit")
        if spec.cpus and host.get("NanoCpus") != _nano(spec.cpus):
            missing.append("the CPU limit")
        mounted = {mount.get("Destination") for mount in inspected.get("Mounts") or ()}
        missing += [f"the volume at {path}" for _, path in spec.mounts if path not in mounted]
        if spec.port and not (host.get("PortBindings") or {}).get(DAEMON_PORT):
            missing.append("the published port")
        missing += missing_ports(spec, host)
        return missing

    def address_taken(self, message: str) -> bool:
        """Return whether a start failed because the machine's published port, or own address, is in use."""
        message = message.lower()
        return any(
            words in message
            for words in ("port is already allocated", "address already in use", "ports are not available")
        )

    def address_absent(self, message: str) -> bool:
        """Return whether a start failed because the endpoint lacks the address to publish the port at."""
        return "cannot assign requested address" in message.lower()

    def has_own_addresses(self, driver: str) -> bool:
        """Whether machines on a network of this driver are hosts of an outer network, without ports."""
        return driver in ("macvlan", "ipvlan")

    @staticmethod
    def transient(error: EngineError) -> bool:  # a VCH's
        """Return whether the same call is likely to succeed a little later."""
        return False

    @staticmethod
    def list_filters() -> dict[str, list[str]]:
        """Return filters for `GET /containers/json` that include dinv's machines."""
        return {"label": [LABEL_ID]}


def _nano(cpus: float) -> int:
    """Return a number of CPUs as the API has it, in billionths."""
    return round(cpus * _BILLION)


def missing_ports(spec: MachineSpec, host: Mapping[str, Any]) -> list[str]:
    """Return which of the further ports the created container lacks."""
    bound = host.get("PortBindings") or {}
    return [f"the published port {port}" for port in spec.ports if not bound.get(port)]


def service_ports(spec: ServiceSpec) -> dict[str, Any]:
    """Return the port bindings of a service: each port at its own number."""
    return {f"{port}/tcp": [{"HostIp": spec.publish_address, "HostPort": str(port)}] for port in spec.ports}


def service_config(spec: ServiceSpec) -> dict[str, Any]:
    """Return the create body of a service without HostConfig, which is the same for every flavour."""
    body: dict[str, Any] = {
        "Hostname": spec.hostname,
        "Image": spec.image,
        "Env": [],
        "Labels": dict(spec.labels),
        "ExposedPorts": {f"{port}/tcp": {} for port in spec.ports},
        "Volumes": {},
    }
    if spec.network:
        settings: dict[str, Any] = {"IPAMConfig": {"IPv4Address": spec.ip}} if spec.ip else {}
        body["NetworkingConfig"] = {"EndpointsConfig": {spec.network: settings}}
    return body


def container_config(spec: MachineSpec) -> dict[str, Any]:
    """Return the create body without HostConfig, which is the same for every flavour."""
    body: dict[str, Any] = {
        "Hostname": spec.hostname,
        "Image": spec.image,
        "Env": [f"{key}={value}" for key, value in spec.environment.items()],
        "Labels": dict(spec.labels),
        "ExposedPorts": {port: {} for port in (DAEMON_PORT, *spec.ports)},
        # Never null: a VCH then takes, and corrupts, the image's own (vmware/vic: proxy/storage_proxy.go).
        "Volumes": {},
    }
    if spec.command:
        body["Cmd"] = list(spec.command)
    if spec.network:
        endpoint: dict[str, Any] = {}
        if spec.ip:
            endpoint["IPAMConfig"] = {"IPv4Address": spec.ip}
        body["NetworkingConfig"] = {"EndpointsConfig": {spec.network: endpoint}}
    return body
