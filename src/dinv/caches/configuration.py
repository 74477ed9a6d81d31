"""What goes into a cache's container: TLS files, and a configuration of docker-registry for each registry.

The configurations hold credentials and are 0600; they are nowhere else. They are JSON, which is YAML.
"""

from __future__ import annotations

import json
import os

from dinv.channel import File
from dinv.system import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from dinv.engine.credentials import Credentials
    from dinv.registries.cache_record import CacheRecord, Registry

ETC = "/etc/dinv-cache"
DATA = "/var/lib/registry"
DEBUG_OFFSET = 10_000
"""Added to a registry's port: where its counters are, on loopback; the image's `report` asks there."""


def tls_files(directory: str) -> list[File]:
    """Return the server's certificate and key and the CA of its clients. Raises OSError."""
    return [
        File(f"{ETC}/tls/{name}", files.read(files.current(directory, name)), mode)
        for name, mode in (("ca.pem", 0o644), ("server.pem", 0o644), ("server-key.pem", 0o600))
    ]


def configuration_files(record: CacheRecord, logins: Mapping[str, Credentials]) -> list[File]:
    """Return the configurations, with credentials by registry, and the list of registries."""
    made = []
    for registry in record.registries:
        plain = _configuration(registry)
        if registry.upstream:
            made.append(
                _file(f"{registry.name}.offline", {**plain, "storage": _storage(registry, fixed=True)})
            )
            proxy: dict[str, Any] = {"remoteurl": registry.upstream}
            login = logins.get(registry.name)
            if login is not None:
                fields = login.fields()
                proxy |= {"username": fields["username"], "password": fields.get("password", "")}
            plain["proxy"] = proxy
        made.append(_file(registry.name, plain))
    lines = (
        f"{registry.name} {registry.port} {'proxy' if registry.upstream else 'plain'}\n"
        for registry in record.registries
    )
    return [*made, File(f"{ETC}/registries", "".join(lines).encode())]


def ready() -> File:
    """Return the file that the supervisor waits for: it has to come last."""
    return File(f"{ETC}/ready", b"")


def _file(name: str, content: dict[str, Any]) -> File:
    return File(f"{ETC}/{name}.json", json.dumps(content, indent=1).encode(), 0o600)


def _configuration(registry: Registry) -> dict[str, Any]:
    return {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": _storage(registry, fixed=False),
        "http": {
            "addr": f":{registry.port}",
            "debug": {"addr": f"127.0.0.1:{registry.port + DEBUG_OFFSET}"},
            # Signs the state of uploads, which only one process continues.
            "secret": os.urandom(16).hex(),
            "tls": {
                "certificate": f"{ETC}/tls/server.pem",
                "key": f"{ETC}/tls/server-key.pem",
                "clientcas": [f"{ETC}/tls/ca.pem"],
                "minimumtls": "tls1.2",
            },
        },
    }


def _storage(registry: Registry, *, fixed: bool) -> dict[str, Any]:
    """Return where it stores, and with `fixed` that nothing is to be changed there.

    Without `delete` what an upstream's registry has fetched stays: 2.8 forgets after seven days, by a timer
    of its own, when it has fetched something, and can then not remove it. Tags are asked for at the upstream
    at each pull, and a digest does not change.
    """
    maintenance: dict[str, Any] = {"uploadpurging": {"enabled": not registry.upstream}}
    if not registry.upstream:
        maintenance["uploadpurging"] |= {"age": "168h", "interval": "24h", "dryrun": False}
    if fixed:
        maintenance["readonly"] = {"enabled": True}
    storage: dict[str, Any] = {
        "filesystem": {"rootdirectory": f"{DATA}/{registry.name}"},
        "maintenance": maintenance,
    }
    if not registry.upstream:
        storage["delete"] = {"enabled": True}
    return storage
