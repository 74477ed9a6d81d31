"""Containers as a VCH shows them: `inspect` and `ps`.

vmware/vic: lib/apiservers/engine/proxy/container_proxy.go (ContainerInfoToDockerContainerInspect), backends/
convert/state.go, backends/container.go (Containers).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dinv.testing.vch.calls import networks
from dinv.testing.vch.calls.volumes import DRIVER, has_label
from dinv.testing.vch.rules import errors, ports
from dinv.testing.vch.state import REMOVING, STARTING
from dinv.testing.vch.wire.http import Answer

if TYPE_CHECKING:
    from typing import Any

    from dinv.testing.vch.state import Container, Context, Vch

    JSON = dict[str, Any]

_UNSUPPORTED_FILTERS = ("ancestor", "health", "isolation", "is-task")
_FILTERS = ("label", "name", "status", "id", "volume", "network", "exited", "before", "since")
_STATES = ("paused", "restarting", "removing", "running", "dead", "created", "exited")
"""The values that `status` can filter by: docker's states, and none of VIC's own."""
_NO_TIME = "0001-01-01T00:00:00Z"
_SHORT_ID = 12

# Of a HostConfig, what is about resources: all of it is left out but for what a VM has.
_RESOURCES = frozenset(
    (
        *("CpuShares", "Memory", "NanoCpus", "CgroupParent", "BlkioWeight", "BlkioWeightDevice"),
        *("BlkioDeviceReadBps", "BlkioDeviceWriteBps", "BlkioDeviceReadIOps", "BlkioDeviceWriteIOps"),
        *("CpuPeriod", "CpuQuota", "CpuRealtimePeriod", "CpuRealtimeRuntime", "CpusetCpus", "CpusetMems"),
        *("Devices", "DiskQuota", "KernelMemory", "MemoryReservation", "MemorySwap", "MemorySwappiness"),
        *("OomKillDisable", "PidsLimit", "Ulimits", "CpuCount", "CpuPercent", "IOMaximumIOps"),
        "IOMaximumBandwidth",
    )
)


def container_inspect(context: Context) -> Answer:
    """GET /containers/NAME/json."""
    container = context.container
    return Answer.json(inspected(context.vch, container))


def inspected(vch: Vch, container: Container) -> JSON:
    """One container, by what the engine behind says of it and what was asked for. Raises 404."""
    vch.faults.below("GetContainerInfo")
    found = vch.inspect(container)
    settings = _networks(vch, container, found["NetworkSettings"])
    return {
        "Id": container.id,
        "Created": found["Created"],
        "Path": found.get("Path", ""),
        "Args": found.get("Args") or [],
        "State": _state(container, found["State"]),
        # VIC keeps ids of images without the algorithm.
        "Image": found["Image"].removeprefix("sha256:"),
        "ResolvConfPath": "",
        "HostnamePath": "",
        "HostsPath": "",
        "LogPath": "",
        "Name": f"/{container.name}",
        "RestartCount": 0,
        "Driver": vch.release.engine,
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": found.get("ExecIDs"),
        "HostConfig": _host(vch, container, settings["Ports"]),
        "GraphDriver": {"Name": vch.release.engine, "Data": None},
        "Mounts": _mounts(container) or None,
        "Config": _config(vch, container),
        "NetworkSettings": settings,
    }


def _config(vch: Vch, container: Container) -> JSON:
    """Return the image's settings, overridden by what was asked for: VIC's copy of them, changed."""
    asked, image = container.asked, container.image_config
    return {
        "Hostname": str(asked.get("Hostname") or "") or container.id[:_SHORT_ID],
        "Domainname": str(asked.get("Domainname") or ""),
        "User": str(asked.get("User") or image.get("User") or ""),
        # Whatever was asked for.
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "ExposedPorts": image.get("ExposedPorts") or None,
        "Tty": bool(asked.get("Tty")),
        "OpenStdin": bool(asked.get("OpenStdin")),
        "StdinOnce": True,
        "Env": container.env,
        "Cmd": asked.get("Cmd") or image.get("Cmd"),
        "Image": container.image,
        "Volumes": {each.bind: {} for each in container.attachments if each.declared} or None,
        "WorkingDir": str(asked.get("WorkingDir") or image.get("WorkingDir") or ""),
        "Entrypoint": asked.get("Entrypoint") or image.get("Entrypoint"),
        "OnBuild": None,
        "Labels": labels(vch, container) or None,
        "StopSignal": str(image.get("StopSignal") or ""),
    }


def labels(vch: Vch, container: Container) -> dict[str, str]:
    """The container's labels, none of them from its image; on demand, those of another (vic#8545)."""
    if vch.faults.leak_labels:
        with vch.lock:
            others = [
                other
                for other in vch.containers.values()
                if other is not container and other.image_id == container.image_id
            ]
        if others:
            return dict(others[-1].labels)
    return dict(container.labels)


def state_of(container: Container, behind: str) -> str:
    """A container's state: docker's created, running and exited, and VIC's own words as they are.

    VIC lowers those three and no other (backends/filter/container.go: DockerState).
    """
    if container.transition:
        # A process that runs has its VM up, though the call that started it is not over.
        return "running" if container.starting and behind == "running" else container.transition
    return {"dead": "Stopped", "restarting": STARTING, "removing": REMOVING, "paused": "running"}.get(
        behind, behind
    )


def _time(text: str) -> str:
    """Return a time as the port layer keeps it, in whole seconds; "" for what has not happened."""
    return "" if text.startswith(_NO_TIME[:4]) else f"{text.partition('.')[0].rstrip('Z')}Z"


def _state(container: Container, found: JSON) -> JSON:
    state = state_of(container, found["Status"])
    return {
        "Status": state,
        "Running": state == "running",
        "Paused": False,
        "Restarting": False,
        "OOMKilled": False,
        "Dead": False,
        "Pid": 0,
        "ExitCode": found["ExitCode"],
        "Error": "",
        "StartedAt": _time(found["StartedAt"]),
        "FinishedAt": _time(found["FinishedAt"]),
    }


def _host(vch: Vch, container: Container, published: JSON) -> JSON:
    """What was asked for, honoured or not, but for what a VM has (hostConfigFromContainerInfo)."""
    asked = container.host
    log = asked.get("LogConfig") or {}
    return {
        "Binds": None,
        "CapAdd": None,
        "CapDrop": None,
        "Links": None,
        "Privileged": False,
        "SecurityOpt": None,
        "RestartPolicy": {"Name": "", "MaximumRetryCount": 0},
        **{name: value for name, value in asked.items() if name not in _RESOURCES and value is not None},
        # `docker logs` asks for a type it knows.
        "LogConfig": {"Type": "json-file", "Config": log.get("Config")},
        "NetworkMode": container.network,
        "PortBindings": published,
        "AutoRemove": bool(asked.get("AutoRemove")),
        "Dns": [each for each in asked.get("Dns") or [] if each],
        "VolumeDriver": vch.release.engine,
        "CpusetCpus": str(container.cpus),
        # MB, where an engine has bytes.
        "Memory": container.memory,
        "NanoCpus": 0,
    }


def _mounts(container: Container) -> list[JSON]:
    return [
        {
            "Type": "volume",
            "Name": attachment.volume,
            "Source": attachment.volume,
            "Destination": attachment.destination,
            "Driver": DRIVER,
            "Mode": attachment.mode,
            # By its letters: a mode such as "z" is not taken for writable, though it is.
            "RW": "rw" in attachment.mode.lower(),
            "Propagation": "",
        }
        for attachment in container.attachments
    ]


def _networks(vch: Vch, container: Container, found: JSON) -> JSON:
    shown = networks.shown(vch, container, found.get("Networks") or {})
    address = next((network.get("IPAddress") or "" for network in shown.values()), "")
    # The top level's IPAddress is empty on a VCH: addresses are in Networks.
    return {
        "Bridge": "",
        "SandboxID": "",
        "Ports": ports.shown(vch, container, address, found.get("Ports") or {}),
        "IPAddress": "",
        "IPPrefixLen": 0,
        "Gateway": "",
        "MacAddress": "",
        "Networks": shown,
    }


def container_list(context: Context) -> Answer:
    """GET /containers/json."""
    vch, request, filters = context.vch, context.request, context.filters()
    limit = context.number("limit")
    _check(vch, filters)
    vch.faults.below("GetContainerList")
    every = request.flag("all") or limit > 0 or "status" in filters
    found = []
    entries = vch.listed()
    order = [entry["Id"] for entry in entries]
    for entry in entries:
        with vch.lock:
            container = vch.containers.get(entry["Id"])
        if container is None:
            continue
        shown = _listed(vch, container, entry)
        wanted = (every or shown["State"] == "running") and _matches(vch, container, shown, filters, order)
        if wanted and exits(shown["Status"], filters):
            found.append(shown)
    return Answer.json(found[:limit] if limit > 0 else found)


def _check(vch: Vch, filters: dict[str, list[str]]) -> None:
    """Raise VicError for unknown filters (backends/filter/validation.go)."""
    for name in filters:
        if name in _UNSUPPORTED_FILTERS:
            raise errors.bare(f"filter {name} is not currently supported by vic")
        if name not in _FILTERS:
            raise errors.bare(f"Invalid filter '{name}'")
    for value in filters.get("exited", []):
        if not re.fullmatch(r"[+-]?[0-9]+", value):
            raise errors.bare(f'strconv.Atoi: parsing "{value}": invalid syntax')
    for value in filters.get("status", []):
        if value not in _STATES:
            raise errors.bare(f"Unrecognised filter value for status: {value}")
    for value in (*filters.get("before", []), *filters.get("since", [])):
        vch.find(value)


def _listed(vch: Vch, container: Container, entry: JSON) -> JSON:
    """Return one row. Much of what an engine fills is empty here: VIC only has it in inspect."""
    state = state_of(container, entry["State"])
    running = state == "running"
    return {
        "Id": container.id,
        "Names": [f"/{container.name}"],
        "Image": container.image,
        "ImageID": "",
        "Command": entry["Command"],
        "Created": entry["Created"],
        "Ports": _ports(vch, container, entry) if running else None,
        "Labels": labels(vch, container) or None,
        "State": state,
        "Status": state if state[:1].isupper() else entry["Status"],
        "HostConfig": {},
        "NetworkSettings": None,
        "Mounts": None,
    }


def _ports(vch: Vch, container: Container, entry: JSON) -> list[JSON]:
    """A running container's ports, of those that are published."""
    found = networks.shown(vch, container, entry["NetworkSettings"]["Networks"] or {})
    address = next((network.get("IPAddress") or "" for network in found.values()), "")
    behind: dict[str, list[JSON]] = {}
    for each in entry["Ports"]:
        if each.get("PublicPort"):
            key = f"{each['PrivatePort']}/{each['Type']}"
            behind.setdefault(key, []).append({"HostPort": str(each["PublicPort"])})
    shown = ports.shown(vch, container, address, behind)
    return [
        {
            "IP": binding["HostIp"],
            "PrivatePort": int(port.partition("/")[0]),
            "PublicPort": int(binding["HostPort"]),
            "Type": port.partition("/")[2] or "tcp",
        }
        for port, bindings in shown.items()
        for binding in bindings or ()
        if binding["HostPort"].isdecimal() and port.partition("/")[0].isdecimal()
    ]


def exits(status: str, filters: dict[str, list[str]]) -> bool:
    """Return whether a row's Status has one of the wanted exit codes; not if it runs or never ran."""
    code = status.partition("(")[2].partition(")")[0] if status.startswith("Exited") else ""
    return "exited" not in filters or code in [str(int(each)) for each in filters["exited"]]


def _matches(
    vch: Vch, container: Container, shown: JSON, filters: dict[str, list[str]], order: list[str]
) -> bool:
    volumes = {each.volume for each in container.attachments}
    networked = {container.network, *container.connected}
    place = order.index(shown["Id"])
    return (
        all(has_label(shown["Labels"] or {}, label) for label in filters.get("label", []))
        and ("name" not in filters or any(part.strip("^$/") in container.name for part in filters["name"]))
        and ("status" not in filters or shown["State"] in filters["status"])
        and ("id" not in filters or container.id.startswith(tuple(filters["id"])))
        and ("volume" not in filters or any(volume in volumes for volume in filters["volume"]))
        and ("network" not in filters or any(network in networked for network in filters["network"]))
        # The newest comes first.
        and all(place > order.index(vch.find(each).id) for each in filters.get("before", []))
        and all(place < order.index(vch.find(each).id) for each in filters.get("since", []))
    )


HANDLERS = {"ContainerInspect": container_inspect, "Containers": container_list}
