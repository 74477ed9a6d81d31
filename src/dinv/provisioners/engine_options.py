"""docker-machine's --engine-* flags: their declarations, and what they become in a machine's record."""

from __future__ import annotations

from dinv.declaration import PAIRS, Option
from dinv.errors import OptionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

OPTIONS = (
    Option(
        "engine-opt",
        "",
        "dockerd option, without its dashes",
        type=PAIRS,
        bare=True,
        metavar="FLAG=VALUE",
        rare=True,
    ),
    Option("engine-label", "", "label of the machine's engine", type=PAIRS, metavar="KEY=VALUE", rare=True),
    Option(
        "engine-env",
        "",
        "variable in the environment of dockerd, such as HTTPS_PROXY",
        type=PAIRS,
        private=True,
        metavar="NAME=VALUE",
        rare=True,
    ),
    Option(
        "engine-registry-mirror",
        "ENGINE_REGISTRY_MIRROR",
        "registry mirror",
        repeatable=True,
        adds=True,
        metavar="URL",
        rare=True,
    ),
    Option(
        "engine-insecure-registry",
        "",
        "registry to be reached without verified TLS",
        repeatable=True,
        metavar="HOST",
        rare=True,
    ),
    Option("engine-storage-driver", "", "dockerd's storage driver", metavar="NAME", rare=True),
)

RENAMED_STORAGE_DRIVERS = {"overlay": "overlay2"}
"""Storage drivers that old scripts name, and what replaced them (overlay is gone since 24.0)."""

_OURS = (
    "H",
    "host",
    "tls",
    "tlsverify",
    "tlscacert",
    "tlscert",
    "tlskey",
    "config-file",
    "data-root",
    "pidfile",
)
"""dockerd's options that dinv itself sets; another value would break its guarantees."""


def recorded(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return libmachine's engine options from the values of OPTIONS, by keyword. Raises OptionError."""
    return engine_options(**{key.removeprefix("engine_"): value for key, value in options.items() if value})


def engine_options(
    *,
    opt: Iterable[str] = (),
    label: Iterable[str] = (),
    env: Iterable[str] = (),
    registry_mirror: Iterable[str] = (),
    insecure_registry: Iterable[str] = (),
    storage_driver: str = "",
) -> dict[str, Any]:
    """Write libmachine's engine options. Raises OptionError."""
    flags = [text.lstrip("-") for text in opt]
    for flag in flags:
        if not flag or flag.partition("=")[0] in _OURS:
            raise OptionError(
                "is dinv's to set. A machine listens with mutual TLS, or not at all.",
                option="engine-opt",
                value=flag,
            )
    for text in env:
        name = text.partition("=")[0]
        if not name.isidentifier() or not name.isascii():
            # The value may be a password: only the name is shown.
            raise OptionError("is not NAME=VALUE", option="engine-env", value=name)
    return {
        "ArbitraryFlags": flags,
        "Dns": None,
        "GraphDir": "",
        "Env": list(env),
        "Ipv6": False,
        "InsecureRegistry": list(insecure_registry),
        "Labels": list(label),
        "LogLevel": "",
        "StorageDriver": RENAMED_STORAGE_DRIVERS.get(storage_driver, storage_driver),
        "SelinuxEnabled": False,
        "TlsVerify": True,
        "RegistryMirror": list(registry_mirror),
        "InstallURL": "",
    }
