"""Containers on a simulated VCH, from create to rm."""

from __future__ import annotations

import contextlib
import io
import threading
import time
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import pytest
from vch_client import IMAGE, WITH_VOLUME, body, make, tar

from dinv.errors import Conflict, EngineError, NotFound, ServerError

if TYPE_CHECKING:
    from vch_client import Connect, Simulate

    from dinv.engine import Engine
    from dinv.testing.vch import VchSimulator

MIB = 1024 * 1024


def _soon(condition: Any, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it has not come to be"
        time.sleep(0.01)


def _background(call: Any) -> tuple[threading.Thread, list[BaseException]]:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, failures


def _end_boots_soon(vch: VchSimulator) -> None:
    """End the boots that go on, in a moment: what is asked until then meets them."""
    threading.Timer(0.5, setattr, (vch, "start_delay", 0)).start()


def test_a_life(vch: VchSimulator, docker_py: docker.DockerClient) -> None:
    """As docker-py, a client that is not dinv's, lives it."""
    container = docker_py.containers.create(IMAGE, ["sh", "-c", "echo up; exec sleep 60"], name="dev")
    assert container.status == "created"
    container.start()
    container.reload()
    assert container.status == "running"
    assert container.exec_run(["echo", "hello"]).output == b"hello\n"
    _soon(lambda: container.logs() == b"up\n")  # its exec may have come before its own first word
    assert next(iter(container.stats(decode=True, stream=True)))["id"] == container.id
    container.stop(timeout=0)
    assert container.wait()["StatusCode"] == 137
    container.restart(timeout=0)
    container.rename("other")
    assert [each.name for each in docker_py.containers.list()] == ["other"]
    container.kill()
    container.remove(v=True)
    with pytest.raises(docker.errors.NotFound, match="No such container: other"):
        docker_py.containers.get("other")
    assert not vch.calls.unimplemented


def test_ignored_fields_are_dropped(vch: VchSimulator, client: Engine, engine: Engine) -> None:
    asked = body(
        Privileged=True,
        CapAdd=["SYS_TIME"],
        Mounts=[{"Type": "volume", "Source": "mounted", "Target": "/mnt"}],
        RestartPolicy={"Name": "always"},
        Ulimits=[{"Name": "nofile", "Soft": 100, "Hard": 100}],
        NanoCpus=500_000_000,
        LogConfig={"Type": "none"},
    )
    asked["Healthcheck"] = {"Test": ["CMD", "true"]}
    created, _ = client.containers.create("dev", asked)
    shown = client.containers.inspect(created)
    # Honoured or not, it is shown again, but for resources and the type of log.
    assert shown["HostConfig"]["Privileged"] is True
    assert shown["HostConfig"]["CapAdd"] == ["SYS_TIME"]
    assert shown["HostConfig"]["RestartPolicy"]["Name"] == "always"
    assert shown["HostConfig"]["LogConfig"]["Type"] == "json-file"
    assert shown["HostConfig"]["NanoCpus"] == 0
    assert "Ulimits" not in shown["HostConfig"]
    assert shown["Mounts"] is None
    assert "Health" not in shown["State"]
    behind = engine.containers.inspect(vch.behind_name("dev"))
    assert behind["HostConfig"]["Privileged"] is False
    assert behind["HostConfig"]["RestartPolicy"]["Name"] in ("", "no")
    assert behind["HostConfig"]["NanoCpus"] != 500_000_000
    assert not behind["HostConfig"].get("Ulimits")
    assert behind["Mounts"] == []
    assert set(vch.calls.ignored) == {
        "Healthcheck",
        *(f"HostConfig.{name}" for name in ("Privileged", "CapAdd", "Mounts", "RestartPolicy", "Ulimits")),
        *(f"HostConfig.{name}" for name in ("NanoCpus", "LogConfig")),
    }


def test_what_inspect_shows_of_it(client: Engine) -> None:
    asked = body(image=WITH_VOLUME, Binds=["disk:/data", "other:/other"]) | {
        "Env": ["A=1"],
        "ExposedPorts": {"99/tcp": {}},
        "Tty": True,
    }
    made, _ = client.containers.create("dev", asked)
    shown = client.containers.inspect("dev")
    config = shown["Config"]
    assert [each.partition("=")[0] for each in config["Env"]] == ["A", "PATH", "TERM"]
    attached = ("AttachStdin", "AttachStdout", "AttachStderr", "StdinOnce")
    assert all(config[name] is True for name in attached)
    assert config["Volumes"] == {"disk:/data:rw": {}}, "what the image declares, as it was bound"
    assert config["ExposedPorts"] is None, "those of the call are dropped"
    assert config["Hostname"] == made[:12]
    assert ":" not in shown["Image"]
    assert shown["HostConfig"]["Binds"] == ["disk:/data", "other:/other"]
    assert shown["HostConfig"]["NetworkMode"] == "bridge", "what the default is"
    assert {mount["Name"] for mount in shown["Mounts"]} == {"disk", "other"}
    assert (shown["State"]["Status"], shown["State"]["StartedAt"], shown["State"]["FinishedAt"]) == (
        *("created", "", ""),
    )
    (listed,) = client.containers.list(all=True)
    empty: dict[str, Any] = {
        "ImageID": "",
        "Ports": None,
        "Mounts": None,
        "HostConfig": {},
        "NetworkSettings": None,
    }
    assert {name: listed[name] for name in empty} == empty


def test_empty_lists_are_no_command_of_ones_own(client: Engine) -> None:
    """Then the image's command holds; with an entrypoint of one's own, too."""
    client.containers.create("dev", body() | {"Entrypoint": [], "Cmd": []})
    image = client.images.inspect(IMAGE)["Config"]
    assert client.containers.inspect("dev")["Config"]["Cmd"] == image["Cmd"]
    client.containers.create("own", body() | {"Entrypoint": ["echo"], "Cmd": []})
    shown = client.containers.inspect("own")
    assert (shown["Path"], shown["Args"]) == ("echo", image["Cmd"])


def test_a_container_vm_can_nest(vch: VchSimulator, client: Engine, engine: Engine) -> None:
    make(client, "dev")
    behind = engine.containers.inspect(vch.behind_name("dev"))["HostConfig"]
    assert {name.removeprefix("CAP_") for name in behind["CapAdd"]} == {"SYS_ADMIN", "NET_ADMIN"}
    assert "seccomp=unconfined" in behind["SecurityOpt"]
    assert behind["MaskedPaths"] == behind["ReadonlyPaths"] == []


def test_cpus_and_memory(vch: VchSimulator, client: Engine, engine: Engine) -> None:
    make(client, "dev", Memory=600 * MIB, CpusetCpus="1")
    shown = client.containers.inspect("dev")["HostConfig"]
    assert (shown["Memory"], shown["CpusetCpus"]) == (640, "1")
    behind = engine.containers.inspect(vch.behind_name("dev"))["HostConfig"]
    assert (behind["Memory"], behind["NanoCpus"], behind["CpusetCpus"]) == (640 * MIB, 1_000_000_000, "")
    make(client, "plain")
    assert client.containers.inspect("plain")["HostConfig"]["Memory"] == 2048


def test_names_are_taken_once(client: Engine) -> None:
    first = make(client, "dev")
    with pytest.raises(
        Conflict, match=rf'^conflict\. The name "dev" is already in use by container {first}\.'
    ):
        make(client, "dev")
    second = make(client, "other")
    with pytest.raises(Conflict, match="already in use"):
        client.containers.rename(second, "dev")
    client.containers.remove(first)
    client.containers.rename(second, "dev")
    assert client.containers.inspect(second[:12])["Name"] == "/dev"


def test_two_vchs_do_not_see_each_other(simulate: Simulate, connect: Connect) -> None:
    first, second = connect(simulate()), connect(simulate())
    make(first, "dev")
    assert second.containers.list(all=True) == []
    make(second, "dev")
    assert len(second.containers.list(all=True)) == 1


def test_what_cannot_be_created(client: Engine) -> None:
    with pytest.raises(NotFound, match="No such image: nothing-here:latest"):
        client.containers.create("dev", {"Image": "nothing-here", "Cmd": ["x"]})
    with pytest.raises(ServerError, match="Error parsing CPU count"):
        make(client, "dev", CpusetCpus="0-1")
    with pytest.raises(ServerError, match=r"&\{Code:500 Message:scope nowhere not found\}"):
        make(client, "dev", NetworkMode="nowhere")
    # Docker's CLI and dinv name one; a VCH has no other idea of what is meant.
    hosts: list[dict[str, Any]] = [{"HostConfig": None}, {"HostConfig": {}}, {}]
    for host in hosts:
        asked = {name: value for name, value in body().items() if name != "HostConfig"}
        with pytest.raises(ServerError, match=r"portlayer: \[POST /scopes/{scope}/containers\]"):
            client.containers.create("dev", {**asked, **host})
    assert client.containers.list(all=True) == []


def test_labels_are_the_clients_alone(client: Engine) -> None:
    client.containers.create("dev", body() | {"Labels": {"mine": "1"}})
    assert client.containers.inspect("dev")["Config"]["Labels"] == {"mine": "1"}
    assert client.containers.list(all=True, filters={"label": ["from=image"]}) == []
    (listed,) = client.containers.list(all=True, filters={"label": ["mine=1"]})
    assert listed["Names"] == ["/dev"]


def test_labels_may_leak(vch: VchSimulator, client: Engine) -> None:
    client.containers.create("one", body() | {"Labels": {"name": "one"}})
    client.containers.create("two", body() | {"Labels": {"name": "two"}})
    vch.faults.leak_labels = True
    assert client.containers.inspect("one")["Config"]["Labels"] == {"name": "two"}
    assert [each["Names"] for each in client.containers.list(all=True, filters={"label": ["name=two"]})] == [
        ["/one"]
    ]


def test_list_filters(client: Engine) -> None:
    running = make(client, "running")
    make(client, "stopped")
    client.containers.start(running)

    def names(**filters: list[str]) -> list[str]:
        return [each["Names"][0] for each in client.containers.list(all=True, filters=filters)]

    assert names(status=["running"]) == ["/running"]
    assert names(name=["stop"]) == ["/stopped"]
    assert names(id=[running[:12]]) == ["/running"]
    assert [each["Names"] for each in client.containers.list()] == [["/running"]]
    with pytest.raises(ServerError, match="filter ancestor is not currently supported by vic"):
        names(ancestor=[IMAGE])


def test_a_start_takes_a_boot(simulate: Simulate, connect: Connect) -> None:
    vch = simulate(start_delay=60, retry_seconds=0.5)
    engine, other = connect(vch), connect(vch)
    make(engine, "dev")
    thread, failures = _background(lambda: other.containers.start("dev"))
    _soon(lambda: engine.containers.inspect("dev")["State"]["Status"] == "Starting")
    assert engine.containers.inspect("dev")["State"] == {
        **engine.containers.inspect("dev")["State"],
        "Status": "Starting",
        "Running": False,
        "StartedAt": "",
        "FinishedAt": "",
    }
    (listed,) = engine.containers.list(all=True)
    assert (listed["State"], listed["Status"]) == ("Starting", "Starting")
    assert engine.containers.list() == []
    with pytest.raises(Conflict, match="ContainerStart request is already in progress for container 'dev'"):
        engine.containers.start("dev")
    with pytest.raises(Conflict, match="The container is starting"):
        engine.containers.remove("dev")
    with pytest.raises(Conflict, match="collision of concurrent operations"):
        engine.containers.stop("dev", grace=0)
    with pytest.raises(ServerError, match="Resource in use"):
        engine.containers.archive_put("dev", "/", tar("f", b"x"))
    # What VIC tries again, for 20 minutes.
    _end_boots_soon(vch)
    engine.execs.create("dev", ["true"])
    thread.join()
    assert not failures
    assert engine.containers.inspect("dev")["State"]["Running"] is True


def test_what_goes_on_is_waited_for(simulate: Simulate, connect: Connect) -> None:
    """A start and a stop that meet another one are tried again, a minute long; here as long as it takes."""
    vch = simulate(start_delay=60, retry_seconds=20)
    engine, other = connect(vch), connect(vch)
    make(engine, "dev")
    thread, failures = _background(lambda: other.containers.start("dev"))
    _soon(lambda: engine.containers.inspect("dev")["State"]["Status"] == "Starting")
    _end_boots_soon(vch)
    engine.containers.start("dev")
    thread.join()
    vch.start_delay = 60
    thread, more = _background(lambda: other.containers.restart("dev", grace=0))
    _soon(lambda: engine.containers.inspect("dev")["State"]["Status"] == "Starting")
    _end_boots_soon(vch)
    engine.containers.stop("dev", grace=0)
    thread.join()
    assert failures == more == []


def test_a_stop_takes_its_time(vch: VchSimulator, connect: Connect) -> None:
    engine, other = connect(vch), connect(vch)
    make(engine, "dev", "trap '' TERM; while :; do sleep 0.1; done")
    engine.containers.start("dev")
    thread, failures = _background(lambda: other.containers.stop("dev", grace=60))
    _soon(lambda: engine.containers.inspect("dev")["State"]["Status"] == "Stopping")
    (listed,) = engine.containers.list(all=True)
    assert (listed["State"], listed["Status"], listed["Ports"]) == ("Stopping", "Stopping", None)
    assert engine.containers.inspect("dev")["State"]["Running"] is False
    vch.power_off("dev")  # or it would be all of its grace
    thread.join()
    assert not failures


def test_removal_by_force_ends_a_start(simulate: Simulate, connect: Connect) -> None:
    vch = simulate(start_delay=60)
    engine, other = connect(vch), connect(vch)
    make(engine, "dev")
    thread, failures = _background(lambda: other.containers.start("dev"))
    _soon(lambda: engine.containers.inspect("dev")["State"]["Status"] == "Starting")
    engine.containers.remove("dev", force=True)
    vch.start_delay = 0
    thread.join()
    assert [type(error) for error in failures] == [NotFound]


def test_power_in_the_wrong_state(client: Engine) -> None:
    made = make(client, "dev")
    with pytest.raises(ServerError, match=f"Cannot kill container dev: {made} is not running"):
        client.containers.kill("dev")
    with pytest.raises(ServerError, match="Invalid signal: NOPE"):
        client.containers.kill("dev", signal="NOPE")
    with pytest.raises(ServerError, match=r"Server error from portlayer: container \(dev\) is not running"):
        client.execs.create("dev", ["true"])
    with pytest.raises(ServerError, match="renaming a container with the same name as its current name"):
        client.containers.rename("dev", "dev")
    with pytest.raises(ServerError, match=r"invalid container name \(a b\)"):
        client.containers.rename("dev", "a b")
    client.containers.stop("dev")
    for _ in range(2):
        with client.request("POST", "/containers/dev/start") as answer:
            assert answer.status == 204
    with pytest.raises(Conflict, match="You cannot remove a running container"):
        client.containers.remove("dev")
    client.containers.remove("dev", force=True)


def test_a_command_that_is_not_there(client: Engine) -> None:
    client.containers.create("dev", body() | {"Cmd": ["no-such-program"]})
    with pytest.raises(ServerError, match="unable to wait for process launch status"):
        client.containers.start("dev")


def test_a_stop_kills_after_its_grace(client: Engine) -> None:
    make(client, "dev", "trap '' TERM; while :; do sleep 0.1; done")
    client.containers.start("dev")
    client.containers.stop("dev", grace=1)
    state = client.containers.inspect("dev")["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 137)


def test_exec_streams(client: Engine) -> None:
    make(client, "dev")
    client.containers.start("dev")
    out: list[bytes] = []
    err: list[bytes] = []
    # The end of standard input has to come through, or cat never ends.
    data = bytes(range(256)) * 4000
    assert client.execs.run("dev", ["cat"], stdin=io.BytesIO(data), stdout=out.append, timeout=30) == 0
    assert b"".join(out) == data
    assert client.execs.run("dev", ["sh", "-c", "echo no >&2; exit 3"], stderr=err.append, timeout=30) == 3
    assert err == [b"no\n"]
    identity = client.execs.create("dev", ["sh"], stdin=True, tty=True)
    with client.execs.start(identity, tty=True) as stream:
        client.execs.resize(identity, height=40, width=100)
        stream.sendall(b"exit 4\n")
        while stream.recv(timeout=60):
            pass
    assert client.execs.exit_code(identity) == 4
    shown = client.json("GET", f"/exec/{identity}/json")
    assert shown["ProcessConfig"]["arguments"] == ["sh"], "the command is its own first argument"
    with pytest.raises(NotFound, match="no container was found with exec id: 0123"):
        client.json("GET", "/exec/0123/json")
    with pytest.raises(ServerError, match="No exec command specified"):
        client.json("POST", "/containers/dev/exec", body={"Cmd": []})
    made = client.containers.inspect("dev")["Id"]
    client.containers.stop("dev", grace=0)
    with pytest.raises(NotFound, match=rf"container \({made}\) has been stopped"):
        client.json("GET", f"/exec/{identity}/json")


def test_attach(client: Engine) -> None:
    asked = body("read line; echo got $line") | {"OpenStdin": True, "StdinOnce": True, "AttachStdin": True}
    client.containers.create("dev", asked)
    out: list[bytes] = []
    with client.containers.attach("dev", stdin=True, tty=False) as stream:
        client.containers.start("dev")
        stream.copy(stdin=io.BytesIO(b"it\n"), stdout=out.append, timeout=60)
    assert b"".join(out) == b"got it\n"


def test_logs_are_followed(client: Engine) -> None:
    make(client, "dev", "for i in 1 2 3; do echo $i; sleep 0.1; done")
    client.containers.start("dev")
    with client.containers.logs("dev", follow=True) as output:
        assert b"".join(data for _, data in output) == b"1\n2\n3\n"
    assert client.containers.wait("dev", timeout=60) == 0


def test_logs_are_all_standard_outputs(client: Engine) -> None:
    make(client, "dev", "echo out; echo err >&2")
    client.containers.start("dev")
    assert client.containers.wait("dev", timeout=60) == 0
    for asked in ({"stderr": False}, {"stdout": False}, {}):
        with client.containers.logs("dev", **asked) as output:
            assert sorted(output) == [("stdout", b"err\n"), ("stdout", b"out\n")]
    with pytest.raises(ServerError, match=r'error parsing tail option: strconv\.ParseInt: parsing "x"'):
        client.call("GET", "/containers/dev/logs", query={"stdout": "1", "tail": "x"})


def test_no_log_is_an_empty_one(vch: VchSimulator, client: Engine) -> None:
    make(client, "dev")
    vch.faults.port_layer("GetContainerLogs", 500)
    with client.containers.logs("dev") as output:
        assert list(output) == []


def test_vic_1_1_logs_have_no_times(simulate: Simulate, connect: Connect) -> None:
    engine = connect(simulate(version="1.1"))
    make(engine, "dev")
    with pytest.raises(ServerError, match="timestamps"):
        engine.containers.logs("dev", timestamps=True)
    with engine.containers.logs("dev") as output:
        assert list(output) == []


def test_commit_wants_a_stopped_container(client: Engine, engine: Engine) -> None:
    make(client, "dev")
    client.containers.start("dev")
    query = {"container": "dev", "repo": "dinv-vch-test-commit", "tag": "latest"}
    with pytest.raises(Conflict, match="does not yet support commit of a running container"):
        client.json("POST", "/commit", query=query)
    client.containers.stop("dev", grace=0)
    made = client.json("POST", "/commit", query=query)["Id"]
    client.call("DELETE", "/images/dinv-vch-test-commit:latest")
    with pytest.raises(NotFound):
        engine.images.inspect(made)


def test_removed_behind_its_clients_back(vch: VchSimulator, client: Engine) -> None:
    make(client, "dev", Binds=["disk:/data"])
    client.containers.start("dev")
    vch.vanish("dev")
    with pytest.raises(NotFound, match="No such container: dev"):
        client.containers.inspect("dev")
    assert client.containers.list(all=True) == []
    client.volumes.remove("disk")
    make(client, "dev")


def test_a_container_may_remove_itself(client: Engine) -> None:
    make(client, "dev", "true", AutoRemove=True)
    client.containers.start("dev")
    _soon(lambda: not client.containers.list(all=True))


def test_events(client: Engine) -> None:
    made = make(client, "dev")
    client.containers.start(made)
    client.containers.remove(made, force=True)
    now = int(time.time()) + 1
    with client.request("GET", "/events", query={"since": str(now - 60), "until": str(now)}) as response:
        text = response.read().decode()
    assert '"create"' in text
    assert '"name": "dev"' in text


def test_closing_ends_what_is_waited_for(simulate: Simulate, connect: Connect) -> None:
    vch = simulate()
    engine, second, third, fourth = (connect(vch) for _ in range(4))
    make(engine, "dev")
    engine.containers.start("dev")
    vch.start_delay = 60
    make(engine, "booting")

    def follow() -> None:
        with second.containers.logs("dev", follow=True) as output:
            list(output)

    waits = [
        _background(lambda: third.containers.wait("dev", timeout=60)),
        _background(follow),
        _background(lambda: fourth.containers.start("booting", timeout=60)),
    ]
    _soon(lambda: len(vch.calls) >= 6)
    _soon(lambda: engine.containers.inspect("booting")["State"]["Status"] == "Starting")
    vch.close()
    for thread, _ in waits:
        thread.join(20)
        assert not thread.is_alive()


def test_a_client_that_goes_leaves_nothing_waiting(vch: VchSimulator, connect: Connect) -> None:
    engine = connect(vch)
    make(engine, "dev")
    engine.containers.start("dev")
    output = engine.containers.logs("dev", follow=True)
    _soon(lambda: len(vch.state.behind._open) == 1)
    output.close()
    _soon(lambda: not vch.state.behind._open)


def test_eight_at_once(vch: VchSimulator, connect: Connect) -> None:
    engines = [connect(vch) for _ in range(8)]

    def live(engine: Engine, name: str) -> None:
        make(engine, name, Binds=[f"{name}:/data"])
        engine.containers.start(name)
        engine.containers.remove(name, force=True)
        engine.volumes.remove(name)

    runs = [_background(lambda each=each, i=i: live(each, f"dev{i}")) for i, each in enumerate(engines)]
    for thread, _ in runs:
        thread.join()
    assert [error for _, failures in runs for error in failures] == []
    with contextlib.suppress(EngineError):
        assert engines[0].volumes.list() == []
