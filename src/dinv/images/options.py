"""libmachine's engine options, as dockerd takes them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def dockerd_arguments(options: Mapping[str, Any], driver_name: str) -> list[str]:
    """Write dockerd's arguments as libmachine does, the label `provider` included.

    (docker/machine: libmachine/provision/generic.go.)
    """
    found = []
    if options.get("StorageDriver"):
        found.append(f"--storage-driver={options['StorageDriver']}")
    found.append(f"--label=provider={driver_name}")
    found += [f"--label={label}" for label in options.get("Labels") or ()]
    found += [f"--insecure-registry={registry}" for registry in options.get("InsecureRegistry") or ()]
    found += [f"--registry-mirror={mirror}" for mirror in options.get("RegistryMirror") or ()]
    found += [f"--{flag}" for flag in options.get("ArbitraryFlags") or ()]
    return found


def dockerd_environment(options: Mapping[str, Any]) -> dict[str, str]:
    """The variables dockerd is to get; values may be secrets."""
    pairs = (str(text).partition("=") for text in options.get("Env") or ())
    return {name: value for name, _, value in pairs}
