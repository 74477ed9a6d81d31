"""Which fields of a create call a VCH honours, and which it silently ignores.

vmware/vic: lib/apiservers/engine/backends/container.go, proxy/container_proxy.go, by what they use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dinv.testing.vch.rules.versions import Release

    JSON = dict[str, Any]

CONFIG = frozenset(
    (
        *("Image", "Cmd", "Entrypoint", "Env", "WorkingDir", "User", "Tty", "OpenStdin", "StdinOnce"),
        *("AttachStdin", "AttachStdout", "AttachStderr", "StopSignal", "Volumes", "Domainname", "Labels"),
        *("NetworkDisabled", "ExposedPorts", "HostConfig", "NetworkingConfig"),
    )
)
HOST = frozenset(
    (
        *("Binds", "CpusetCpus", "CpuCount", "Memory", "PortBindings", "NetworkMode"),
        *("Dns", "Links", "AutoRemove"),
    )
)
ENDPOINT = frozenset(("Aliases", "IPAMConfig"))
EXEC = frozenset(
    (
        *("AttachStdin", "AttachStdout", "AttachStderr", "Cmd", "Container", "Detach", "DetachKeys", "Env"),
        *("Tty", "User"),
    )
)

# Fields that clients send without a meaning, besides empty ones.
_DEFAULTS: dict[str, tuple[object, ...]] = {
    "MemorySwappiness": (-1,),
    "RestartPolicy": ({"Name": "no", "MaximumRetryCount": 0}, {"Name": "no"}),
    "ConsoleSize": ([0, 0],),
    "Isolation": ("default",),
    # The docker CLI sends the path of the endpoint's driver options with each.
    "LogConfig": ({"Type": "", "Config": {}},),
}


def ignored(body: JSON, release: Release) -> list[str]:
    """Return the names of fields that are set and that a VCH ignores: HostConfig.Privileged, ..."""
    config = CONFIG | {"Hostname"} if release.hostname else CONFIG
    found = _unknown(body, config, "")
    found += _unknown(body.get("HostConfig") or {}, HOST, "HostConfig.")
    networking = body.get("NetworkingConfig") or {}
    found += _unknown(networking, frozenset(("EndpointsConfig",)), "NetworkingConfig.")
    for endpoint in (networking.get("EndpointsConfig") or {}).values():
        found += _unknown(endpoint or {}, ENDPOINT, "EndpointsConfig.")
        ipam = (endpoint or {}).get("IPAMConfig") or {}
        found += _unknown(ipam, frozenset(("IPv4Address",)), "IPAMConfig.")
    return found


def ignored_in_exec(body: JSON) -> list[str]:
    """As `ignored`, of an exec's create call."""
    return _unknown(body, EXEC, "Exec.")


def _unknown(given: JSON, known: frozenset[str], where: str) -> list[str]:
    return [
        where + name
        for name, value in given.items()
        if name not in known and not _empty(value) and value not in _DEFAULTS.get(name, ())
    ]


def _empty(value: object) -> bool:
    if isinstance(value, dict):
        return all(_empty(each) for each in value.values())
    return not value
