"""The client of UCP's API, against the stand-in's own server."""

from __future__ import annotations

import json
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
from ucp_stand_in import controller, docker_api, keys
from ucp_stand_in.ucp import hashed

from dinv.engine.wire.tls import TLSByteStream, client_context
from dinv.engine.wire.tls_files import TLSFiles
from dinv.errors import BundleUnusable, DatacenterUnreached, LoginRefused
from dinv.provisioners.datacenter import api, bundle
from dinv.provisioners.datacenter.api import UCP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dinv.engine.wire.byte_stream import ByteStream
    from dinv.system.deadline import Deadline

PASSWORD = "tomato-soup"
CA_KEY, CA = keys.new_ca()


class Port:
    """A port of this computer."""

    host = "127.0.0.1"

    def __init__(self, port: int, ca: bytes = CA, names: tuple[str, ...] = ("127.0.0.1",)) -> None:
        self.port = port
        self.names = names
        self.address = f"https://127.0.0.1:{port}"
        self._files = TLSFiles(ca_text=ca.decode())

    def connect(self, name: str, deadline: Deadline) -> ByteStream:
        sock = socket.create_connection((self.host, self.port), 5)
        context = client_context(self._files, self.address)
        stream = TLSByteStream(sock, self.address, context, name, self._files)
        try:
            stream.handshake(deadline, "the handshake")
        except BaseException:
            sock.close()
            raise
        return stream


class Standing(controller.Controller):
    def __init__(self) -> None:
        self.settings = {
            "sans": ["ucp.example"],
            "user": "admin",
            "salt": "s",
            "password": hashed(PASSWORD, "s"),
        }
        self.ca, self.ca_key = CA, CA_KEY
        self.tokens = set()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The stand-in's handler, whose methods a test may replace; `port` is where it listens."""
    info = {"Swarm": {"NodeAddr": "127.0.0.1", "Cluster": {"ID": "cluster"}}}
    nodes = [{"ID": "one", "Spec": {"Role": "manager"}, "Status": {"State": "ready"}}]
    monkeypatch.setattr(docker_api, "info", lambda: info)
    monkeypatch.setattr(docker_api, "call", lambda _method, path, **_: nodes if path == "/nodes" else [])
    monkeypatch.setattr(docker_api, "raw", lambda *_: (200, {"api-version": "1.45"}, b"OK"))

    class Handler(controller.Handler):
        port = 0
        disable_nagle_algorithm = True

    Handler.controller = Standing()
    server = controller._Server(0, Handler, Handler.controller.context())
    Handler.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield Handler
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_from_login_to_bundle(served: Any) -> None:
    ucp = UCP("m", Port(served.port))
    assert ucp.ping() == ""
    ucp.login("admin", PASSWORD)
    found = bundle.unpack("m", ucp.bundle())
    assert json.loads(found["meta.json"])["Endpoints"]["docker"]["Host"] == f"tcp://127.0.0.1:{served.port}"
    # None of the agents is there: the stand-in says so in UCP's words.
    assert ucp.nodes()[0]["Status"]["Message"].startswith("Awaiting healthy status")


def test_a_bundle_is_for_the_address_that_it_was_asked_by(served: Any) -> None:
    ucp = UCP("m", Port(served.port), host="ucp.example:8443")
    ucp.login("admin", PASSWORD)
    found = bundle.unpack("m", ucp.bundle())
    assert b"DOCKER_HOST=tcp://ucp.example:8443" in found["env.sh"]


def test_a_wrong_password_is_refused_and_not_shown(served: Any) -> None:
    for user, password in (("admin", "potato-soup"), ("nobody", PASSWORD)):
        with pytest.raises(LoginRefused, match="invalid credentials") as raised:
            UCP("m", Port(served.port)).login(user, password)
        assert raised.value.user == user
        assert password not in str(raised.value)


def test_without_a_login_there_is_nothing(served: Any) -> None:
    ucp = UCP("m", Port(served.port))
    with pytest.raises(BundleUnusable, match=r"401: unauthorized"):
        ucp.bundle()
    with pytest.raises(DatacenterUnreached, match="/nodes"):
        ucp.nodes()


def test_a_server_by_another_ca_is_not_talked_to(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(served, "_login", lambda *_: asked.append(1))
    with pytest.raises(DatacenterUnreached, match="another CA"):
        UCP("m", Port(served.port, keys.new_ca()[1])).login("admin", PASSWORD)
    assert not asked


def test_one_of_its_names_is_enough(served: Any) -> None:
    ucp = UCP("m", Port(served.port, names=("other.example", "ucp.example")))
    assert ucp.ping() == ""
    stranger = UCP("m", Port(served.port, names=("other.example", "third.example")))
    assert "not for the name" in stranger.ping()


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (503, b'{"message": "starting"}', "HTTP status 503: starting"),
        (500, b'{"errors": [{"message": "no\\nkv"}]}', "HTTP status 500: no kv"),
        (500, b"<h1>\x1b[2J</h1>", "HTTP status 500: <h1>\\x1b[2J</h1>"),
        (500, b"", "HTTP status 500"),
    ],
)
def test_one_that_is_not_healthy(
    served: Any, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes, said: str
) -> None:
    monkeypatch.setattr(served, "_answer", lambda self: self._send(status, body))
    assert UCP("m", Port(served.port)).ping() == said


@pytest.mark.parametrize(
    "answer", [b"", b"[]", b"{}", b'{"auth_token": 3}', b'{"auth_token": "a\\r\\nX: y"}', b"no"]
)
def test_a_login_without_a_token(served: Any, monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    monkeypatch.setattr(served, "_login", lambda self, _body: self._send(200, answer))
    with pytest.raises(DatacenterUnreached, match="/auth/login"):
        UCP("m", Port(served.port)).login("admin", PASSWORD)


@pytest.mark.parametrize("answer", [b"{}", b"[3]", b"no"])
def test_nodes_that_are_none(served: Any, monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    monkeypatch.setattr(served, "_answer", lambda self: self._send(200, answer))
    with pytest.raises(DatacenterUnreached, match="/nodes"):
        UCP("m", Port(served.port)).nodes()


def test_an_answer_without_an_end(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "LARGEST_BUNDLE", 1000)
    monkeypatch.setattr(served, "_answer", lambda self: self._send(200, b"x" * 100_000))
    with pytest.raises(DatacenterUnreached, match="more than 1000 bytes"):
        UCP("m", Port(served.port)).bundle()


def test_one_that_never_answers(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = threading.Event()
    monkeypatch.setattr(served, "_answer", lambda _self: waiting.wait(5))
    assert "within 0.2 s" in UCP("m", Port(served.port)).ping(timeout=0.2)
    waiting.set()


def test_one_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        port = server.getsockname()[1]

        def hang_up() -> None:
            server.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        assert "closed the connection" in UCP("m", Port(port)).ping()
        thread.join()
