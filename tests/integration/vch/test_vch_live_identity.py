"""What a VCH says of itself, and what it says it does not do."""

from __future__ import annotations

from http.client import HTTPConnection
from typing import TYPE_CHECKING

import pytest
from vch_client import make, tar

from dinv.errors import EngineError, NotFound, ServerError

if TYPE_CHECKING:
    import docker
    from vch_client import Connect, Simulate

    from dinv.engine import Engine
    from dinv.testing.vch import VchSimulator


def _get(
    vch: VchSimulator, path: str, *, method: str = "GET", host: str = ""
) -> tuple[int, str, dict[str, str]]:
    connection = HTTPConnection("127.0.0.1", vch.port, timeout=10)
    try:
        connection.request(method, path, headers={"Host": host} if host else {})
        answer = connection.getresponse()
        return (
            answer.status,
            answer.read().decode(),
            {key.lower(): value for key, value in answer.headers.items()},
        )
    finally:
        connection.close()


def test_who_it_is(vch: VchSimulator, docker_py: docker.DockerClient) -> None:
    version, info = docker_py.version(), docker_py.info()
    assert (version["ApiVersion"], version["MinAPIVersion"], version["Version"]) == ("1.25", "1.19", "1.5.8")
    assert info["ID"] == "vSphere Integrated Containers"
    assert info["Driver"].startswith("vSphere Integrated Containers v1.5.8-")
    assert info["Driver"].endswith(" Backend Engine")
    assert info["NCPU"] >= 1000, "MHz, not CPUs"
    assert dict(info["SystemStatus"])["VolumeStores"] == "default"
    assert info["Plugins"] == {"Volume": ["vsphere"], "Network": None, "Authorization": None}
    assert info["ExperimentalBuild"] is False
    assert info["Name"] == "virtual-container-host"
    assert not vch.calls.newer


def test_what_is_negotiated(client: Engine) -> None:
    assert client.ping().api_version == "1.25"
    assert client.api_version == "1.25"


def test_headers(vch: VchSimulator) -> None:
    status, text, headers = _get(vch, "/_ping")
    assert (status, text) == (200, "OK")
    assert _get(vch, "/_ping", method="HEAD")[0] == 404
    assert headers["api-version"] == "1.25"
    assert headers["server"] == "Docker/1.25 (linux)"


def test_several_volume_stores_and_container_networks(simulate: Simulate, connect: Connect) -> None:
    vch = simulate(volume_stores=["default", "fast"], container_networks={"lan": "bridge"})
    info = connect(vch).info()
    assert dict(info["SystemStatus"])["VolumeStores"] == "default fast"
    assert info["Plugins"]["Network"] == ["lan"]


def test_old_clients_are_refused(vch: VchSimulator) -> None:
    status, text, _ = _get(vch, "/v1.18/info")
    assert status == 400
    assert text.strip() == (
        "client version 1.18 is too old. Minimum supported API version is 1.19, please upgrade your client "
        "to a newer version"
    )


def test_errors_are_text_up_to_api_1_23(vch: VchSimulator) -> None:
    assert _get(vch, "/v1.23/containers/none/json")[:2] == (404, "No such container: none\n")
    assert _get(vch, "/v1.25/containers/none/json")[:2] == (404, '{"message": "No such container: none"}\n')


def test_newer_versions_are_served_and_noted(vch: VchSimulator) -> None:
    assert _get(vch, "/v1.41/_ping")[0] == 200
    assert [call.api for call in vch.calls.newer] == ["1.41"]


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("POST", "/containers/x/pause", "ContainerPause"),
        ("POST", "/containers/x/unpause", "ContainerUnpause"),
        ("GET", "/containers/x/top", "ContainerTop"),
        ("POST", "/containers/x/update", "ContainerUpdate"),
        ("GET", "/containers/x/export", "ContainerExport"),
        ("POST", "/containers/prune", "ContainersPrune"),
        ("POST", "/volumes/prune", "VolumesPrune"),
        ("POST", "/networks/prune", "NetworksPrune"),
        ("POST", "/images/prune", "ImagesPrune"),
        ("POST", "/images/load", "LoadImage"),
        ("POST", "/images/create?fromSrc=-", "ImportImage"),
        ("GET", "/images/a/get", "ExportImage"),
        ("GET", "/images/a/history", "ImageHistory"),
        ("POST", "/images/a/push", "PushImage"),
        ("GET", "/images/search?term=a", "SearchRegistryForImages"),
        ("GET", "/system/df", "SystemDiskUsage"),
        ("GET", "/plugins", "plugins"),
    ],
)
def test_not_implemented(vch: VchSimulator, method: str, path: str, operation: str) -> None:
    status, text, _ = _get(vch, f"/v1.25{path}", method=method)
    assert status == 500
    assert f"vSphere Integrated Containers does not yet implement {operation}" in text
    assert [call.implemented for call in vch.calls] == [False]


def test_builds_and_swarms(vch: VchSimulator) -> None:
    assert _get(vch, "/v1.25/build", method="POST")[:2] == (404, '{"message": "page not found"}\n')
    status, text, _ = _get(vch, "/v1.25/swarm/init", method="POST")
    assert (status, "Docker Swarm is not yet supported" in text) == (404, True)
    assert len(vch.calls.unimplemented) == 2


def test_vic_1_1_has_no_docker_cp(simulate: Simulate, connect: Connect) -> None:
    vch = simulate(version="1.1")
    engine = connect(vch)
    container = make(engine, "dev")
    with pytest.raises(ServerError, match="does not yet implement ContainerExtractToDir"):
        engine.containers.archive_put(container, "/", tar("f", b"x"))
    with pytest.raises(EngineError):
        engine.containers.archive_stat(container, "/")
    assert [call.operation for call in vch.calls.unimplemented] == [
        "ContainerExtractToDir",
        "ContainerStatPath",
    ]
    engine.containers.start(container)
    assert engine.execs.run(container, ["true"]) == 0, "exec came before cp"


def test_plain_http_looks_at_the_host_header(vch: VchSimulator) -> None:
    status, text, _ = _get(vch, "/_ping", host="evil.example.com")
    assert status == 500
    assert "invalid host header from evil.example.com to requested host 127.0.0.1" in text
    assert _get(vch, "/_ping", host="127.0.0.1:2375")[0] == 200


def test_images(client: Engine, docker_py: docker.DockerClient) -> None:
    with pytest.raises(NotFound, match="No such image: nothing-of-this-name"):
        client.images.inspect("nothing-of-this-name")
    with pytest.raises(ServerError, match="filter dangling is not currently supported by vic"):
        client.json("GET", "/images/json", query={"filters": {"dangling": ["true"]}})
    assert docker_py.images.list()
    listed = client.json("GET", "/images/json")
    assert not [image for image in listed if ":" in image["Id"]]
    assert client.images.inspect(listed[0]["Id"])["Id"] == f"sha256:{listed[0]['Id']}"


def test_a_registry_that_is_not_on_the_whitelist(simulate: Simulate, connect: Connect) -> None:
    vch = simulate(registry_whitelist=["registry.example.com"])
    with pytest.raises(EngineError) as error:
        connect(vch).images.pull("other.example.com/a/b:c")
    assert (
        "Access denied to unauthorized registry (other.example.com) while VCH is in whitelist mode"
        in error.value.message
    )
