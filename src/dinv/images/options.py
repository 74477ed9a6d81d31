"""libmachine's engine options, as dockerd takes them."""

from __future__ import annotations

DEFAULTS = "Defaults"
"""Key for `Driver.daemon_defaults` among a contract's options; not one of libmachine's."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


def dockerd_arguments(options: Mapping[str, Any], driver_name: str) -> list[str]:
    """Return dockerd's arguments as libmachine writes them, the label `provider` included.

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


def with_defaults(options: Mapping[str, Any], defaults: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return a machine's engine options, and `Driver.daemon_defaults`, as contracts take them."""
    return {**options, DEFAULTS: defaults}


def default_arguments(options: Mapping[str, Any]) -> list[str]:
    """Yield the defaults (`Driver.daemon_defaults`), unless the user's own arguments set them."""
    given = {str(flag).partition("=")[0] for flag in options.get("ArbitraryFlags") or ()}
    return [
        f"--{option}={value}"
        for option, values in (options.get(DEFAULTS) or {}).items()
        if not given & {option, f"{option}s"}
        for value in values
    ]


def dockerd_environment(options: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables for dockerd; values may be secrets."""
    pairs = (str(text).partition("=") for text in options.get("Env") or ())
    return {name: value for name, _, value in pairs}
