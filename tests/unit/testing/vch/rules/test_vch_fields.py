from __future__ import annotations

from typing import Any

import pytest

from dinv.testing.vch.rules import fields
from dinv.testing.vch.rules.versions import RELEASES

LATEST = RELEASES["1.5"]


def test_what_is_honoured_is_not_listed() -> None:
    body = {
        "Image": "i",
        "Labels": {"a": "b"},
        "Volumes": {},
        "HostConfig": {"Binds": ["v:/v"], "Memory": 1, "CpusetCpus": "2", "NetworkMode": "bridge"},
        "NetworkingConfig": {
            "EndpointsConfig": {"lan": {"Aliases": ["a"], "IPAMConfig": {"IPv4Address": "10.0.0.2"}}}
        },
    }
    assert fields.ignored(body, LATEST) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Privileged", True),
        ("CapAdd", ["SYS_ADMIN"]),
        ("Mounts", [{"Type": "volume"}]),
        ("RestartPolicy", {"Name": "always"}),
        ("NanoCpus", 1),
        ("Ulimits", [{"Name": "nofile"}]),
        ("SecurityOpt", ["seccomp=unconfined"]),
        ("LogConfig", {"Type": "json-file", "Config": {"max-size": "1m"}}),
    ],
)
def test_ignored_fields_of_the_host_config(field: str, value: object) -> None:
    assert fields.ignored({"HostConfig": {field: value}}, LATEST) == [f"HostConfig.{field}"]


def test_what_clients_send_without_meaning_it_is_not_listed() -> None:
    host: dict[str, Any] = {
        "Privileged": False,
        "CapAdd": None,
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "LogConfig": {"Type": "", "Config": {}},
        "MemorySwappiness": -1,
        "ConsoleSize": [0, 0],
        "ShmSize": 0,
    }
    assert fields.ignored({"HostConfig": host, "Healthcheck": None}, LATEST) == []


def test_a_host_name_counts_since_vic_1_3() -> None:
    assert fields.ignored({"Hostname": "dev"}, RELEASES["1.2"]) == ["Hostname"]
    assert fields.ignored({"Hostname": "dev"}, LATEST) == []


def test_fields_of_endpoints() -> None:
    body = {"NetworkingConfig": {"EndpointsConfig": {"lan": {"MacAddress": "02:00:00:00:00:01"}}}}
    assert fields.ignored(body, LATEST) == ["EndpointsConfig.MacAddress"]


def test_fields_of_an_exec() -> None:
    assert fields.ignored_in_exec({"Cmd": ["true"], "Privileged": True, "Tty": True}) == ["Exec.Privileged"]
