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


RELOADED_LISTS = {
    "label": "labels",
    "registry-mirror": "registry-mirrors",
    "insecure-registry": "insecure-registries",
}
"""dockerd's repeatable options that a running dockerd takes out of daemon.json, and their keys there.

(moby: daemon/reload.go, 20.10 to 29.)
"""
RELOADED_NUMBERS = (
    "max-concurrent-downloads",
    "max-concurrent-uploads",
    "max-download-attempts",
    "shutdown-timeout",
)
RELOADED_SWITCHES = ("debug",)
FORGOTTEN = ("shutdown-timeout",)
"""Of these, what a running dockerd keeps when it is left out, and no value stands for "none"."""
_TRUE, _FALSE = ("", "1", "t", "true"), ("0", "f", "false")


def reloadable(arguments: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Return what of dockerd's arguments a running dockerd can take, as daemon.json has it, and the rest.

    The lists are always there: one that is left out would stay as it is. A value that is none is left to
    dockerd to refuse.
    """
    found: dict[str, Any] = {key: [] for key in RELOADED_LISTS.values()}
    rest = []
    for argument in arguments:
        option, equals, value = argument.removeprefix("--").partition("=")
        if option in RELOADED_LISTS and equals:
            found[RELOADED_LISTS[option]].append(value)
        elif option in RELOADED_NUMBERS and value.isascii() and value.isdecimal():
            found[option] = int(value)
        elif option in RELOADED_SWITCHES and value.lower() in _TRUE + _FALSE:
            found[option] = value.lower() in _TRUE
        else:
            rest.append(argument)
    return found, rest


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
