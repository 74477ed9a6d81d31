"""Containers as a VCH shows them: `inspect` and `ps`.

vmware/vic: lib/apiservers/engine/proxy/container_proxy.go (ContainerInfoToDockerContainerInspect), backends/
convert/state.go, backends/container.go (Containers).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinv.testing.vch import errors, networks, ports
from dinv.testing.vch.volumes import DRIVER, has_label
from dinv.testing.vch.wire import Answer

if TYPE_CHECKING:
    from typing import Any

    from dinv.testing.vch.state import Container, Context, Vch

    JSON = dict[str, Any]

_UNSUPPORTED_FILTERS = ("ancestor", "health", "isolation", "is-task")
_FILTERS = ("label", "name", "status", "id", "volume", "network", "exited", "before", "since")
# Of the engine behind's Config, what a VCH shows of its own making.
_CONFIG = (
    *("Hostname", "Domainname", "User", "AttachStdin", "AttachStdout", "AttachStderr", "ExposedPorts", "Tty"),
    *("OpenStdin", "StdinOnce", "Env", "Cmd", "WorkingDir", "Entrypoint", "StopSignal"),
)


def container_inspect(context: Context) -> Answer:
    """GET /containers/NAME/json."""
    container = context.container
    return Answer.json(inspected(context.vch, container))


def inspected(vch: Vch, container: Container) -> JSON:
    """One container, by what the engine behind says of it and what was asked for. Raises 404."""
    found = vch.inspect(container)
    return {
        "Id": container.id,
        "Created": found["Created"],
        "Path": found.get("Path", ""),
        "Args": found.get("Args") or [],
        "State": _state(container, found["State"]),
        "Image": found["Image"],
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
        "HostConfig": _host(container),
        "GraphDriver": {"Name": vch.release.engine, "Data": None},
        "Mounts": _mounts(container),
        "Config": {
            **{name: found["Config"].get(name) for name in _CONFIG},
            "Image": container.image,
            "Volumes": {attachment.destination: {} for attachment in container.attachments} or None,
            "Labels": labels(vch, container),
        },
        "NetworkSettings": _networks(vch, container, found["NetworkSettings"]),
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


def status_of(container: Container, behind: str) -> str:
    """State.Status: created, starting, running or exited."""
    if container.starting and behind != "running":
        return "starting"
    return {"dead": "error", "restarting": "starting", "removing": "exited"}.get(behind, behind)


def _state(container: Container, found: JSON) -> JSON:
    status = status_of(container, found["Status"])
    return {
        "Status": status,
        "Running": status == "running",
        "Paused": False,
        "Restarting": False,
        "OOMKilled": False,
        "Dead": False,
        "Pid": 0,
        "ExitCode": found["ExitCode"],
        "Error": "",
        "StartedAt": found["StartedAt"],
        "FinishedAt": found["FinishedAt"],
    }


def _host(container: Container) -> JSON:
    asked = container.host
    return {
        "Binds": list(asked.get("Binds") or []) or None,
        "LogConfig": {"Type": "json-file", "Config": None},
        "NetworkMode": asked.get("NetworkMode") or "default",
        "PortBindings": asked.get("PortBindings") or None,
        "RestartPolicy": {"Name": "", "MaximumRetryCount": 0},
        "AutoRemove": bool(asked.get("AutoRemove")),
        "CapAdd": None,
        "CapDrop": None,
        "Dns": asked.get("Dns"),
        "Links": asked.get("Links"),
        "Privileged": False,
        "SecurityOpt": None,
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
            "Mode": "ro" if attachment.read_only else "rw",
            "RW": not attachment.read_only,
            "Propagation": "",
        }
        for attachment in container.attachments
    ]


def _networks(vch: Vch, container: Container, found: JSON) -> JSON:
    shown = networks.shown(vch, container, found.get("Networks") or {})
    published: JSON = found.get("Ports") or {}
    if ports.on_container_network(vch, container):
        address = next((network.get("IPAddress") or "" for network in shown.values()), "")
        published = {
            port: [{"HostIp": address, "HostPort": port.partition("/")[0]}]
            for port in container.port_bindings
            if address
        }
    # The top level's IPAddress is empty on a VCH: addresses are in Networks.
    return {
        "Bridge": "",
        "SandboxID": "",
        "Ports": published,
        "IPAddress": "",
        "IPPrefixLen": 0,
        "Gateway": "",
        "MacAddress": "",
        "Networks": shown,
    }


def container_list(context: Context) -> Answer:
    """GET /containers/json."""
    vch, request, filters = context.vch, context.request, context.filters()
    for name in filters:
        if name in _UNSUPPORTED_FILTERS:
            raise errors.bare(f"filter {name} is not currently supported by vic")
        if name not in _FILTERS:
            raise errors.bare(f"Invalid filter '{name}'")
    limit = int(request.query.get("limit") or 0)
    every = request.flag("all") or limit > 0 or "status" in filters or "exited" in filters
    found = []
    entries = vch.listed()
    order = [entry["Id"] for entry in entries]
    for entry in entries:
        with vch.lock:
            container = vch.containers.get(entry["Id"])
        if container is None:
            continue
        shown = _listed(vch, container, entry)
        if (every or shown["State"] == "running") and _matches(vch, shown, filters, order):
            found.append(shown)
    return Answer.json(found[:limit] if limit > 0 else found)


def _listed(vch: Vch, container: Container, entry: JSON) -> JSON:
    state = status_of(container, entry["State"])
    return {
        "Id": container.id,
        "Names": [f"/{container.name}"],
        "Image": container.image,
        "ImageID": entry["ImageID"],
        "Command": entry["Command"],
        "Created": entry["Created"],
        "Ports": [] if container.closed_address else entry["Ports"],
        "Labels": labels(vch, container),
        "State": state,
        "Status": "Starting" if state == "starting" else entry["Status"],
        "HostConfig": {"NetworkMode": container.host.get("NetworkMode") or "default"},
        "NetworkSettings": {
            "Networks": networks.shown(vch, container, entry["NetworkSettings"]["Networks"] or {})
        },
        "Mounts": _mounts(container),
    }


def _matches(vch: Vch, shown: JSON, filters: dict[str, list[str]], order: list[str]) -> bool:
    name = shown["Names"][0]
    volumes = {mount[part] for mount in shown["Mounts"] for part in ("Name", "Destination")}
    place = order.index(shown["Id"])
    exited = shown["Status"].partition("(")[2].partition(")")[0]
    return (
        all(has_label(shown["Labels"], label) for label in filters.get("label", []))
        and ("name" not in filters or any(part.strip("^$") in name for part in filters["name"]))
        and ("status" not in filters or shown["State"] in filters["status"])
        and ("id" not in filters or shown["Id"].startswith(tuple(filters["id"])))
        and ("volume" not in filters or any(volume in volumes for volume in filters["volume"]))
        and ("exited" not in filters or exited in filters["exited"])
        and (
            "network" not in filters
            or any(network in shown["NetworkSettings"]["Networks"] for network in filters["network"])
        )
        # The newest comes first.
        and all(place > order.index(vch.find(each).id) for each in filters.get("before", []))
        and all(place < order.index(vch.find(each).id) for each in filters.get("since", []))
    )


HANDLERS = {"ContainerInspect": container_inspect, "Containers": container_list}
