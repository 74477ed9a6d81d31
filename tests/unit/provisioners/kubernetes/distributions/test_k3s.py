"""k3s: the configuration of servers and agents, and what is read from a server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from dinv.errors import OptionError
from dinv.provisioners.kubernetes import distributions
from dinv.provisioners.kubernetes.distributions.k3s import CONFIG, K3s
from dinv.provisioners.kubernetes.node import AGENT, SERVER, Node

if TYPE_CHECKING:
    from dinv.provisioners.kubernetes.node import Inside

STATE = "/var/lib/docker/.dinv/kubernetes/i"


def node(role: str = SERVER, **given: Any) -> Node:
    return Node(**{"name": "k1", "role": role, "identity": "i", "state": STATE, **given})


def settings(node: Node) -> dict[str, Any]:
    """Read what k3s would: one level of YAML, with JSON's texts."""
    [file] = K3s().files(node)
    assert (file.path, file.mode) == (CONFIG, 0o600)
    found: dict[str, Any] = {}
    key = ""
    for line in file.content.decode().splitlines():
        if line.startswith("  - "):
            found[key].append(json.loads(line[4:]))
            continue
        key, _, value = line.partition(":")
        found[key] = json.loads(value) if value.strip() else []
    return found


class Server:
    def __init__(self, **files: bytes) -> None:
        self.files = files

    def read(self, path: str) -> bytes:
        return self.files.get(path.rpartition("/")[2], b"")


def test_the_first_server_has_its_addresses_and_a_database_that_others_join() -> None:
    found = settings(node(ip="10.0.0.2", joinable=True, addresses=["10.0.0.2", "k1.example"]))
    assert found == {
        "node-name": "k1",
        "node-ip": ["10.0.0.2"],
        "tls-san": ["10.0.0.2", "k1.example"],
        "write-kubeconfig-mode": "0600",
        "cluster-init": True,
    }


def test_etcd_would_not_start_at_another_address() -> None:
    found = settings(node(addresses=["127.0.0.1"]))
    assert "cluster-init" not in found
    assert "node-ip" not in found


def test_who_joins_has_a_server_and_the_token_in_a_file() -> None:
    found = settings(node(AGENT, server="https://10.0.0.2:6443"))
    assert found == {
        "node-name": "k1",
        "server": "https://10.0.0.2:6443",
        "token-file": f"{STATE}/ticket",
    }
    found = settings(node(server="https://10.0.0.2:6443", joinable=True, addresses=["k2"]))
    assert found["token-file"] == f"{STATE}/ticket"
    assert "cluster-init" not in found


def test_what_makes_up_for_lacks_is_for_agents_only_if_they_know_it() -> None:
    given = {"kubelet-arg": ["a=b"], "flannel-backend": "host-gw", "disable-network-policy": True}
    assert settings(node(adjustments=given)).items() >= given.items()
    assert "flannel-backend" not in settings(node(AGENT, server="https://k:1", adjustments=given))
    assert settings(node(AGENT, server="https://k:1", adjustments=given))["kubelet-arg"] == ["a=b"]


def test_the_users_settings_add_to_lists_and_replace_the_rest() -> None:
    found = settings(
        node(
            addresses=["a"],
            joinable=True,
            settings={"tls-san": ["b"], "disable": ["traefik", "servicelb"], "cluster-init": ["false"]},
        )
    )
    assert found["tls-san"] == ["a", "b"]
    assert found["disable"] == ["traefik", "servicelb"]
    assert found["cluster-init"] is False


@pytest.mark.parametrize("key", ["token", "server", "data-dir", "node-name"])
def test_some_settings_are_not_the_users(key: str) -> None:
    with pytest.raises(OptionError, match=key):
        K3s().check_settings({key: ["x"]})
    K3s().check_settings({"disable": ["traefik"]})


def test_no_secret_is_on_a_command_line() -> None:
    [(name, commands)] = K3s().services(node(AGENT, server="https://k:1")).items()
    assert (name, commands) == ("k3s", "exec /usr/local/bin/k3s agent\n")
    assert "server" in K3s().services(node())["k3s"]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"K10" + b"a" * 64 + b"::server:secret\n", b"K10" + b"a" * 64 + b"::server:secret\n"),
        (b"", b""),
        (b"secret-without-a-ca", b""),  # whoever answers first would be believed
        (b"K10secret", b""),
    ],
)
def test_only_a_token_that_pins_the_ca_is_passed_on(content: bytes, found: bytes) -> None:
    assert K3s().ticket(cast("Inside", Server(token=content)), AGENT) == found


def test_a_new_cluster_is_made_of_a_server_only() -> None:
    assert "--cluster-reset" in K3s().reset(node())
    assert not K3s().reset(node(AGENT))


def test_an_unknown_one_is_an_error() -> None:
    assert distributions.find("k3s").name == "k3s"
    with pytest.raises(OptionError, match="distribution"):
        distributions.find("rke")
