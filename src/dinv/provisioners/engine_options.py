"""docker-machine's --engine-* flags: their declarations, and what they become in a machine's record."""

from __future__ import annotations

from dinv.declaration import PAIRS, Option
from dinv.drivers.alteration import Difference
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

CHANGE_OPTIONS = (
    *(option for option in OPTIONS if option.name != "engine-storage-driver"),
    Option("engine-opt-rm", "", "dockerd option to take away", metavar="FLAG", repeatable=True, rare=True),
    Option("engine-label-rm", "", "engine label to take away", metavar="KEY", repeatable=True, rare=True),
    Option("engine-env-rm", "", "variable of dockerd to unset", metavar="NAME", repeatable=True, rare=True),
    Option(
        "engine-registry-mirror-rm",
        "",
        "registry mirror to take away",
        metavar="URL",
        repeatable=True,
        rare=True,
    ),
    Option(
        "engine-insecure-registry-rm",
        "",
        "registry to be reached with verified TLS again",
        metavar="HOST",
        repeatable=True,
        rare=True,
    ),
)
"""The options of `dinv set`. A storage driver is not among them: the images in the cache are its own."""

_KEYS = {
    "engine-opt": "ArbitraryFlags",
    "engine-label": "Labels",
    "engine-env": "Env",
    "engine-registry-mirror": "RegistryMirror",
    "engine-insecure-registry": "InsecureRegistry",
}
"""Where libmachine has the lists."""
_WITHOUT_NAMES = ("engine-registry-mirror", "engine-insecure-registry")
"""Lists whose entries are no KEY=VALUE."""

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


def changed(before: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of engine options that differ with values of CHANGE_OPTIONS, by keyword.

    What is given for a name, such as an option of dockerd, takes the place of all that it had. Raises
    OptionError.
    """
    found = {}
    new = recorded({key: value for key, value in values.items() if not key.endswith("_rm")})
    for name, key in _KEYS.items():
        keyword = name.replace("-", "_")
        there = list(before.get(key) or ())
        wanted = _without(there, values.get(f"{keyword}_rm") or (), name)
        added = new[key]
        if name in _WITHOUT_NAMES:
            wanted += [each for each in dict.fromkeys(added) if each not in wanted]
        else:
            names = {each.partition("=")[0] for each in added}
            # What is there already stays in its place: another order alone is no change.
            wanted = [each for each in wanted if each.partition("=")[0] not in names or each in added]
            wanted += [each for each in added if each not in wanted]
        if wanted != there:
            found[key] = wanted
    return found


def _without(there: list[str], removed: Iterable[str], name: str) -> list[str]:
    for text in removed:
        gone = text.lstrip("-") if name == "engine-opt" else text
        left = [
            each
            for each in there
            if each != gone and (name in _WITHOUT_NAMES or each.partition("=")[0] != gone)
        ]
        if len(left) == len(there):
            raise OptionError(
                "is not one of the machine's", option=f"{name}-rm", value=text.partition("=")[0]
            )
        there = left
    return list(there)


def differences(before: Mapping[str, Any], changes: Mapping[str, Any]) -> list[Difference]:
    """Return changes of engine options in the words of the flags; what may be a password is not shown."""
    return [
        Difference(name, _shown(name, before.get(key)), _shown(name, changes[key]), [key])
        for name, key in _KEYS.items()
        if key in changes
    ]


def _shown(name: str, values: Iterable[str] | None) -> list[str]:
    if name == "engine-env":
        return [value.partition("=")[0] for value in values or ()]
    return list(values or ())
