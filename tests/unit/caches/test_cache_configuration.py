from __future__ import annotations

import json
from typing import Any

from dinv.caches import configuration
from dinv.engine.credentials import Credentials
from dinv.registries.cache_record import CacheRecord, Registry

RECORD = CacheRecord.new(
    "hub",
    identity="id",
    created="2026-11-30T00:00:00Z",
    endpoint={"URL": "unix:///e.sock"},
    registries=[Registry("docker.io", "https://registry-1.docker.io", 5000), Registry("push", "", 5001)],
)
LOGIN = Credentials("docker.io", username="me", password="secret")


def files() -> dict[str, Any]:
    made = configuration.configuration_files(RECORD, {"docker.io": LOGIN})
    return {file.path.rpartition("/")[2]: file for file in made}


def test_only_root_reads_a_configuration() -> None:
    modes = {name: file.mode for name, file in files().items()}
    assert modes == {
        "docker.io.json": 0o600,
        "docker.io.offline.json": 0o600,
        "push.json": 0o600,
        "registries": 0o644,
    }


def test_the_supervisor_is_told_which_has_an_upstream() -> None:
    assert files()["registries"].content == b"docker.io 5000 proxy\npush 5001 plain\n"


def test_credentials_are_where_they_are_used_and_nowhere_else() -> None:
    made = files()
    assert json.loads(made["docker.io.json"].content)["proxy"] == {
        "remoteurl": "https://registry-1.docker.io",
        "username": "me",
        "password": "secret",
    }
    assert [name for name, file in made.items() if b'secret"' in file.content.replace(b'"secret":', b"")] == [
        "docker.io.json"
    ]


def test_offline_the_same_files_are_served_and_not_changed() -> None:
    made = files()
    online, offline = (json.loads(made[f"docker.io{kind}.json"].content) for kind in ("", ".offline"))
    assert "proxy" not in offline
    assert offline["storage"]["filesystem"] == online["storage"]["filesystem"]
    assert offline["storage"]["maintenance"]["readonly"] == {"enabled": True}


def test_clients_need_a_certificate() -> None:
    for name, file in files().items():
        if name.endswith(".json"):
            assert json.loads(file.content)["http"]["tls"]["clientcas"] == ["/etc/dinv-cache/tls/ca.pem"]


def test_only_what_was_pushed_can_be_deleted() -> None:
    made = files()
    assert json.loads(made["push.json"].content)["storage"]["delete"] == {"enabled": True}
    assert "delete" not in json.loads(made["docker.io.json"].content)["storage"]
