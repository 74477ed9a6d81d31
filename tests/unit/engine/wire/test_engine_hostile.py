"""An endpoint that answers anything at all: every call ends in what it promises, or in an error of dinv's."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
from engine_server import tcp_server, unix_server
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dinv.access.disk_usage import DiskUsage
from dinv.drivers.docker.driver import DockerDriver
from dinv.engine import Engine, TLSFiles, parse_address
from dinv.engine.calls import LARGEST_ANSWER
from dinv.engine.wire.byte_stream import ByteStream
from dinv.engine.wire.http import Connection
from dinv.engine.wire.transport import UnixTransport
from dinv.errors import DeadlineExceeded, DinvError, ProtocolError
from dinv.formats import json_text
from dinv.image_building import builder
from dinv.progress import Progress
from dinv.store.record import READY, MachineConfig
from dinv.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine_server import Peer

    from dinv.engine.wire.http import Request, Response
    from dinv.system.deadline import Deadline

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


class Hostile(Engine):
    """`answers` gives the bytes that come back for a method and a path, all of an HTTP answer."""

    def __init__(self, answers: Callable[[str, str], bytes]) -> None:
        super().__init__(UnixTransport("/hostile.sock"), timeout=2.0)
        self._answers = answers
        self._api_version = "1.41"

    def _exchange(self, request: Request, deadline: Deadline) -> Response:
        here, there = socket.socketpair()
        with there:
            there.settimeout(0)
            there.sendall(self._answers(request.method, request.path))
            there.shutdown(socket.SHUT_WR)
            connection = Connection(ByteStream(here, self.transport.address), "localhost")
            return connection.exchange(request, deadline=deadline, release=Connection.close)


def http(content: bytes, status: int = 200, header: str = "") -> bytes:
    lines = (
        f"HTTP/1.1 {status} Said",
        "Connection: close",
        f"{header}Content-Length: {len(content)}",
        "",
        "",
    )
    return "\r\n".join(lines).encode() + content


CALLS: dict[str, Callable[[Engine], object]] = {
    "ping": lambda engine: engine.ping(),
    "version": lambda engine: engine.version(),
    "info": lambda engine: engine.info(),
    "disk usage": lambda engine: vars(DiskUsage("dev", "v", size=1, available=1, usage=engine.disk_usage())),
    "create": lambda engine: engine.containers.create("x", {}),
    "inspect": lambda engine: engine.containers.inspect("x"),
    "list": lambda engine: engine.containers.list(),
    "start": lambda engine: engine.containers.start("x"),
    "stop": lambda engine: engine.containers.stop("x"),
    "kill": lambda engine: engine.containers.kill("x"),
    "unpause": lambda engine: engine.containers.unpause("x"),
    "rename": lambda engine: engine.containers.rename("x", "y"),
    "remove": lambda engine: engine.containers.remove("x"),
    "wait": lambda engine: engine.containers.wait("x", timeout=2),
    "stats": lambda engine: engine.containers.stats("x"),
    "top": lambda engine: engine.containers.top("x"),
    "logs": lambda engine: list(engine.containers.logs("x", timeout=2)),
    "attach": lambda engine: engine.containers.attach("x", timeout=2).close(),
    "archive stat": lambda engine: engine.containers.archive_stat("x", "/"),
    "archive get": lambda engine: engine.containers.archive_get("x", "/", body_timeout=2).read(),
    "archive put": lambda engine: engine.containers.archive_put("x", "/", b""),
    "exec": lambda engine: engine.execs.run("x", ["a"], timeout=2, stdout=lambda _: None),
    "exec inspect": lambda engine: engine.execs.inspect("x"),
    "volume create": lambda engine: engine.volumes.create("x"),
    "volume inspect": lambda engine: engine.volumes.inspect("x"),
    "volumes": lambda engine: engine.volumes.list(),
    "volume remove": lambda engine: engine.volumes.remove("x"),
    "network create": lambda engine: engine.networks.create("x"),
    "network": lambda engine: engine.networks.inspect("x"),
    "networks": lambda engine: engine.networks.list(),
    "image": lambda engine: engine.images.inspect("x"),
    "images": lambda engine: engine.images.list(),
    "machine images": builder.image_list,
    "pull": lambda engine: engine.images.pull("x", timeout=2),
    "push": lambda engine: engine.images.push("x", timeout=2),
    "load": lambda engine: engine.images.load(io.BytesIO(b""), timeout=2),
    "build": lambda engine: engine.images.build(io.BytesIO(b""), timeout=2),
    "import": lambda engine: engine.images.import_(io.BytesIO(b""), timeout=2),
    "save": lambda engine: engine.images.save(["x"], timeout=2).read(),
}

STAT = "X-Docker-Container-Path-Stat"
BEGINNINGS = [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]


@pytest.mark.parametrize("call", CALLS)
@settings(max_examples=40, deadline=None)
@given(
    said=JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=60),
    status=st.sampled_from([200, 200, 201, 204, 101, 304, 302, 400, 404, 409, 500]),
    header=st.sampled_from(
        ["", "X-Docker-Container-Path-Stat: e30=\r\n", "X-Docker-Container-Path-Stat: W10=\r\n"]
    ),
)
def test_a_call_is_answered_anything(call: str, said: bytes, status: int, header: str) -> None:
    with Hostile(lambda _method, _path: http(said, status, header)) as engine, contextlib.suppress(DinvError):
        CALLS[call](engine)


@pytest.mark.parametrize("call", ["info", "inspect", "list", "logs", "pull"])
@settings(max_examples=60, deadline=None)
@given(
    said=st.binary(max_size=80),
    begin=st.sampled_from(
        [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]
    ),
)
def test_an_endpoint_that_speaks_no_http(call: str, said: bytes, begin: bytes) -> None:
    with Hostile(lambda _method, _path: begin + said) as engine, contextlib.suppress(DinvError):
        CALLS[call](engine)


@pytest.mark.parametrize(
    ("call", "said", "wrong"),
    [
        ("info", b"[]", "GET /info on unix:///hostile.sock cannot be used: it is not an object"),
        ("info", b'{"NCPU": "4"}', '"NCPU" is not a number'),
        ("info", b'{"NCPU": true}', '"NCPU" is not a number'),
        ("list", b"{}", "it is not a list"),
        ("list", b'[{"Names": "x"}]', r'"\[0\].Names" is not a list'),
        ("inspect", b'{"State": {"Running": "yes"}}', '"State.Running" is not true or false'),
        (
            "inspect",
            b'{"NetworkSettings": {"Networks": {"a": 1}}}',
            '"NetworkSettings.Networks.a" is not an object',
        ),
        ("create", b"", 'it has no "Id"'),
        ("create", b'{"Id": null}', 'it has no "Id"'),
        ("info", b"[" * 200_000, "nested too deep"),
        ("info", b'{"a":' * 300 + b"1" + b"}" * 300, "nested too deep"),
    ],
)
def test_what_is_wrong_is_said(call: str, said: bytes, wrong: str) -> None:
    with Hostile(lambda _method, _path: http(said)) as engine, pytest.raises(ProtocolError, match=wrong):
        CALLS[call](engine)


def test_nothing_is_an_empty_list_or_object() -> None:
    with Hostile(lambda _method, _path: http(b"null")) as engine:
        assert engine.containers.list() == engine.volumes.list() == engine.images.list() == []
        assert engine.info() == {}


@given(value=JSON)
def test_deep_is_what_is_deep(value: object) -> None:
    json_text.check_depth(value)
    for _ in range(json_text.DEEPEST + 1):
        value = [value]
    with pytest.raises(ValueError, match="deep"):
        json_text.parse(json.dumps(value))


# What drivers make of it

CONTAINER = {
    "Id": "i", "Name": "/dinv-dev", "Image": "sha256:1", "RestartCount": 0,
    "State": {"Running": True, "Paused": False, "Restarting": False, "Status": "running", "ExitCode": 0},
    "Config": {"Labels": {"io.dinv.id": "id"}, "Env": [], "Tty": False, "Entrypoint": ["/x"], "Volumes": {}},
    "HostConfig": {"Memory": 0, "NanoCpus": 0, "PortBindings": {"2376/tcp": [{"HostPort": "1"}]}},
    "Mounts": [{"Name": "v", "Destination": "/var/lib/docker"}],
    "NetworkSettings": {
        "Networks": {"bridge": {"IPAddress": "172.17.0.2"}},
        "Ports": {"2376/tcp": [{"HostIp": "127.0.0.1", "HostPort": "24000"}]},
    },
}  # fmt: skip
ANSWERS: dict[str, Any] = {
    "/version": {"Version": "26.1.5", "ApiVersion": "1.41"},
    "/info": {
        "ID": "x", "ServerVersion": "26.1.5", "NCPU": 2, "MemTotal": 1 << 30, "OSType": "linux", "Name": "h",
        "SecurityOptions": ["name=seccomp"], "Runtimes": {"runc": {}}, "CgroupVersion": "2",
        "SystemStatus": [], "CgroupDriver": "systemd", "Architecture": "x86_64", "DriverStatus": [["a", "b"]],
    },
    "/containers/json": [
        {
            "Id": "i", "Names": ["/dinv-dev"], "State": "running", "Status": "Up", "Image": "x",
            "Labels": {"io.dinv.id": "id", "io.dinv.port": "24000"},
            "Mounts": [{"Name": "v"}], "Ports": [{"PublicPort": 24000, "PrivatePort": 2376}],
        }
    ],
    "/containers/": CONTAINER,
    "/volumes": {"Volumes": [{"Name": "v", "Labels": {"io.dinv.id": "id"}}]},
    "/volumes/": {"Name": "v", "Labels": {"io.dinv.id": "id"}, "Options": {}},
    "/networks": [{"Id": "n" * 64, "Name": "net", "Driver": "bridge", "Options": {}}],
    "/networks/": {
        "Id": "n" * 64, "Name": "net", "Driver": "bridge",
        "Containers": {"a": {"IPv4Address": "10.0.0.2/24"}},
        "IPAM": {"Config": [{"Subnet": "10.0.0.0/24", "Gateway": "10.0.0.1"}]},
    },
    "/images/": {"Id": "sha256:1", "RepoDigests": [], "Config": {"Labels": {"io.dinv.contract": "dinv"}}},
}  # fmt: skip


def answer_to(path: str) -> str:
    path = "/" + path.removeprefix("/v1.41/").removeprefix("/")
    return (
        path
        if path in ANSWERS
        else max((key for key in ANSWERS if path.startswith(key)), key=len, default="")
    )


def spots(value: object, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way, *(spot for key, item in inner for spot in spots(item, (*way, key)))]


def put(document: dict[str, Any], way: tuple[Any, ...], new: object) -> None:
    part: Any = document
    for key in way[:-1]:
        part = part[key]
    part[way[-1]] = new


USES: tuple[Callable[[DockerDriver], object], ...] = (
    lambda driver: driver.states([driver.config], driver.store, timeout=1),
    lambda driver: driver.state(timeout=1),
    lambda driver: driver.pre_create_check(Progress()),
    lambda driver: driver.prepare(Progress()),
    lambda driver: driver.create({}, [], {"cache": "/var/lib/docker"}),
    lambda driver: driver.refresh_address(),
    lambda driver: driver.stop(timeout=1),
    lambda driver: driver.ended(),
    lambda driver: driver.last_log_lines(3),
    lambda driver: driver.replacement().offer("", Progress()),
    lambda driver: driver.remove(),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(str(tmp_path_factory.mktemp("hostile")))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_driver_takes_no_harm(store: Store, monkeypatch: pytest.MonkeyPatch, data: st.DataObject) -> None:
    answers = copy.deepcopy(ANSWERS)
    way = data.draw(st.sampled_from([spot for spot in spots(answers) if spot]))
    put(answers, way, data.draw(JSON))
    config = MachineConfig.new(
        name="dev", store_path=store.path, driver_name="docker", identity="id", created=""
    )
    config.ours["Phase"] = READY
    config.driver.update(
        URL="tcp://127.0.0.1:24000", IPAddress="127.0.0.1", Container="dinv-dev", Image="dinv:latest",
        Port=24000, Host="127.0.0.1", IP="", PublishAddress="", Network="net", Isolation="auto",
        Memory=0, CPUs=0,
        CacheSize=0, CacheVolume="v", CacheVolumeKept=False, CacheVolumeNamed=True, Published=True,
        PortChosen=False, Labels={}, DNS=[], VolumeStore="", Flavour="engine", ImageContract="",
        Endpoint={"URL": "unix:///hostile.sock", "Context": "", "TLS": None},
    )  # fmt: skip

    def answers_of(method: str, path: str) -> bytes:
        found = answer_to(path)
        if method == "DELETE" or not found:
            return http(b"", 204 if method == "DELETE" else 200)
        return http(json.dumps(answers[found]).encode())

    monkeypatch.setattr("dinv.endpoints.resolve.Endpoint.engine", lambda *_, **__: Hostile(answers_of))
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr("dinv.drivers.docker.containers.CHANGE_SECONDS", 0.01)
    monkeypatch.setattr("dinv.drivers.docker.volumes.REMOVE_SECONDS", 0.01)
    monkeypatch.setattr("dinv.drivers.docker.containers.LAG_SECONDS", 0.01)
    for use in USES:
        driver = DockerDriver(copy.deepcopy(config), store)
        with contextlib.suppress(DinvError):
            use(driver)
        driver.close()


# Sizes and times


def test_an_answer_without_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dinv.engine.calls.LARGEST_ANSWER", 10_000)
    with (
        Hostile(lambda _method, _path: http(b'"' + b"x" * 20_000 + b'"')) as engine,
        pytest.raises(ProtocolError, match="more than 10000 bytes"),
    ):
        engine.info()
    assert LARGEST_ANSWER > 10_000_000


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 2000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 5000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 3000 + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
def test_headers_and_lines_have_bounds(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dinv.engine.wire.http._HEAD_LIMIT", 90_000)
    with Hostile(lambda _method, _path: said) as engine, pytest.raises(ProtocolError):
        engine.info()


def test_a_line_of_progress_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dinv.engine.wire.streams.LONGEST_LINE", 1000)
    with Hostile(lambda _method, _path: http(b"{" + b" " * 2000)) as engine, pytest.raises(ProtocolError):
        engine.images.pull("x", timeout=2)


@pytest.mark.parametrize(
    "begin", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"]
)
@pytest.mark.parametrize("call", ["info", "inspect", "start", "archive put", "exec"])
def test_drops_now_and_then_do_not_make_it_wait_longer(tmp_path: Path, begin: bytes, call: str) -> None:
    """Each byte is in time; all of them are not."""

    def drip(peer: Peer) -> None:
        peer.send(begin or b"H")
        for letter in b"TTP/1.1 200" * 100:
            time.sleep(0.05)
            peer.send(bytes([letter]))

    with unix_server(tmp_path, drip) as (transport, _), Engine(transport, timeout=0.4) as engine:
        engine._api_version = "1.41"
        with pytest.raises(DinvError) as caught:
            CALLS[call](engine)
    assert isinstance(caught.value, DeadlineExceeded | ProtocolError)


def test_a_handshake_that_drips_does_not_either() -> None:
    def drip(peer: Peer) -> None:
        # A record of the handshake's, of 16000 bytes, one after the other.
        for octet in b"\x16\x03\x03\x3e\x80" + bytes(200):
            time.sleep(0.05)
            peer.send(bytes([octet]))

    with tcp_server(drip) as port:
        transport = parse_address(f"tcp://127.0.0.1:{port}", TLSFiles(verify=False))
        with Engine(transport, timeout=0.4) as engine, pytest.raises(DinvError) as caught:
            engine.info()
    assert isinstance(caught.value, DeadlineExceeded)


def test_a_far_side_that_drips_does_not_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "ssh"
    program.write_text(
        "#!/bin/sh\nprintf 'HTTP/1.1 200 OK\\r\\nX: '; while printf x; do sleep 0.05; done\n",
        encoding="ascii",
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    begin = time.monotonic()
    with Engine(parse_address("ssh://h"), timeout=0.5) as engine, pytest.raises(DeadlineExceeded):
        engine.info()
    assert time.monotonic() - begin < 60
