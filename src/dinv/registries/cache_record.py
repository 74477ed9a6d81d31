"""The record of a registry cache: `caches/NAME/config.json` in the store.

Version     1
Name, ID    its name, and what tells it from another of this name
Phase       "creating", "ready", "removing"
Created     RFC 3339, UTC
Endpoint    where it is, as in a machine's record; Flavour is the endpoint's
Image       the image that it is made from
Network     the network of the endpoint that it is on; "" for the endpoint's default
Address     its own address there, if it was chosen
Publish     the address of the endpoint at which its ports are published; "" if they are not
Host        the name or address at which machines reach it; "" until that is known
Registries  a list of Name ("docker.io"), Upstream (a URL; "" for the one that takes pushes), Port
KeepData    while it is being removed: whether its volume stays
Applied     of a cache that a file declares (`dinv.declared`): File, Generation, Options; else missing
Given       serial number of the server's certificate that its registries use; missing until they use one
"""

from __future__ import annotations

from dinv.errors import ConfigError
from dinv.formats import host_port
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

VERSION = 1
CREATING = "creating"
READY = "ready"
REMOVING = "removing"
KEPT = "kept"

PUSH = "push"
"""The name of the registry of a cache that takes pushes, in place of a registry's host."""
HUB = "docker.io"
HUB_URL = "https://registry-1.docker.io"
"""Where the images of Docker Hub really are."""
FIRST_PORT = 5000

_TEXTS = ("Name", "ID", "Phase", "Created", "Flavour", "Image", "Network", "Address", "Publish", "Host")


class Registry:
    """One registry of a cache: `name` as in references to images, `upstream` a URL or "", `port` its own."""

    __slots__ = ("name", "port", "upstream")

    def __init__(self, name: str, upstream: str, port: int) -> None:
        self.name = name
        self.upstream = upstream
        self.port = port

    def __repr__(self) -> str:
        return f"Registry({self.name!r}, {self.upstream!r}, {self.port})"


class CacheRecord:
    """The document of one cache, with accessors for what is read in it."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    @classmethod
    def new(
        cls, name: str, *, identity: str, created: str, endpoint: dict[str, Any], registries: list[Registry]
    ) -> CacheRecord:
        """Return the record of a cache about to be made. `created` is RFC 3339, UTC."""
        document: dict[str, Any] = {
            "Version": VERSION,
            **dict.fromkeys(_TEXTS, ""),
            "Name": name,
            "ID": identity,
            "Phase": CREATING,
            "Created": created,
            "Endpoint": endpoint,
            "KeepData": False,
            "Registries": [
                {"Name": each.name, "Upstream": each.upstream, "Port": each.port} for each in registries
            ],
        }
        return cls(document)

    @classmethod
    def read(cls, document: Any, *, name: str, path: str) -> CacheRecord:
        """Check what was read from `path`. Raises ConfigError."""
        advice = "Restore the file from a backup, or forget the cache: " + command(
            "cache", "rm", "--force", name
        )

        def wrong(reason: str) -> ConfigError:
            return ConfigError(name, path, reason, advice)

        if not isinstance(document, dict):
            raise wrong("not a JSON object")
        version = document.get("Version")
        if not isinstance(version, int):
            raise wrong("Version is not a number")
        if version > VERSION:
            raise ConfigError(
                name, path, f"version {version} is from the future", "Upgrade dinv to use this cache."
            )
        for key in _TEXTS:
            if not isinstance(document.get(key), str):
                raise wrong(f"{key} is not a text")
        registries = document.get("Registries")
        fine = isinstance(registries, list) and all(
            isinstance(each, dict)
            and isinstance(each.get("Name"), str)
            and isinstance(each.get("Upstream"), str)
            and isinstance(each.get("Port"), int)
            for each in registries
        )
        if not fine or not isinstance(document.get("Endpoint"), dict):
            raise wrong("Registries or Endpoint is not what a cache has")
        document["Name"] = name
        return cls(document)

    def __getitem__(self, key: str) -> Any:
        return self.document[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.document[key] = value

    @property
    def name(self) -> str:
        return str(self["Name"])

    @property
    def identity(self) -> str:
        return str(self["ID"])

    @property
    def applied(self) -> dict[str, Any]:
        """Of a cache that a file declares: File, Generation, Options; else empty."""
        found = self.document.get("Applied")
        return dict(found) if isinstance(found, dict) else {}

    @property
    def container(self) -> str:
        return f"dinv-cache-{self.name}"

    @property
    def volume(self) -> str:
        return f"{self.container}-data"

    @property
    def names(self) -> tuple[str, str]:
        """What its server's certificate is for."""
        return self["Host"], self.container

    @property
    def given(self) -> str:
        """Serial number of the certificate that its registries use, in hexadecimal; "" if it is not known."""
        return str(self.document.get("Given") or "")

    @property
    def registries(self) -> list[Registry]:
        return [Registry(each["Name"], each["Upstream"], each["Port"]) for each in self["Registries"]]

    def change(self, registries: Iterable[Registry]) -> None:
        """Have it have these registries; those that it had keep their ports, which machines know."""
        had = {each.name: each.port for each in self.registries}
        free = (
            port for port in range(min(had.values(), default=FIRST_PORT), 65536) if port not in had.values()
        )
        self["Registries"] = [
            {"Name": each.name, "Upstream": each.upstream, "Port": had.get(each.name) or next(free)}
            for each in registries
        ]

    def address(self, registry: Registry) -> str:
        """Return HOST:PORT of one of its registries, as machines reach it."""
        return host_port.join(self["Host"], registry.port)
