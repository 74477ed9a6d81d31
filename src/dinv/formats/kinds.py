"""Of what kind the values in a config.json are: somebody may have edited it, or made it up.

What is checked when it is read is what dinv itself reads in it. None stands for what is not there, as Go
writes it. A key that is missing where it is needed is told by the part it is missing in (`Part`).
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
OURS: Kinds = {
    **dict.fromkeys(
        ("Phase", "Step", "Created", "Context", "Provisioner", "Authority", "ImageContract", "DockerVersion"),
        str,
    ),
    **dict.fromkeys(("AuthorityOptions", "ProvisionerOptions", "ImageContractOptions"), dict),
    "Upgrade": dict,
    "Renewal": dict,
    "Stopped": bool,
}
UPGRADE: Kinds = {
    "Driver": dict,
    "ImageContract": str,
    "DockerVersion": str,
    "Running": bool,
    "Answers": bool,
    "Step": str,
}


def wrong(part: Mapping[str, Any], kinds: Kinds, where: str) -> str:
    """What is of the wrong kind, as `Dinv.Phase is of the wrong kind`; "" when nothing is.

    A kind is a type or a test. The items of lists are texts. True is no number.
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


class Part(dict[str, "Any"]):
    """A part of a config.json in which a key that is missing is the file's fault. Raises ConfigError."""

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
