"""Whether addresses accept connections: one try each, all at once, within one deadline."""

from __future__ import annotations

import errno
import os
import select
import socket
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable

    Host = tuple[str, int]

AT_ONCE = 200
"""Connections in progress at the same time: a process may have 1024 open files, or 256 on macOS."""


def connect_all(hosts: Iterable[Host], *, timeout: float) -> dict[Host, str]:
    """Try each host and port once; return "" for each that accepts, else the reason it does not.

    Addresses that did not answer within `timeout` seconds are left out. Nothing stays open, except while a
    name server is silent: the threads that wait for it end when the lookup does.
    """
    end = time.monotonic() + timeout
    answers: dict[Host, str] = {}
    addresses: list[tuple[int, Host]] = []
    named: list[Host] = []
    for host in dict.fromkeys(hosts):
        family = _family(host[0])
        if family is None:
            named.append(host)
        else:
            addresses.append((family, host))
    threads = _connect_by_name(named, end, answers) if named else []
    _connect_by_address(addresses, end, answers)
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return dict(answers)


def _connect_by_address(addresses: list[tuple[int, Host]], end: float, answers: dict[Host, str]) -> None:
    """Try many addresses in rounds that share the time, so that silent ones do not hold up the others."""
    rounds = [addresses[start : start + AT_ONCE] for start in range(0, len(addresses), AT_ONCE)]
    for number, some in enumerate(rounds):
        now = time.monotonic()
        _connect_at_once(some, now + (end - now) / (len(rounds) - number), answers)


def _connect_at_once(addresses: list[tuple[int, Host]], end: float, answers: dict[Host, str]) -> None:
    under_way: dict[int, tuple[socket.socket, Host]] = {}
    poll = select.poll()
    try:
        for family, host in addresses:
            probe = _begin(family, host, answers)
            if probe is not None:
                under_way[probe.fileno()] = (probe, host)
                poll.register(probe, select.POLLOUT)
        while under_way and (left := end - time.monotonic()) > 0:
            for descriptor, _ in poll.poll(left * 1000):
                poll.unregister(descriptor)
                probe, host = under_way.pop(descriptor)
                answers[host] = _said(probe.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
                probe.close()
    finally:
        for probe, _ in under_way.values():
            probe.close()


def _begin(family: int, host: Host, answers: dict[Host, str]) -> socket.socket | None:
    try:
        probe = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        answers[host] = error.strerror or str(error)
        return None
    probe.setblocking(False)  # noqa: FBT003  (socket's own signature)
    try:
        status = probe.connect_ex(host)
    except (OSError, UnicodeError, ValueError, OverflowError) as error:
        answers[host] = str(error)
        probe.close()
        return None
    if status == errno.EINPROGRESS:
        return probe
    answers[host] = _said(status)
    probe.close()
    return None


def _said(status: int) -> str:
    return os.strerror(status) if status else ""


def _connect_by_name(hosts: list[Host], end: float, answers: dict[Host, str]) -> list[threading.Thread]:
    """Resolve names in threads, since a name server may take longer than anybody wants to wait."""
    import threading

    def connect(host: Host) -> None:
        try:
            socket.create_connection(host, max(0.01, end - time.monotonic())).close()
        except TimeoutError:
            return
        except (OSError, UnicodeError, OverflowError) as error:
            answers[host] = str(getattr(error, "strerror", None) or error)
        else:
            answers[host] = ""

    threads = [threading.Thread(target=connect, args=(host,), daemon=True) for host in hosts]
    for thread in threads:
        thread.start()
    return threads


def _family(host: str) -> int | None:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, ValueError):
            continue
        return family
    return None
