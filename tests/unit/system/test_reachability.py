"""Many addresses asked at once whether something listens there, within one deadline."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import TYPE_CHECKING

import needs
import pytest

from dinv.system import reachability
from dinv.system.reachability import connect_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dinv.system.reachability import Host


@pytest.fixture
def listening() -> Iterator[Host]:
    with socket.create_server(("127.0.0.1", 0), backlog=500) as server:
        yield server.getsockname()


@pytest.fixture
def refusing() -> Host:
    with socket.create_server(("127.0.0.1", 0)) as server:
        found: Host = server.getsockname()
    return found


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """Accepts nothing: its queue is full, and what comes after is dropped."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        full = []
        for _ in range(8):
            probe = socket.socket()
            probe.setblocking(False)  # noqa: FBT003
            probe.connect_ex(server.getsockname())
            full.append(probe)
        yield server.getsockname()
        for probe in full:
            probe.close()


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@needs.linux("it reads /proc")
def test_what_accepts_what_refuses_and_what_says_nothing(
    listening: Host, refusing: Host, silent: Host
) -> None:
    before = open_files()
    begun = time.monotonic()
    answers = connect_all([listening, refusing, silent, listening], timeout=0.5)
    assert answers == {listening: "", refusing: "Connection refused"}
    assert time.monotonic() - begun < 60
    assert open_files() <= before  # threads of other tests may close theirs


def test_no_more_at_once_than_files_may_be_open(monkeypatch: pytest.MonkeyPatch, listening: Host) -> None:
    monkeypatch.setattr(reachability, "AT_ONCE", 2)
    port = listening[1]
    hosts = [(f"127.0.0.{number}", port) for number in range(1, 12)]
    answers = connect_all(hosts, timeout=20)
    assert set(answers) == set(hosts)
    assert answers[listening] == ""


def test_silent_ones_hold_up_no_others(
    monkeypatch: pytest.MonkeyPatch, listening: Host, silent: Host
) -> None:
    monkeypatch.setattr(reachability, "AT_ONCE", 1)
    assert connect_all([silent, listening], timeout=1) == {listening: ""}


def test_names_are_looked_up(monkeypatch: pytest.MonkeyPatch, listening: Host) -> None:
    def look_up(name: str, *_: object, **__: object) -> list[object]:
        if name == "slow":
            released.wait(60)
        if name == "nosuch":
            raise socket.gaierror(-2, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    port = listening[1]
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    try:
        answers = connect_all([("here", port), ("nosuch", port), ("slow", port), listening], timeout=1)
    finally:
        released.set()
    assert answers == {listening: "", ("here", port): "", ("nosuch", port): "Name or service not known"}


@pytest.mark.parametrize(
    "host", [("127.0.0.1", 70000), ("127.0.0.1", -1), ("fe80::1%nosuch", 1), ("\ud800", 1)]
)
def test_what_is_no_address_is_told(host: Host) -> None:
    assert connect_all([host], timeout=5)[host]


def test_none_at_all() -> None:
    assert connect_all([], timeout=1) == {}
