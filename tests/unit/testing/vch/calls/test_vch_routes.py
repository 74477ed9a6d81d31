from __future__ import annotations

import pytest

from dinv.testing.vch.calls import routes
from dinv.testing.vch.rules.errors import VicError
from dinv.testing.vch.rules.versions import ARCHIVE, RELEASES


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("GET", "/_ping", "Ping"),
        ("GET", "/containers/json", "Containers"),
        ("GET", "/containers/dev/json", "ContainerInspect"),
        ("POST", "/containers/create", "ContainerCreate"),
        ("DELETE", "/containers/dev", "ContainerRm"),
        ("HEAD", "/containers/dev/archive", "ContainerStatPath"),
        ("GET", "/images/example.com:5000/a/b:c/json", "LookupImage"),
        ("DELETE", "/images/example.com/a/b", "ImageDelete"),
        ("GET", "/images/a/b/history", "ImageHistory"),
        ("POST", "/volumes/create", "VolumeCreate"),
        ("GET", "/networks", "Networks"),
        ("POST", "/swarm/init", "swarm"),
        ("GET", "/services", "swarm"),
        ("GET", "/plugins", "plugins"),
        ("GET", "/plugins/x/json", "PluginInspect"),
        ("POST", "/containers/dev/checkpoints", "checkpointing"),
    ],
)
def test_operations(method: str, path: str, operation: str) -> None:
    assert routes._route(method, path)[0] == operation


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/build"),
        ("HEAD", "/_ping"),
        ("GET", "/distribution/x/json"),
        ("POST", "/session"),
        ("PUT", "/info"),
    ],
)
def test_no_route(method: str, path: str) -> None:
    with pytest.raises(VicError, match="page not found") as error:
        routes._route(method, path)
    assert error.value.status == 404


@pytest.mark.parametrize("version", RELEASES)
def test_what_is_implemented_has_a_handler(version: str) -> None:
    operations = {operation for _, _, operation in routes._ROUTES} - {"swarm"}
    implemented = {each for each in operations if RELEASES[version].implements(each)}
    assert implemented <= routes.HANDLERS.keys()
    assert routes.HANDLERS.keys() <= operations


def test_archives_came_with_vic_1_2() -> None:
    assert not any(RELEASES["1.1"].implements(operation) for operation in ARCHIVE)
    assert all(RELEASES["1.2"].implements(operation) for operation in ARCHIVE)


@pytest.mark.parametrize(
    ("header", "allowed"),
    [
        ("127.0.0.1", True),
        ("127.0.0.1:2375", True),
        ("localhost:2375", True),
        ("LOCALHOST", True),
        ("localhost.:2375", True),
        ("[::1]:2375", True),
        ("example.com", False),
        ("127.0.0.1.example.com", False),
        ("", False),
    ],
)
def test_host_headers(header: str, allowed: bool) -> None:  # noqa: FBT001
    assert routes.allowed_host(header, frozenset(("127.0.0.1", "localhost", "::1"))) is allowed


def test_errors_are_json_since_api_1_24() -> None:
    assert routes._error(500, "boom", "1.23").body == b"boom\n"
    for api in ("1.24", "1.25", None):
        assert routes._error(500, "boom", api).body == b'{"message": "boom"}\n'
