"""Type checks for the values in a config.json, which may have been edited or made up.

Only what dinv itself reads is checked, when the file is read. None means absent, as Go writes it. A missing
key that is needed is reported by the part that lacks it (`Part`).
"""

from __future__ import annotations

from dinv.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, NoReturn

    Kinds = Mapping[str, type | tuple[type, type] | Callable[[object], bool]]

OPTIONS: dict[str, Kinds] = {
    "EngineOptions": {
        **dict.fromkeys(("ArbitraryFlags", "Env", "InsecureRegistry", "Labels", "RegistryMirror"), list),
        "StorageDriver": str,
    },
    "SwarmOptions": {"Discovery": str, "Host": str, "Address": str, "IsSwarm": bool, "Master": bool},
    "AuthOptions": {"ServerCertSANs": list},
}
_LONGEST_LIFETIME = 36500 * 86400


def _is_lifetime(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _LONGEST_LIFETIME


def _are_plain(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str | int | float) for each in value.values())


OURS: Kinds = {
    **dict.fromkeys(
        ("Phase", "Step", "Created", "Context", "Provisioner", "Authority", "ImageContract", "DockerVersion"),
        str,
    ),
    **dict.fromkeys(("Adopting", "RegistryCache"), str),
    **dict.fromkeys(("AuthorityOptions", "ProvisionerOptions", "ImageContractOptions"), dict),
    **dict.fromkeys(
        ("AuthorityOptionsImported", "Upgrade", "Change", "Renewal", "Membership", "Applied"), dict
    ),
    "Claim": dict,
    "Pool": _are_plain,
    "Stopped": bool,
    "CertLifetime": _is_lifetime,
    "CALifetime": _is_lifetime,
    "Revoking": bool,
    "Run": bool,
    "Lease": dict,
    "Untold": list,
    "Shared": lambda value: isinstance(value, dict) and all(isinstance(each, str) for each in value.values()),
}
UPGRADE: Kinds = {
    "Driver": dict,
    "ImageContract": str,
    "DockerVersion": str,
    "Running": bool,
    "Answers": bool,
    "Step": str,
}
CHANGE: Kinds = {
    **dict.fromkeys(("Driver", "EngineOptions", "NewDriver", "NewEngineOptions"), dict),
    **dict.fromkeys(("Running", "Moves", "Answers"), bool),
    "Means": list,
    "Step": str,
}


def is_version(value: object) -> bool:
    """Whether a value is the number of a version; True, which Python has as 1, is not."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def wrong(part: Mapping[str, Any], kinds: Kinds, where: str) -> str:
    """Return what has the wrong type, as `Dinv.Phase is of the wrong kind`; "" if nothing has.

    A kind is a type or a test. The items of lists are texts. True is not a number.
    """
    for key, kind in kinds.items():
        value = part.get(key)
        if value is None:
            continue
        if not isinstance(kind, type | tuple):
            if not kind(value):
                return f"{where}.{key} is of the wrong kind"
            continue
        allowed = isinstance(value, kind) and (kind in (bool, dict) or not isinstance(value, bool))
        items = value if isinstance(value, list) else ()
        if not allowed or not all(isinstance(item, str) for item in items):
            return f"{where}.{key} is of the wrong kind"
    return ""


def text(value: object) -> str:
    """Return a value that is text; "" for any other."""
    return value if isinstance(value, str) else ""


class Part(dict[str, "Any"]):
    """A part of a config.json in which a missing key is the file's fault. Raises ConfigError."""

    __slots__ = ("_about",)

    def __init__(self, values: Mapping[str, Any], *about: str) -> None:
        super().__init__(values)
        self._about = about

    def __missing__(self, key: str) -> NoReturn:
        name, path, where = self._about
        raise ConfigError(name, path, f"{where}.{key} is missing")

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        import copy

        return {key: copy.deepcopy(value, memo) for key, value in self.items()}
