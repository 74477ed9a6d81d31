"""What a machine has of the registry cache that it uses: in its directory, and in itself.

In its directory in the store, in `registry-cache/`, are the cache's CA, the machine's certificate and key for
it, and `cache.json`, which says where the cache's registries are. From these come, in the machine,

    /etc/docker/certs.d/HOST:PORT/   the certificates by which dockerd reaches a registry of the cache
    /etc/docker/certs.d/REGISTRY/hosts.toml   that it is to be asked first for the images of REGISTRY

hosts.toml is read at each pull by Docker 28 and later with the containerd image store (moby:
daemon/hosts.go). Any dockerd takes a mirror for Docker Hub, as an option: see `mirror`.
"""

from __future__ import annotations

import os
import re

from dinv.channel import File
from dinv.registries.cache_record import HUB, HUB_URL
from dinv.store.layout import writing
from dinv.system import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from dinv.registries.cache_record import CacheRecord

FOLDER = "registry-cache"
_PLACE = r"[A-Za-z0-9\[][A-Za-z0-9.:\[\]-]*"
_URL = r"(?:https?://[A-Za-z0-9.:-]+)?"
_NAMES = ("ca.crt", "client.cert", "client.key")
CERTS_D = "/etc/docker/certs.d"


def mirror(record: CacheRecord) -> str:
    """Return the URL for dockerd's registry-mirrors; "" if the cache has nothing of Docker Hub."""
    return next((f"https://{record.address(each)}" for each in record.registries if each.name == HUB), "")


def mirror_of(kept: Mapping[str, Any]) -> str:
    """Return the same of what a machine has kept of its cache."""
    return next((f"https://{each['Address']}" for each in kept["Registries"] if each["Name"] == HUB), "")


def facts(record: CacheRecord) -> dict[str, Any]:
    """Return what a machine keeps of its cache, as JSON."""
    return {
        "Name": record.name,
        "ID": record.identity,
        "Registries": [
            {"Name": each.name, "Upstream": each.upstream, "Address": record.address(each)}
            for each in record.registries
        ],
    }


def keep(directory: str, record: CacheRecord, certificates: tuple[bytes, bytes, bytes]) -> None:
    """Write a cache's facts and the machine's certificates for it to the machine's directory.

    `certificates` are the CA's, the machine's and its key, PEM. The caller must hold the machine's lock.
    Raises StoreNotWritable.
    """
    import json

    folder = os.path.join(directory, FOLDER)
    with writing(folder):
        os.makedirs(folder, mode=0o700, exist_ok=True)
        modes = (0o644, 0o644, 0o600)
        files.replace_set(
            folder,
            [
                *zip(_NAMES, certificates, modes, strict=True),
                ("cache.json", json.dumps(facts(record), indent=4).encode(), 0o644),
            ],
        )


def forget(directory: str) -> None:
    """Remove them from a machine's directory. Raises OSError."""
    files.remove_tree(os.path.join(directory, FOLDER))


def kept(directory: str) -> tuple[dict[str, Any], bytes] | None:
    """Return what `keep` has written: the facts, and the machine's certificate; None without.

    An imported machine's may be anybody's: what would not do as part of a path in the machine is none.
    """
    from dinv.formats import json_text

    folder = os.path.join(directory, FOLDER)
    try:
        found = json_text.parse(files.read(files.current(folder, "cache.json")))
        certificate = files.read(files.current(folder, "client.cert"))
    except (OSError, ValueError):
        return None
    return (found, certificate) if _is_usable(found) else None


def _is_usable(found: object) -> bool:
    registries = found.get("Registries") if isinstance(found, dict) else None
    return isinstance(registries, list) and all(
        isinstance(each, dict)
        and all(isinstance(each.get(key), str) for key in ("Name", "Upstream", "Address"))
        and re.fullmatch(_PLACE, each["Name"])
        and re.fullmatch(_PLACE, each["Address"])
        and re.fullmatch(_URL, each["Upstream"])
        for each in registries
    )


def machine_files(directory: str) -> list[File]:
    """Return the files for a machine, from what its directory holds. Raises OSError."""
    found = kept(directory)
    if found is None:
        return []
    folder = os.path.join(directory, FOLDER)
    content = {name: files.read(files.current(folder, name)) for name in _NAMES}
    made = []
    for each in found[0]["Registries"]:
        place = f"{CERTS_D}/{each['Address']}"
        made += [
            File(f"{place}/{name}", data, 0o600 if name.endswith(".key") else 0o644)
            for name, data in content.items()
        ]
        if each["Upstream"]:
            text = hosts_toml(_own_url(each), each["Address"])
            made.append(File(f"{CERTS_D}/{each['Name']}/hosts.toml", text.encode()))
    return made


def without(directory: str) -> list[File]:
    """Return files for a machine that stops using its cache: pulls go to the registries themselves."""
    found = kept(directory)
    upstreams = [each for each in (found[0]["Registries"] if found else ()) if each["Upstream"]]
    return [
        File(f"{CERTS_D}/{each['Name']}/hosts.toml", f'server = "{_own_url(each)}"\n'.encode())
        for each in upstreams
    ]


def _own_url(registry: Mapping[str, Any]) -> str:
    """Return where a registry itself is: its images may come to the cache from another place."""
    name, upstream = registry["Name"], str(registry["Upstream"])
    if name == HUB:
        return HUB_URL
    return upstream if upstream.partition("://")[2] == name else f"https://{name}"


def hosts_toml(server: str, address: str) -> str:
    """Return a hosts.toml that has pulls ask the cache at `address` first, and then the registry itself.

    Format: containerd's docs/hosts.md. Names and addresses were checked when the cache was made: none has a
    character that TOML would want escaped.
    """
    place = f"{CERTS_D}/{address}"
    return (
        "# Written by dinv: the registry cache of this machine.\n"
        f'server = "{server}"\n\n'
        f'[host."https://{address}"]\n'
        '  capabilities = ["pull", "resolve"]\n'
        f'  ca = "{place}/ca.crt"\n'
        f'  client = [["{place}/client.cert", "{place}/client.key"]]\n'
    )
