from __future__ import annotations

import _socket
import os
import re
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.engine import Deadline, SSHTransport, TCPTransport, TLSFiles, UnixTransport, parse_address
from dinv.errors import DinvError, EndpointUnreachable, InputError

if TYPE_CHECKING:
    from pathlib import Path

    from dinv.engine.wire.byte_stream import ByteStream

labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
hosts = st.one_of(
    st.lists(labels, min_size=1, max_size=3).map(".".join),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda ip: f"[{ip}]"),
)
ports = st.integers(1, 65535)
tls = st.sampled_from([None, TLSFiles("ca", "cert", "key")])


@given(hosts, st.one_of(st.none(), ports), st.sampled_from(["tcp", "http", "https"]), tls)
def test_tcp(host: str, port: int | None, scheme: str, files: TLSFiles | None) -> None:
    transport = parse_address(f"{scheme}://{host}{f':{port}' if port else ''}", files)
    assert isinstance(transport, TCPTransport)
    assert transport.host == host.strip("[]")
    secure = files is not None or scheme == "https"
    assert (getattr(transport, "tls", None) is not None) is secure
    assert transport.port == (port or (2376 if secure else 2375))
    assert transport.address == f"tcp://{host}:{transport.port}"
    # What is shown can be given again.
    assert parse_address(transport.address, transport.tls).address == transport.address


@given(hosts, st.one_of(st.none(), ports), st.one_of(st.none(), st.just("me"), st.just("a.b-c")))
def test_ssh(host: str, port: int | None, user: str | None) -> None:
    url = f"ssh://{f'{user}@' if user else ''}{host}{f':{port}' if port else ''}"
    transport = parse_address(url)
    assert isinstance(transport, SSHTransport)
    assert (transport.user, transport.destination, transport.port) == (user, host.strip("[]"), port)
    assert transport.address == url
    argv = transport.argv()
    assert argv[argv.index("--") + 1 :] == [host.strip("[]"), "docker", "system", "dial-stdio"]
    assert ("-p" in argv) == (port is not None)


@given(st.text(max_size=40))
def test_anything_is_an_address_or_an_input_error(url: str) -> None:
    try:
        transport = parse_address(url)
    except InputError:
        return
    assert transport.address


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("unix:///run/podman/podman.sock", "unix:///run/podman/podman.sock"),
        ("unix://", "unix:///var/run/docker.sock"),
        ("tcp://:2375", "tcp://localhost:2375"),
        ("tcp://h:2375/", "tcp://h:2375"),
        ("10.0.0.1:2376", "tcp://10.0.0.1:2376"),
        ("[::1]:2376", "tcp://[::1]:2376"),
        # docker/cli: opts/hosts_test.go
        ("tcp://", "tcp://localhost:2375"),
        ("tcp://host:", "tcp://host:2375"),
        (" tcp://:7777/path ", "tcp://localhost:7777/path"),
        (":6666", "tcp://localhost:6666"),
        (":6666/path", "tcp://localhost:6666/path"),
        ("localhost:", "tcp://localhost:2375"),
        ("localhost:5555/path", "tcp://localhost:5555/path"),
        ("[::1]:", "tcp://[::1]:2375"),
        ("[0:0:0:0:0:0:0:1]:5555/path", "tcp://[0:0:0:0:0:0:0:1]:5555/path"),
        ("tcp://192.168:8080", "tcp://192.168:8080"),
        ("unix://run/docker.sock", f"unix://{os.getcwd()}/run/docker.sock"),
        # and what url.Parse and people make of it
        ("TCP://h:1", "tcp://h:1"),
        ("tcp://me@h:1", "tcp://h:1"),
        ("tcp://h:1?x=1#y", "tcp://h:1"),
        ("tcp://h:1/p?x=1", "tcp://h:1/p"),
        ("tcp://h:009", "tcp://h:9"),
        ("tcp://h:1/docker/", "tcp://h:1/docker"),
        ("tcp://[fe80::1%25eth0]:2375", "tcp://[fe80::1%25eth0]:2375"),
        ("tcp://[fe80::1%eth0]", "tcp://[fe80::1%25eth0]:2375"),
        ("tcp://d\N{LATIN SMALL LETTER O WITH DIAERESIS}cker.test:1", "tcp://xn--dcker-jua.test:1"),
        ("tcp:1", "tcp://tcp:1"),
        ("ssh://h/", "ssh://h"),
        ("ssh://[fe80::1%25eth0]:22", "ssh://[fe80::1%25eth0]:22"),
        ("ssh://ann@corp.example@h", "ssh://ann@corp.example@h"),
        ("ssh://ann%40corp.example@h", "ssh://ann@corp.example@h"),
        ("ssh://CORP%5Cann@h", "ssh://CORP\\ann@h"),
        ("ssh://CORP\\ann@h:22/run/my%20docker.sock", "ssh://CORP\\ann@h:22/run/my%20docker.sock"),
        ("ssh://me@h/run/user/1000/docker.sock", "ssh://me@h/run/user/1000/docker.sock"),
    ],
)
def test_notations(url: str, address: str) -> None:
    assert parse_address(url).address == address


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "write unix"),
        ("dev", "write unix"),
        (":", "write unix"),
        ("something with spaces", "write unix"),
        ("://", "empty scheme"),
        ("udp://127.0.0.1", "udp is not known"),
        ("tcp://unix:///run/docker.sock", "two schemes"),
        ("unix:/run/docker.sock", "two slashes, unix://"),
        ("tcp:a.b.c.d", "two slashes, tcp://"),
        ("unix:///a\0b", "null"),
        ("fd://", "fd:// is for dockerd"),
        ("npipe:////./pipe/docker", "a pipe of Windows"),
        ("ftp://h", "ftp is not known"),
        ("tcp://::1:2375", "brackets"),
        ("tcp://h:port", "HOST:PORT"),
        ("tcp://h:0", "not a port"),
        ("tcp://h:65536", "not a port"),
        ("tcp://h:1/a b", "path"),
        ("tcp://a\0b:1", "HOST:PORT"),
        ("tcp://\N{LATIN SMALL LETTER O WITH DIAERESIS}..x:1", "characters that no name"),
        ("tcp://me:pw@h:1", "password"),
        ("tcp://me@@:h:1", "HOST:PORT"),
        ("ssh://", "no host"),
        ("ssh://-oProxyCommand=x", "HOST:PORT"),
        ("ssh://-l@h", "user's name"),
        ("ssh://@h", "user's name"),
        ("ssh://a%3Ab@h", "user's name"),
        ("ssh://a;reboot@h", "user's name"),
        ("ssh://$(reboot)@h", "user's name"),
        ("ssh://a%0Ab@h", "user's name"),
        ("ssh://CORP%5C@h", "user's name"),
        ("ssh://a -oProxyCommand=x@h", "user's name"),
        ("ssh://a%4@h", "hexadecimal"),
        ("ssh://h/a%0Ab", "characters"),
        ("ssh://h/a?b", "no ?"),
    ],
)
def test_refused(url: str, why: str) -> None:
    with pytest.raises(InputError, match=re.escape(why)):
        parse_address(url)


def test_password_is_refused_and_not_shown() -> None:
    for url in ("ssh://me:s3cret@h", "tcp://me:s3cret@h:1"):
        with pytest.raises(InputError) as caught:
            parse_address(url)
        assert "s3cret" not in str(caught.value)


def test_the_host_header_has_no_zone() -> None:
    transport = parse_address("tcp://[fe80::1%25eth0]:2375")
    assert (transport.host, transport.http_host) == ("fe80::1%eth0", "[fe80::1]:2375")


def test_a_relative_socket_in_a_directory_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert parse_address("unix:///run/x").address == "unix:///run/x"
    with pytest.raises(InputError, match="not there any more"):
        parse_address("unix://x")


def test_socket_path_on_the_far_side() -> None:
    argv = SSHTransport("h", socket_path="/run/x.sock").argv()
    assert argv[argv.index("--") :] == [
        "--",
        "h",
        "docker",
        "--host",
        "unix:///run/x.sock",
        "system",
        "dial-stdio",
    ]


def test_where_published_ports_are() -> None:
    assert UnixTransport("/x").host is None
    assert parse_address("tcp://[::1]:1").host == "::1"


def _reason(transport: Any, seconds: float = 5) -> str:
    with pytest.raises(EndpointUnreachable) as caught:
        transport.connect(Deadline(seconds))
    assert caught.value.endpoint == transport.address
    return caught.value.reason


def test_no_such_socket(tmp_path: Path) -> None:
    assert "no such socket" in _reason(UnixTransport(str(tmp_path / "s")))


def test_nobody_listens(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
    assert "nothing listens" in _reason(UnixTransport(path))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert "nothing listens" in _reason(TCPTransport("127.0.0.1", port))


def test_path_too_long() -> None:
    assert "too long" in _reason(UnixTransport("/" + "x" * 200))


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Tests may run as root, whom permissions do not stop.
    class Refused(_socket.socket):
        def connect(self, _: object) -> None:
            raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(_socket, "socket", Refused)
    reason = _reason(UnixTransport(str(tmp_path / "s")))
    assert '"docker" group' in reason
    assert "sudo" in reason


@pytest.mark.parametrize("host", ["a..b", "a" * 70])
def test_what_no_name_can_be_is_not_resolved(host: str) -> None:
    assert "cannot be resolved: not a host name" in _reason(TCPTransport(host, 1))


def test_name_not_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(host: str, port: int, **more: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert _reason(TCPTransport("nowhere.invalid", 1)) == (
        'the name "nowhere.invalid" cannot be resolved: Name or service not known'
    )


def test_resolver_that_hangs_meets_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def look_up(host: str, port: int, **more: Any) -> list[Any]:
        if more.get("flags"):
            raise socket.gaierror(socket.EAI_NONAME, "not numeric")
        release.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    try:
        assert "no answer about the name" in _reason(TCPTransport("slow.invalid", 1), 0.05)
    finally:
        release.set()


def test_next_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_server(("127.0.0.1", 0)) as gone:
        dead = gone.getsockname()
        gone.close()
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", dead),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", listener.getsockname()),
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: found)
        stream = TCPTransport("two.invalid", 1).connect(Deadline(5))
        assert stream.sock.getpeername() == listener.getsockname()
        stream.close()


def test_listener_with_a_full_queue_meets_the_deadline(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)
        held: list[ByteStream] = []
        transport = UnixTransport(path)
        try:
            with pytest.raises(DinvError, match=r"took no connection|no answer|took longer"):
                # Linux takes one or two more than were asked for.
                held.extend(transport.connect(Deadline(0.1)) for _ in range(10))
        finally:
            for stream in held:
                stream.close()
