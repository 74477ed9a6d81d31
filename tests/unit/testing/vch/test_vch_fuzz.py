"""Whatever a client sends, the simulator answers with a status, and never with a bug of its own."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import socket
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dinv.engine.wire.byte_stream import ByteStream
from dinv.testing.vch.calls import routes
from dinv.testing.vch.calls.routes import Router
from dinv.testing.vch.faults import Faults
from dinv.testing.vch.log import Calls
from dinv.testing.vch.settings import Settings
from dinv.testing.vch.state import Vch
from dinv.testing.vch.wire import bodies
from dinv.testing.vch.wire.behind import BehindError
from dinv.testing.vch.wire.http import BadWire, Connection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dinv.testing.vch.wire.behind import Behind

    JSON = dict[str, Any]


class FakeBehind:
    """An engine that has one image, makes containers, and says of them as much as it has to."""

    address = "nowhere"
    info: JSON = {"NCPU": 4, "MemTotal": 1 << 30}  # noqa: RUF012

    def __init__(self) -> None:
        self.made: list[str] = []

    def json(self, method: str, path: str, **_: object) -> Any:  # noqa: PLR0911  (one a path)
        if path == "/containers/create":
            self.made.append(secrets.token_hex(32))
            return {"Id": self.made[-1]}
        if path == "/containers/json":
            return [self._listed(identity) for identity in self.made]
        if method == "GET" and path.startswith("/containers/"):
            return self._inspected(path.split("/")[2])
        if path == "/images/json":
            return [{"Id": "sha256:12"}]
        if method == "GET" and path.startswith("/images/"):
            return {"Id": "sha256:12", "Config": {"Cmd": ["sh"], "Volumes": {"/v": {}}}}
        if path.startswith("/networks"):
            return {"Id": "n", "Containers": {}, "IPAM": {"Config": []}}
        if path.endswith("/exec"):
            return {"Id": "e"}
        return {}

    @contextlib.contextmanager
    def request(self, *_: object, **__: object) -> Iterator[None]:
        raise BehindError(404, "not here")
        yield

    @staticmethod
    def _listed(identity: str) -> JSON:
        return {
            "Id": identity,
            "State": "created",
            "Status": "Created",
            "Command": "sh",
            "Created": 1,
            "Ports": [],
            "NetworkSettings": {"Networks": {}},
        }

    @staticmethod
    def _inspected(identity: str) -> JSON:
        state = {
            "Status": "created",
            "Running": False,
            "ExitCode": 0,
            "StartedAt": "0001-01-01T00:00:00Z",
            "FinishedAt": "0001-01-01T00:00:00Z",
        }
        return {"Id": identity, "Created": "", "State": state, "Image": "sha256:12", "NetworkSettings": {}}


class Served:
    """A VCH without a port: bytes in, a status out."""

    def __init__(self) -> None:
        settings = Settings(engine="unix:///nowhere", retry_seconds=0.0)
        self.vch = Vch("x", settings, cast("Behind", FakeBehind()), Faults())
        self.calls = Calls()
        self._router = Router(self.vch, self.calls, allowed_hosts=None)

    def ask(self, data: bytes) -> int | None:
        """The status, None where the connection is broken off."""
        client, server = socket.socketpair()
        with (
            contextlib.closing(client),
            contextlib.closing(Connection(ByteStream(server, "a test"))) as connection,
        ):
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            with contextlib.suppress(BadWire):
                request = connection.read_request()
                if request is not None:
                    self._router.serve(request, connection)
                    return self.calls[len(self.calls) - 1].status
        return None


def _request(method: str, path: str, body: bytes = b"", kind: str = "application/json") -> bytes:
    head = f"{method} /v1.25{path} HTTP/1.1\r\nHost: h\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _sound(served: Served, data: bytes) -> int | None:
    status = served.ask(data)
    assert not served.calls.failures, served.calls.failures[0].failure
    assert status is None or status in {200, 201, 204, 400, 403, 404, 406, 409, 423, 500}
    return status


def _fields(shape: object) -> set[str]:
    if isinstance(shape, list):
        return _fields(shape[0])
    if isinstance(shape, dict):
        return set(shape).union(*(_fields(each) for each in shape.values()))
    return set()


FIELDS = sorted(set().union(*(_fields(shape) for shape in bodies._KINDS.values())))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["default", "bridge", "local", "v:/data", "/data", "80/tcp", "0-1", "9" * 30])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=25,
)
# Names of real things, so that calls get as far as there is something to do.
_NAMES = {"name": "dev", "id": "e"}
PATHS = sorted(
    {
        (
            method,
            re.sub(r"\(\?P<(\w+)>[^)]*\)", lambda found: _NAMES[found[1]], pattern)
            .partition("(")[0]
            .rstrip("?"),
        )
        for methods, pattern, _ in routes._TABLE
        for method in methods.split("|")
    }
)
WITH_BODIES = [
    "/containers/create",
    "/containers/dev/start",
    "/containers/dev/exec",
    "/exec/e/start",
    "/volumes/create",
    "/networks/create",
    "/networks/bridge/connect",
    "/commit?container=dev",
    "/auth",
]


@pytest.fixture(scope="module")
def served() -> Served:
    """A VCH with a container "dev", which has an exec "e"."""
    found = Served()
    asked = {"Image": "i", "HostConfig": {"NetworkMode": "bridge"}}
    assert found.ask(_request("POST", "/containers/create?name=dev", json.dumps(asked).encode())) == 201
    found.vch.execs["e"] = found.vch.find("dev")
    return found


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_every_call_answers(served: Served, method: str, path: str) -> None:
    if method != "DELETE":
        assert _sound(served, _request(method, path)) is not None


@given(path=st.sampled_from(WITH_BODIES), value=VALUES)
def test_any_json_is_answered(served: Served, path: str, value: object) -> None:
    _sound(served, _request("POST", path, json.dumps(value).encode()))


@given(path=st.sampled_from(WITH_BODIES), body=st.binary(max_size=40))
@example(path="/containers/create", body=b"[" * 100_000)
@example(path="/volumes/create", body=b'{"Name": "' + b"x" * 100_000)
@example(path="/volumes/create", body=b"\xff\xfe{}")
@example(path="/volumes/create", body=b'{"Driver": NaN}')
@example(path="/containers/create", body=b"9" * 5000)
def test_any_bytes_are_answered(served: Served, path: str, body: bytes) -> None:
    _sound(served, _request("POST", path, body))


@given(
    path=st.sampled_from(WITH_BODIES),
    kind=st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)),
)
@example(path="/containers/create", kind="text/plain")
@example(path="/containers/create", kind="application/x-www-form-urlencoded")
def test_any_content_type_is_answered(served: Served, path: str, kind: str) -> None:
    _sound(served, _request("POST", path, b"{}", kind))


@given(
    where=st.sampled_from(PATHS),
    name=st.sampled_from(
        ["filters", "limit", "all", "tail", "since", "t", "signal", "name", "path", "h", "stdout"]
    ),
    value=st.text(max_size=12) | VALUES.map(json.dumps),
)
@example(where=("GET", "/containers/json"), name="filters", value='{"exited":["x"]}')
@example(where=("GET", "/containers/json"), name="filters", value='{"status":["Starting"]}')
@example(where=("GET", "/containers/json"), name="filters", value='{"before":["gone"]}')
@example(where=("GET", "/containers/json"), name="limit", value="x")
@example(where=("GET", "/volumes"), name="filters", value='{"dangling":["maybe"]}')
def test_any_query_is_answered(served: Served, where: tuple[str, str], name: str, value: str) -> None:
    method, path = where
    if method != "DELETE" and "rename" not in path:
        _sound(served, _request(method, f"{path}?{name}={quote(value)}"))


@given(st.binary(max_size=60))
@example(b"GET /v1.25/info HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n")
@example(b"POST /v1.25/auth HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n")
@example(b"GET /v99999999999999.25/info HTTP/1.1\r\n\r\n")
def test_any_bytes_at_all_are_survived(served: Served, data: bytes) -> None:
    _sound(served, data)


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b"{}", "text/plain", "Content-Type specified (text/plain) must be 'application/json'"),
        (b"{}", "", "Content-Type specified () must be 'application/json'"),
        (b"", "application/json", "EOF"),
        (b"{", "application/json", "unexpected EOF"),
        (b"nope", "application/json", "invalid character 'n' looking for beginning of value"),
        (b'{"Image": 1}', "application/json", "json: cannot unmarshal number into Go struct field .Image"),
        (b"[]", "application/json", "json: cannot unmarshal array into Go value"),
    ],
)
def test_what_is_no_body_is_a_500_with_the_reason(served: Served, body: bytes, kind: str, words: str) -> None:
    from dinv.testing.vch.rules.errors import VicError
    from dinv.testing.vch.wire.http import Request

    client, server = socket.socketpair()
    with (
        contextlib.closing(client),
        contextlib.closing(Connection(ByteStream(server, "a test"))) as connection,
    ):
        client.sendall(_request("POST", "/containers/create", body, kind))
        request = connection.read_request()
        assert isinstance(request, Request)
        with pytest.raises(VicError) as error:
            bodies.read(request, "container")
    assert error.value.status == 500
    assert words in error.value.message


def test_names_of_fields_are_the_same_in_any_case(served: Served) -> None:
    asked = {"image": "i", "hostconfig": {"networkmode": "bridge"}, "CMD": "one text"}
    assert (
        _sound(served, _request("POST", "/containers/create?name=cased", json.dumps(asked).encode())) == 201
    )
    made = served.vch.find("cased")
    assert (made.network, made.asked["Cmd"]) == ("bridge", ["one text"])
