"""The shapes of answers, as far as dinv reads them: an answer of another shape is the endpoint's error.

A shape is a type; a list of one shape; or an object's keys with their shapes, where `*` stands for any key
and `!` after a key says that it is required. Null counts as missing, as Go writes it, except for an object
in a list. Names are those of the Engine API; keys without a shape are not checked.
"""

from __future__ import annotations

from math import inf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Shape = type | list[Any] | dict[str, Any]

_NAMES = {str: "a text", int: "a number", bool: "true or false", dict: "an object", list: "a list"}

_LABELS = {"*": str}
_CONFIG = {
    "Labels": _LABELS,
    "Env": [str],
    "Entrypoint": [str],
    "Cmd": [str],
    "Volumes": {"*": dict},
    "Image": str,
    "Tty": bool,
}
_NETWORK = {"IPAddress": str, "GlobalIPv6Address": str, "IPAddresses": [str]}
_MOUNTS = [{"Name": str, "Destination": str, "Source": str, "Type": str}]
_PORTS = {"*": [{"HostIp": str, "HostPort": str}]}

VERSION = {"Version": str, "ApiVersion": str, "Arch": str, "Os": str}
INFO = {
    **dict.fromkeys(("ID", "Name", "ServerVersion", "KernelVersion", "CgroupVersion", "CgroupDriver"), str),
    **dict.fromkeys(("OSType", "Architecture", "OperatingSystem", "Driver", "SystemTime"), str),
    "NCPU": int,
    "MemTotal": int,
    "SecurityOptions": [str],
    "Runtimes": {"*": dict},
    "SystemStatus": [[str]],
    "DriverStatus": [[str]],
    "DefaultAddressPools": [{"Base": str, "Size": int}],
}
CREATED = {"Id!": str, "Warnings": [str], "Warning": str}
UPDATED = {"Warnings": [str]}
CONTAINER = {
    "Id": str,
    "Name": str,
    "Image": str,
    "Created": str,
    "RestartCount": int,
    "State": {
        **dict.fromkeys(("Running", "Paused", "Restarting"), bool),
        "Status": str,
        "ExitCode": int,
        "Pid": int,
        "StartedAt": str,
        "FinishedAt": str,
        "Health": {"Status": str},
    },
    "Config": _CONFIG,
    "HostConfig": {
        "Memory": int,
        "NanoCpus": int,
        "Binds": [str],
        "PortBindings": _PORTS,
        "NetworkMode": str,
        "RestartPolicy": {"Name": str},
    },
    "Mounts": _MOUNTS,
    "NetworkSettings": {"Networks": {"*": _NETWORK}, "Ports": _PORTS},
}
CONTAINERS = [
    {
        "Id": str,
        "Names": [str],
        "Image": str,
        "State": str,
        "Status": str,
        "Labels": _LABELS,
        "Mounts": _MOUNTS,
        "Ports": [{"PublicPort": int, "PrivatePort": int, "IP": str, "Type": str}],
        "NetworkSettings": {"Networks": {"*": _NETWORK}},
    }
]
WAIT = {"StatusCode!": int, "Error": {"Message": str}}
EXEC = {"Running": bool, "ExitCode": int, "Pid": int}
VOLUME = {
    "Name!": str,
    "Driver": str,
    "Labels": _LABELS,
    "Options": _LABELS,
    "Mountpoint": str,
    "CreatedAt": str,
    "UsageData": {"Size": int},
}
VOLUMES = {"Volumes": [VOLUME]}
NETWORK = {
    "Id!": str,
    "Name!": str,
    "Driver": str,
    "Labels": _LABELS,
    "Options": _LABELS,
    "Containers": {"*": {"Name": str, "IPv4Address": str, "IPv6Address": str}},
    "IPAM": {"Config": [{"Subnet": str, "Gateway": str, "IPRange": str}]},
}
NETWORKS = [NETWORK]
IMAGE = {
    "Id!": str,
    "Created": str,
    "RepoTags": [str],
    "RepoDigests": [str],
    "Size": int,
    "Os": str,
    "Architecture": str,
    "Config": _CONFIG,
    "RootFS": {"Layers": [str]},
}
IMAGES = [
    {
        "Id!": str,
        "Created": int,
        "RepoTags": [str],
        "RepoDigests": [str],
        "Size": int,
        "Labels": _LABELS,
    }
]
DISK_USAGE = {
    "LayersSize": int,
    "Containers": [{"SizeRw": int}],
    "Volumes": [{"Name": str, "UsageData": {"Size": int}}],
    "BuildCache": [{"Size": int, "Shared": bool}],
}

SWARM_INFO = {
    "Swarm": {
        **dict.fromkeys(("NodeID", "NodeAddr", "LocalNodeState", "Error"), str),
        "ControlAvailable": bool,
        "Nodes": int,
        "Managers": int,
        "RemoteManagers": [{"NodeID": str, "Addr": str}],
        "Cluster": {"ID": str, "DefaultAddrPool": [str]},
    },
    "LiveRestoreEnabled": bool,
}
_VERSION = {"Index": int}
SWARM = {
    "ID!": str,
    "Version": _VERSION,
    "Spec": {"EncryptionConfig": {"AutoLockManagers": bool}},
    "JoinTokens": {"Worker": str, "Manager": str},
    "DefaultAddrPool": [str],
}
NODE = {
    "ID!": str,
    "Version": _VERSION,
    "Spec": {"Role": str, "Availability": str, "Labels": _LABELS},
    "Description": {"Hostname": str, "Engine": {"Labels": _LABELS}},
    "Status": {"State": str, "Addr": str, "Message": str},
    "ManagerStatus": {"Leader": bool, "Reachability": str, "Addr": str},
}
NODES = [NODE]
TASKS = [{"ID!": str, "NodeID": str, "DesiredState": str, "Status": {"State": str}}]


def fault(value: object, shape: Shape, where: str = "") -> str:
    """Return what is wrong, such as `"State" is not an object`; "" if nothing is."""
    if isinstance(shape, list):
        if not isinstance(value, list):
            return _not(where, list)
        return _first(fault(item, shape[0], f"{where}[{at}]") for at, item in enumerate(value))
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return _not(where, dict)
        return _keys(value, shape, where)
    kinds = (int, float) if shape is int else shape
    as_it_should = isinstance(value, kinds) and isinstance(value, bool) <= (shape in (bool, object))
    return "" if as_it_should and not _endless(value) else _not(where, shape)


def _endless(value: object) -> bool:
    """Whether it is a number that JSON does not have but Python reads: NaN, Infinity."""
    return isinstance(value, float) and not abs(value) < inf


def _keys(value: dict[str, Any], shape: dict[str, Any], where: str) -> str:
    for name, inner in shape.items():
        key = name.removesuffix("!")
        for each in value if key == "*" else (key,):
            found = value.get(each)
            if found is None and key != "*":
                reason = f'it has no "{_path(where, each)}"' if name != key else ""
            elif found is None and not isinstance(inner, dict):
                reason = ""
            else:
                reason = fault(found, inner, _path(where, each))
            if reason:
                return reason
    return ""


def _first(found: Any) -> str:
    return next((reason for reason in found if reason), "")


def _path(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _not(where: str, kind: type) -> str:
    return f'"{where}" is not {_NAMES[kind]}' if where else f"it is not {_NAMES[kind]}"
