from __future__ import annotations

import pytest

from dinv.errors import InputError
from dinv.testing.vch.__main__ import _listen
from dinv.testing.vch.settings import ContainerNetwork, Settings


def test_container_networks() -> None:
    assert ContainerNetwork.parse("lan=br0") == ContainerNetwork("lan", "br0")
    assert ContainerNetwork.parse("lan=br0:dhcp") == ContainerNetwork("lan", "br0", dhcp=True)


@pytest.mark.parametrize("text", ["", "lan", "lan=", "=br0", "lan=br0:static", "lan=br0:"])
def test_container_networks_that_are_none(text: str) -> None:
    with pytest.raises(InputError):
        ContainerNetwork.parse(text)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [({"version": "1.0"}, "1.0"), ({"tls": "half"}, "half"), ({"volume_stores": ("a b",)}, "a b")],
)
def test_settings_that_cannot_be(wrong: dict[str, object], word: str) -> None:
    with pytest.raises(InputError, match=word):
        Settings(engine="unix:///x", **wrong)  # type: ignore[arg-type]


def test_the_public_address() -> None:
    assert Settings(engine="e", listen="10.0.0.1").public == "10.0.0.1"
    assert Settings(engine="e", listen="0.0.0.0").public == "127.0.0.1"  # noqa: S104
    assert Settings(engine="e", listen="0.0.0.0", public_address="10.0.0.9").public == "10.0.0.9"  # noqa: S104


def test_clients_use_the_name_in_the_certificate() -> None:
    assert Settings(engine="e").host == "127.0.0.1"
    assert Settings(engine="e", tls_cname="vch.example.com").host == "vch.example.com"


@pytest.mark.parametrize(
    ("text", "tls", "found"),
    [
        ("127.0.0.1:0", "verify", ("127.0.0.1", 0)),
        ("127.0.0.1", "verify", ("127.0.0.1", 2376)),
        ("127.0.0.1", "none", ("127.0.0.1", 2375)),
        (":2376", "verify", ("0.0.0.0", 2376)),  # noqa: S104
        ("[::1]:2376", "verify", ("::1", 2376)),
        ("[::1]", "server", ("::1", 2376)),
    ],
)
def test_listen(text: str, tls: str, found: tuple[str, int]) -> None:
    assert _listen(text, tls) == found  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["127.0.0.1:", "127.0.0.1:http", "127.0.0.1:70000"])
def test_listen_wants_a_port(text: str) -> None:
    with pytest.raises(InputError):
        _listen(text, "verify")
