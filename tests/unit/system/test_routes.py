"""Where this computer's packets go, as its kernel tells."""

from __future__ import annotations

import ipaddress
import socket
import struct
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from dinv.system import routes

if TYPE_CHECKING:
    import pytest


def test_loopback_is_known() -> None:
    assert ipaddress.IPv4Network("127.0.0.0/8") in routes.networks()
    assert routes.device_to("127.0.0.1") == "lo"
    assert routes.is_device("lo")
    assert routes.is_own("127.0.0.1")


def test_what_is_not_here() -> None:
    assert not routes.is_device("dnv-not-here")
    assert not routes.is_own("192.0.2.77")
    assert ipaddress.IPv4Network("0.0.0.0/0") not in routes.networks()


def test_where_the_system_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "KNOWN", False)
    assert routes.networks() == []
    assert routes.device_to("127.0.0.1") == ""


def test_where_the_kernel_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "not permitted")

    monkeypatch.setattr(socket, "socket", refuse)
    assert routes.networks() == []
    assert not routes.is_own("127.0.0.1")


@given(
    bits=st.integers(0, 32),
    kind=st.integers(0, 11),
    destination=st.binary(min_size=4, max_size=4),
    device=st.integers(1, 2**31 - 1),
    others=st.lists(st.tuples(st.sampled_from([7, 8, 15, 30]), st.binary(max_size=9)), max_size=3),
)
def test_a_route_is_read(
    bits: int, kind: int, destination: bytes, device: int, others: list[tuple[int, bytes]]
) -> None:
    message = struct.pack("=BBBBBBBBI", socket.AF_INET, bits, 0, 0, 254, 2, 0, kind, 0)
    for what, value in [*others, (1, destination), (4, struct.pack("=I", device))]:
        message += struct.pack("=HH", 4 + len(value), what) + value + bytes(-len(value) % 4)
    assert routes._route(message) == (bits, kind, destination, device)


@given(st.binary(min_size=12, max_size=80))
def test_no_message_is_too_odd(message: bytes) -> None:
    routes._route(message)
