"""What dinv 0.1.0 sent, to the letter: a real VCH refuses it, and so does the simulator.

Recorded with 0.1.0 on the simulator that came with it, which took all of it.
"""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

from vch_client import IMAGE, ask, make

if TYPE_CHECKING:
    from vch_client import Connect, Simulate

    from dinv.engine import Engine
    from dinv.testing.vch import VchSimulator

LABELS = {"io.dinv.machine": "old", "io.dinv.id": "2ca62fe28af91278e0deae9c01eccdfa"}
VOLUME = {
    "Name": "dinv-old-cache",
    "Labels": {**LABELS, "io.dinv.role": "cache"},
    "DriverOpts": {"Capacity": "20480"},
}
CONTAINER: dict[str, Any] = {
    "Hostname": "old",
    "Image": IMAGE,
    "Env": [],
    "Labels": {**LABELS, "io.dinv.role": "machine", "io.dinv.port": "25717"},
    "ExposedPorts": {"2376/tcp": {}},
    "Volumes": {},
    "HostConfig": {
        "Binds": ["dinv-old-cache:/var/lib/docker"],
        "NetworkMode": "bridge",
        "PortBindings": {"2376/tcp": [{"HostIp": "", "HostPort": "25717"}]},
    },
}


def _post(vch: VchSimulator, path: str, body: object) -> tuple[int, str]:
    return ask(vch, "POST", path, json.dumps(body).encode())


def test_no_machine_could_be_made(vch: VchSimulator) -> None:
    """All versions of VIC, 1.1 to 1.5.8: the volume names no driver."""
    assert _post(vch, "/volumes/create", VOLUME) == (500, "error looking up volume plugin : plugin not found")
    assert [call.path for call in vch.calls.refused] == ["/volumes/create"]
    assert vch.volumes == {}


def test_with_the_driver_named_the_rest_of_it_goes_through(vch: VchSimulator) -> None:
    assert _post(vch, "/volumes/create", {**VOLUME, "Driver": "local"})[0] == 201
    status, text = _post(vch, "/containers/create?name=dinv-old", {**CONTAINER, "Cmd": ["sleep", "60"]})
    assert (status, "Id" in json.loads(text)) == (201, True)
    assert not vch.calls.refused


def test_a_machine_that_boots_was_an_error_and_gone(simulate: Simulate, connect: Connect) -> None:
    """0.1.0 knew "starting" alone, which no VCH says."""
    vch = simulate(start_delay=60)
    client = connect(vch)
    make(client, "dinv-old")
    start = threading.Thread(target=connect(vch).containers.start, args=("dinv-old",))
    start.start()
    states: set[str] = set()
    end = time.monotonic() + 50
    while time.monotonic() < end and "running" not in states:
        (listed,) = client.containers.list(all=True)
        states.add(listed["State"])
        if listed["State"] == "Starting":
            vch.start_delay = 0  # it has been seen
        time.sleep(0.05)
    start.join()
    assert states - {"created"} == {"Starting", "running"}


def test_who_has_a_volume_was_read_where_a_vch_has_nothing(client: Engine) -> None:
    make(client, "dinv-old", Binds=["dinv-old-cache:/var/lib/docker"])
    (listed,) = client.containers.list(all=True, filters={"volume": ["dinv-old-cache"]})
    assert listed["Mounts"] is None
    (mount,) = client.containers.inspect("dinv-old")["Mounts"]
    assert mount["Name"] == "dinv-old-cache"
