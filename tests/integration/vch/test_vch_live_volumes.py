"""Volumes of a simulated VCH: stores, sizes, attachment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import docker
import docker.errors
import pytest
from vch_client import WITH_VOLUME, body, make, tar

from dinv.errors import BadRequest, Conflict, EngineError, ServerError

if TYPE_CHECKING:
    from vch_client import Connect, Simulate

    from dinv.engine import Engine
    from dinv.testing.vch import VchSimulator


def test_a_volume(vch: VchSimulator, docker_py: docker.DockerClient) -> None:
    volume = docker_py.volumes.create(
        "cache", driver="local", driver_opts={"Capacity": "10GB"}, labels={"a": "b"}
    )
    shown = docker_py.volumes.get("cache").attrs
    assert shown == {
        "Driver": "local",
        "Labels": {"a": "b"},
        "Mountpoint": "0fea6a13c52b4d47",
        "Name": "cache",
        "Options": {"Capacity": "10GB"},
        "Scope": "",
    }
    assert volume.attrs == {**shown, "Options": None}, "the call that makes one does not say"
    assert vch.volumes["cache"].size == 10_000
    assert [each.name for each in docker_py.volumes.list(filters={"label": "a=b"})] == ["cache"]
    assert docker_py.volumes.list(filters={"label": "a=c"}) == []
    volume.remove()
    with pytest.raises(docker.errors.NotFound, match="No such volume: cache"):
        docker_py.volumes.get("cache")
    with pytest.raises(docker.errors.NotFound, match="Get cache: no such volume"):
        volume.remove()


def test_names_are_taken_once(client: Engine) -> None:
    client.volumes.create("cache", driver="local")
    with pytest.raises(
        ServerError, match=r"A volume named cache already exists\. Choose a different volume name\."
    ):
        client.volumes.create("cache", driver="local")


def test_sizes_and_stores(simulate: Simulate, connect: Connect) -> None:
    vch = simulate(volume_stores=["default", "fast"])
    engine = connect(vch)
    engine.volumes.create("plain", driver="local")
    engine.volumes.create("fast", driver="vsphere", driver_opts={"VOLUMESTORE": "fast", "capacity": "2048"})
    assert {name: (each.store, each.size) for name, each in vch.volumes.items()} == {
        "plain": ("default", 1024),
        "fast": ("fast", 2048),
    }


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        ({"VolumeStore": "nowhere"}, 500, r"No volume store named \(nowhere\) exists"),
        ({"Capacity": "0"}, 500, "bad driver value - Invalid size: 0"),
        ({"Capacity": "much"}, 500, "bad driver value - invalid size: 'much'"),
        ({"Capacity": "9" * 20}, 500, "bad driver value - Capacity value too large: 9999"),
        ({"Capacity": "1kb"}, 500, r"\[POST /storage/volumes\]\[500\] createVolumeInternalServerError"),
        ({"size": "10G"}, 500, "bad driver value - size is not a supported option"),
    ],
)
def test_options_that_are_refused(client: Engine, options: dict[str, str], status: int, words: str) -> None:
    with pytest.raises(EngineError, match=words) as error:
        client.volumes.create("cache", driver="local", driver_opts=options)
    assert error.value.status == status
    assert client.volumes.list() == []


def test_other_drivers_and_bad_names(client: Engine) -> None:
    for driver in ("nfs", ""):
        with pytest.raises(ServerError, match=f"^error looking up volume plugin {driver}: plugin not found$"):
            client.json("POST", "/volumes/create", body={"Name": "cache", "Driver": driver})
    with pytest.raises(ServerError, match="error looking up volume plugin : plugin not found"):
        client.json("POST", "/volumes/create", body={"Name": "cache"})
    with pytest.raises(ServerError, match=r'^volume name "ca/che" includes invalid characters'):
        client.volumes.create("ca/che", driver="local")
    with pytest.raises(ServerError, match=r'^Server error from portlayer: volume name "ca/che" includes'):
        make(client, "dev", Binds=["ca/che:/data"])
    assert client.json("GET", "/volumes") == {"Volumes": None, "Warnings": None}


def test_without_a_default_store(simulate: Simulate, connect: Connect) -> None:
    engine = connect(simulate(volume_stores=["fast"]))
    for asked in (body(Binds=["named:/data"]), body(image=WITH_VOLUME)):
        with pytest.raises(ServerError, match=r"No volume store named \(default\) exists"):
            engine.containers.create("dev", asked)
    engine.volumes.create("named", driver="local", driver_opts={"VolumeStore": "fast"})
    make(engine, "dev", Binds=["named:/data"])


def test_binds(client: Engine) -> None:
    with pytest.raises(BadRequest, match="mounting directories as a data volume is not supported"):
        make(client, "dev", Binds=["/etc:/data"])
    for spec, words in (
        ("data", "mount path must be absolute"),
        ("a:/b:c:d", 'invalid bind mount spec "a:/b:c:d": invalid volume specification'),
    ):
        with pytest.raises(ServerError, match=words):
            make(client, "dev", Binds=[spec])
    make(client, "dev", Binds=["one:/one", "two:/two:ro"])
    mounts = {
        mount["Name"]: (mount["Destination"], mount["RW"])
        for mount in client.containers.inspect("dev")["Mounts"]
    }
    assert mounts == {"one": ("/one", True), "two": ("/two", False)}
    assert {volume["Name"] for volume in client.volumes.list()} == {"one", "two"}


def test_a_disk_is_one_running_containers(client: Engine) -> None:
    make(client, "one", Binds=["disk:/data"])
    make(client, "two", Binds=["disk:/data"])
    client.containers.start("one")
    with pytest.raises(Conflict, match="Conflict error from portlayer: device disk in use"):
        client.containers.start("two")
    with pytest.raises(ServerError, match="Resource in use"):
        client.containers.archive_put("two", "/data", tar("f", b"x"))
    client.containers.archive_put("two", "/tmp", tar("f", b"x"))
    client.containers.stop("one", grace=0)
    client.containers.start("two")


def test_volumes_stay_attached_until_the_container_is_removed(client: Engine) -> None:
    made = make(client, "dev", Binds=["disk:/data"])
    client.containers.start("dev")
    client.containers.stop("dev", grace=0)
    with pytest.raises(Conflict, match=f"^volume disk in use by {made}$"):
        client.volumes.remove("disk")
    assert client.volumes.list(filters={"dangling": ["true"]}) == []
    client.containers.remove("dev")
    assert [volume["Name"] for volume in client.volumes.list(filters={"dangling": ["true"]})] == ["disk"]
    client.volumes.remove("disk")


def test_content_stays_over_recreation(client: Engine) -> None:
    for _ in range(2):
        make(client, "dev", "echo x >> /data/f; exec sleep 60", Binds=["disk:/data"])
        client.containers.start("dev")
        client.containers.remove("dev", force=True)
    make(client, "dev", Binds=["disk:/data"])
    assert client.containers.archive_stat("dev", "/data/f").size == 4


def test_what_an_image_declares(vch: VchSimulator, client: Engine) -> None:
    client.containers.create("dev", body(image=WITH_VOLUME))
    (mount,) = client.containers.inspect("dev")["Mounts"]
    assert mount["Destination"] == "/data"
    assert vch.volumes[mount["Name"]].size == 1024
    client.containers.remove("dev", volumes=False)
    assert list(vch.volumes) == [mount["Name"]], "an anonymous volume is left behind"


def test_a_bind_takes_the_place_of_what_an_image_declares(vch: VchSimulator, client: Engine) -> None:
    client.containers.create("dev", body(image=WITH_VOLUME, Binds=["disk:/data"]))
    assert list(vch.volumes) == ["disk"]
    client.containers.remove("dev", volumes=True)
    assert list(vch.volumes) == ["disk"], "a named volume outlives its container"


@pytest.mark.parametrize(("version", "left"), [("1.2", 1), ("1.5", 0)])
def test_rm_v_came_with_vic_1_3(simulate: Simulate, connect: Connect, version: str, left: int) -> None:
    vch = simulate(version=version)
    engine = connect(vch)
    engine.containers.create("dev", body(image=WITH_VOLUME))
    engine.containers.remove("dev", volumes=True)
    assert len(vch.volumes) == left


def test_without_volumes_of_its_own_a_container_changes_the_image(client: Engine) -> None:
    """The hazard of `Volumes: null`: the next container gets the same "anonymous" volume."""
    asked = body(image=WITH_VOLUME)
    client.containers.create("before", asked)
    client.containers.create("first", {**asked, "Volumes": None})
    client.containers.create("after", asked)

    def volume(name: str) -> str:
        return str(client.containers.inspect(name)["Mounts"][0]["Name"])

    assert volume("first") != volume("before")
    assert volume("after") == volume("first")


def test_a_failed_create_leaves_no_volume(vch: VchSimulator, client: Engine) -> None:
    with pytest.raises(EngineError):
        make(client, "dev", Binds=["fine:/fine", "/etc:/bad"])
    assert vch.volumes == {}


def test_no_storage_left(vch: VchSimulator, client: Engine) -> None:
    vch.faults.storage_quota = True
    with pytest.raises(ServerError, match=r"^Storage quota exceeds\. Storage quota: 1GB, image storage"):
        make(client, "dev")
    # Volumes are no part of it (checkStorageQuota).
    client.volumes.create("disk", driver="local")
    vch.faults.storage_quota = False
    make(client, "dev")
