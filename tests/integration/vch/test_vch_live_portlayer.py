"""What a VCH says when its port layer fails: the table of what VIC's own API server was seen to answer.

Archives' rows are in test_vch_live_archives.py.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from vch_client import ask, body, make

if TYPE_CHECKING:
    from dinv.engine import Engine
    from dinv.testing.vch import VchSimulator

    # The call, what fails of the port layer's, with which status and words; and what a client is told.
    Row = tuple[str, str, str, int, str, int, str]

SERVER = "Server error from portlayer: "
LOCKED = "File system specific implementation of LookupAndOpen[file] failed: Failed to lock the file"
LAUNCH = "unable to wait for process launch status: context deadline exceeded"
POWER = "Reconfigure: collision of concurrent operations - expected power state poweredOff, found poweredOn"
CONCURRENT = "Cannot complete operation due to concurrent modification by another operation."
GONE = "Couldn't remove container. The ESX host is temporarily disconnected. Please try again later."
WRONG = "A specified parameter was not correct"
STATE = "The operation is not allowed in the current state"
SCOPE, VOLUME = "[POST /scopes/{scope}/containers]", "[POST /storage/volumes]"
COMMIT = "[PUT /containers/{handle}]"
RESPONSE = "{resp:0xc42044e0c0} "

STOPPED: list[Row] = [
    ("POST", "/containers/vrf/start", "Get", 503, "boom", 500, f"{SERVER}boom"),
    ("POST", "/containers/vrf/start", "BindContainer", 500, "boom", 500, f"{SERVER}boom"),
    ("POST", "/containers/vrf/start", "Commit", 503, LOCKED, 500, f"{SERVER}{LOCKED}"),
    ("POST", "/containers/vrf/start", "Commit", 503, LAUNCH, 500, f"{SERVER}{LAUNCH}"),
    ("GET", "/containers/vrf/logs?stdout=1", "GetContainerLogs", 500, "boom", 200, ""),
    ("GET", "/containers/vrf/json", "GetContainerInfo", 500, "boom", 500, f"{SERVER}boom"),
    (
        "GET",
        "/containers/json",
        "GetContainerList",
        500,
        "boom",
        500,
        "Error invoking GetContainerList: boom",
    ),
    ("DELETE", "/containers/vrf", "ContainerRemove", 500, GONE, 500, f"{SERVER}{GONE}"),
    ("POST", "/containers/vrf/start", "Commit", 409, CONCURRENT, 204, ""),
]
RUNNING: list[Row] = [
    ("POST", "/containers/vrf/stop?t=0", "Commit", 503, POWER, 500, f"{SERVER}{POWER}"),
    (
        *("POST", "/containers/vrf/restart?t=0", "Commit", 503, CONCURRENT, 500),
        f"{SERVER}Stop failed with: {SERVER}{CONCURRENT}",
    ),
    (
        *("POST", "/containers/vrf/kill", "ContainerSignal", 500, "boom", 500),
        f"Cannot kill container vrf: {SERVER}boom",
    ),
    (
        *("POST", "/containers/vrf/exec", "Join", 500, "boom", 500),
        f"{SERVER}{SERVER}[POST /tasks][500] joinInternalServerError  &{{Code:500 Message:boom}}",
    ),
    ("POST", "/containers/vrf/exec", "Commit", 503, CONCURRENT, 500, f"{SERVER}{CONCURRENT}"),
    (
        *("DELETE", "/containers/vrf", "ContainerRemove", 500, "", 500),
        f"{SERVER}[DELETE /containers/{{id}}][500] containerRemoveInternalServerError  &{{Code:0 Message:}}",
    ),
    ("POST", "/containers/vrf/stop?t=0", "Commit", 409, CONCURRENT, 204, ""),
]
CREATE: list[Row] = [
    (
        *("POST", "/containers/create", "Create", 404, "boom", 500),
        f"{SERVER}[POST /containers][404] createNotFound  &{{Code:404 Message:boom}}",
    ),
    *(
        (
            *("POST", "/containers/create", "Create", status, "boom", 500),
            f"{SERVER}unknown error (status {status}): {RESPONSE}",
        )
        for status in (409, 500, 503)
    ),
    ("POST", "/containers/create", "ImageJoin", 404, "boom", 404, "No such container: No such image: ID"),
    (
        *("POST", "/containers/create", "AddContainer", 404, "boom", 500),
        f"{SERVER}[POST /scopes/{{scope}}/containers][404] addContainerNotFound  &{{Code:404 Message:boom}}",
    ),
    (
        *("POST", "/containers/create", "CreateVolume", 500, STATE, 500),
        f"{SERVER}{VOLUME}[500] createVolumeInternalServerError  &{{Code:500 Message:{STATE}}}",
    ),
    ("POST", "/containers/create", "Commit", 503, CONCURRENT, 500, f"{SERVER}{CONCURRENT}"),
    (
        *("POST", "/containers/create", "Commit", 409, CONCURRENT, 409),
        f"Conflict error from portlayer: {COMMIT}[409] commitConflict  &{{Code:409 Message:{CONCURRENT}}}",
    ),
]
VOLUMES: list[Row] = [
    (
        *("POST", "/volumes/create", "CreateVolume", 500, WRONG, 500),
        f"{VOLUME}[500] createVolumeInternalServerError  &{{Code:500 Message:{WRONG}}}",
    ),
    ("POST", "/volumes/create", "CreateVolume", 503, "x", 500, "x"),
    (
        *("DELETE", "/volumes/disk", "RemoveVolume", 500, "Failed to lock the file", 500),
        f"{SERVER}Failed to lock the file",
    ),
    (
        *("GET", "/volumes/disk", "GetVolume", 503, "boom", 500),
        f"error from portlayer server: unknown error (status 503): {RESPONSE}",
    ),
    ("GET", "/volumes", "ListVolumes", 500, "boom", 500, "error from portlayer server: boom"),
]


def _check(vch: VchSimulator, rows: list[Row], bodies: dict[str, object], image: str = "") -> None:
    for method, path, operation, status, message, told, words in rows:
        vch.faults.port_layer(operation, status, message)
        sent = bodies.get(path)
        answer = ask(vch, method, path, json.dumps(sent).encode() if sent else None)
        asked = f"{method} {path}, {operation} {status}"
        assert answer == (told, words.replace("ID", image) if image else words), asked
        # As for a start that is tried again, an answer that VIC makes good is one all the same.
        assert vch.calls[len(vch.calls) - 1].injected is (told >= 400), asked


def test_a_stopped_container(vch: VchSimulator, client: Engine) -> None:
    make(client, "vrf")
    _check(vch, STOPPED, {})
    assert client.containers.inspect("vrf")["State"]["Running"] is True


def test_a_running_container(vch: VchSimulator, client: Engine) -> None:
    make(client, "vrf")
    client.containers.start("vrf")
    _check(vch, RUNNING[:-1], {"/containers/vrf/exec": {"Cmd": ["true"]}})
    assert client.containers.inspect("vrf")["State"]["Running"] is True
    # Twice in a row is tried again, too.
    vch.faults.port_layer("Commit", 409)
    _check(vch, RUNNING[-1:], {})
    assert client.containers.inspect("vrf")["State"]["Running"] is False


def test_a_conflict_that_does_not_end(vch: VchSimulator, client: Engine) -> None:
    make(client, "vrf")
    vch.faults.port_layer("Commit", 409, CONCURRENT, times=10_000)
    told = f"Conflict error from portlayer: {CONCURRENT}"
    assert ask(vch, "POST", "/containers/vrf/start") == (409, told)


def test_a_create(vch: VchSimulator, client: Engine) -> None:
    asked = body(Binds=["disk:/data"])
    image = str(client.images.inspect(asked["Image"])["Id"]).removeprefix("sha256:")
    _check(vch, CREATE, {"/containers/create": asked}, image)
    assert (vch.containers, vch.volumes) == ([], {})


def test_volumes(vch: VchSimulator, client: Engine) -> None:
    client.volumes.create("disk", driver="local")
    _check(vch, VOLUMES, {"/volumes/create": {"Name": "other", "Driver": "local"}})
    assert list(vch.volumes) == ["disk"]


def test_stores_that_cannot_be_told(vch: VchSimulator, client: Engine) -> None:
    vch.faults.port_layer("VolumeStoresList", 500)
    info = client.info()
    assert "VolumeStores" not in dict(info["SystemStatus"])
    assert info["Plugins"]["Volume"] is None
    assert dict(client.info()["SystemStatus"])["VolumeStores"] == "default"
