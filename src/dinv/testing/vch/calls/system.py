"""`/_ping`, `/version`, `/info`, `/events`: what a VCH says of itself.

vmware/vic: lib/apiservers/engine/backends/system.go.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from dinv.testing.vch.calls.volumes import DRIVER, has_label
from dinv.testing.vch.rules import errors
from dinv.testing.vch.rules.port_layer import PortLayerError
from dinv.testing.vch.rules.versions import MAX_API, MIN_API
from dinv.testing.vch.state import LABEL
from dinv.testing.vch.wire import relay
from dinv.testing.vch.wire.http import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from dinv.testing.vch.state import Context, Vch

    JSON = dict[str, Any]

ID = "vSphere Integrated Containers"
_MHZ_PER_CPU = 2400
_GIB = 1024**3


def ping(context: Context) -> Answer:
    """GET /_ping."""
    del context
    return Answer(200, b"OK", {"Content-Type": "text/plain; charset=utf-8"})


def version(context: Context) -> Answer:
    """GET /version."""
    release = context.vch.release
    return Answer.json(
        {
            "Version": release.version,
            "ApiVersion": MAX_API,
            "MinAPIVersion": MIN_API,
            "GitCommit": release.build.rpartition("-")[2],
            "GoVersion": "go1.8.3",
            "Os": "linux",
            "Arch": "amd64",
            "KernelVersion": "-",
            "Experimental": True,
            "BuildTime": "2019-06-01T00:00:00.000000000+00:00",
        }
    )


def _now(ahead: float) -> str:
    """The appliance's own clock, `ahead` seconds from this computer's, as Go's RFC3339Nano has it."""
    nanoseconds = time.time_ns() + round(ahead * 1e9)
    second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(nanoseconds // 10**9))
    fraction = f".{nanoseconds % 10**9:09}".rstrip("0").rstrip(".")
    return f"{second}{fraction}Z"


def info(context: Context) -> Answer:
    """GET /info."""
    vch = context.vch
    states = [entry["State"] for entry in vch.listed()]
    running = states.count("running")
    settings, release, engine = vch.settings, vch.release, vch.behind.info
    images = vch.behind.json("GET", "/images/json")
    stores = _stores(vch)
    found: JSON = {
        "ID": ID,
        "Name": settings.name,
        "Containers": len(states),
        "ContainersRunning": running,
        "ContainersPaused": 0,
        "ContainersStopped": len(states) - running,
        "Images": len(images),
        "Driver": release.engine,
        "DriverStatus": None,
        "SystemStatus": [*([["VolumeStores", stores]] if stores is not None else []), *_status(vch)],
        "Plugins": {
            "Volume": [DRIVER] if settings.volume_stores and stores is not None else None,
            "Network": [network.name for network in settings.container_networks] or None,
            "Authorization": None,
        },
        "MemoryLimit": True,
        "SwapLimit": True,
        "KernelMemory": True,
        "CpuCfsPeriod": True,
        "CpuCfsQuota": True,
        "CPUShares": True,
        "CPUSet": True,
        "OomKillDisable": True,
        "IPv4Forwarding": True,
        "BridgeNfIptables": True,
        "BridgeNfIp6tables": True,
        "Debug": False,
        "NFd": 0,
        "NGoroutines": 0,
        "NEventsListener": 0,
        "SystemTime": _now(vch.clock_ahead),
        "ExecutionDriver": "",
        "LoggingDriver": "",
        "CgroupDriver": "",
        "KernelVersion": "",
        "OperatingSystem": "vmnix-x86",
        "OSType": "vmnix-x86",
        "Architecture": "x86_64",
        "IndexServerAddress": "registry-1.docker.io",
        "RegistryConfig": {"InsecureRegistryCIDRs": [], "IndexConfigs": {}, "Mirrors": []},
        # MHz, where an engine has a number of CPUs.
        "NCPU": _mhz(vch),
        "MemTotal": int(engine.get("MemTotal") or 0),
        "DockerRootDir": "",
        "HttpProxy": "",
        "HttpsProxy": "",
        "NoProxy": "",
        "Labels": [],
        "ExperimentalBuild": False,
        "ServerVersion": release.build,
        "ClusterStore": "",
        "ClusterAdvertise": "",
        "Runtimes": None,
        "DefaultRuntime": "",
        "Swarm": {"NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive", "ControlAvailable": False},
        "LiveRestoreEnabled": False,
        "Isolation": "",
    }
    return Answer.json(found)


def _mhz(vch: Vch) -> int:
    return int(vch.behind.info.get("NCPU") or 1) * _MHZ_PER_CPU


def _status(vch: Vch) -> list[list[str]]:
    settings = vch.settings
    memory = int(vch.behind.info.get("MemTotal") or 0) / _GIB
    with vch.lock:
        used = sum(container.memory for container in vch.containers.values()) / 1024
    whitelist = settings.registry_whitelist
    pairs = [
        [f"{vch.release.engine}", "RUNNING"],
        [" VCH CPU limit", f"{_mhz(vch)} MHz"],
        [" VCH memory limit", f"{memory:.2f} GiB"],
        [" VCH CPU usage", "0 MHz"],
        [" VCH memory usage", f"{used:.2f} GiB"],
        [" VMware Product", "VMware ESXi"],
        [" VMware OS", "vmnix-x86"],
        [" VMware OS version", "6.5.0"],
        [
            " Registry Whitelist Mode",
            "enabled" if whitelist else "disabled.  All registry access allowed.",
        ],
    ]
    if whitelist:
        pairs.append([" Whitelisted Registries", ", ".join(whitelist)])
    return pairs


def _stores(vch: Vch) -> str | None:
    """The labels of the volume stores, "" where there are none; None when the port layer cannot tell."""
    try:
        vch.faults.below("VolumeStoresList")
    except PortLayerError:
        return None
    return " ".join(vch.settings.volume_stores)


def events(context: Context) -> Answer:
    """Events of this VCH's containers. Those of images, which a VCH tells too, are not passed on."""
    vch, filters = context.vch, context.filters()
    # This VCH's label picks its containers out of what else happens on the engine behind.
    own = {"type": ["container"], "label": [f"{LABEL}={vch.identity}"]}
    if "event" in filters:
        own["event"] = filters["event"]
    query = context.query("since", "until")
    answer = relay.stream(context, "GET", "/events", query={**query, "filters": json.dumps(own)})
    body = answer.body
    assert body is not None  # noqa: S101  (relay.stream always gives pieces)
    assert not isinstance(body, bytes)  # noqa: S101
    answer.body = _own_events(vch, body, filters)
    return answer


def _own_events(vch: Vch, pieces: Iterator[bytes], filters: dict[str, list[str]]) -> Iterator[bytes]:
    held = b""
    for piece in pieces:
        *lines, held = (held + piece).split(b"\n")
        for line in lines:
            if line.strip():
                shown = _event(vch, json.loads(line), filters)
                if shown is not None:
                    yield json.dumps(shown).encode() + b"\n"


def _event(vch: Vch, found: JSON, filters: dict[str, list[str]]) -> JSON | None:
    attributes = found["Actor"]["Attributes"]
    with vch.lock:
        container = vch.containers.get(found["Actor"]["ID"])
    labels = container.labels if container is not None else {}
    name = attributes.get("name", "").removeprefix(vch.prefix)
    image = container.image if container is not None else attributes.get("image", "")
    wanted = (
        "container" in filters.get("type", ["container"])
        and all(has_label(labels, label) for label in filters.get("label", []))
        and (
            "container" not in filters
            or any(each == name or found["Actor"]["ID"].startswith(each) for each in filters["container"])
        )
    )
    if not wanted:
        return None
    shown = {"image": image, "name": name, **labels}
    if "exitCode" in attributes:
        shown["exitCode"] = attributes["exitCode"]
    return {**found, "from": image, "Actor": {"ID": found["Actor"]["ID"], "Attributes": shown}}


def auth(context: Context) -> Answer:
    """POST /auth."""
    return Answer.json(context.vch.behind.json("POST", "/auth", body=context.body("login")))


def not_supported_plugin(context: Context) -> Answer:
    """GET /plugins/NAME/json."""
    raise errors.VicError(404, f"plugin {context.groups['name']} not found")


HANDLERS = {
    "Ping": ping,
    "SystemVersion": version,
    "SystemInfo": info,
    "SubscribeToEvents": events,
    "AuthenticateToRegistry": auth,
    "PluginInspect": not_supported_plugin,
}
