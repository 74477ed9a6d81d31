"""Bad input gets one clear error and a non-zero exit, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import socket
import sys
from typing import TYPE_CHECKING

import pytest
from proxies import Proxy
from users import LS, finish

if TYPE_CHECKING:
    from collections.abc import Iterator

    from users import User


@pytest.fixture(scope="module")
def machine(shared_user: User) -> str:
    """A machine that is in the way of others."""
    name = shared_user.name("first")
    shared_user.dinv("create", name)
    return name


@pytest.mark.parametrize(
    "name", ["under_score", "-dash", ".dot", "a/b", "a b", "ünicode", "", "x" * 69, "..", "a\n"]
)
def test_invalid_names(user: User, name: str) -> None:
    said = user.fails("create", "--", name)
    assert "name" in said
    assert not os.path.exists(user.store)


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (("--memory", "lots"), "--memory"),
        (("--memory", "64m"), "at least 128m"),
        (("--memory", "10000g"), "has"),
        (("--cpus", "many"), "--cpus"),
        (("--cpus", "0"), "--cpus"),
        (("--cpus", "5000"), "CPUs"),
        (("--cpus", "nan"), "--cpus"),
        (("--cache-size", "big"), "--cache-size"),
        (("--cache-volume", "/tmp"), "--cache-volume"),
        (("--network", "no-such-network"), "no-such-network"),
        (("--network", "host"), "host"),
        (("--ip", "10.0.0.9"), "--network"),
        (("--ip", "not-an-address", "--network", "bridge"), "--ip"),
        (("--publish", "nowhere"), "--publish"),
        (("--publish", ":99999"), "--publish"),
        (("--publish", "127.0.0.1:x"), "--publish"),
        (("--label", "novalue"), "--label"),
        (("--label", "io.dinv.machine=x"), "io.dinv."),
        (("--tls-san", "not a name"), "not a name"),
        (("--engine-opt", "tlsverify=false"), "tlsverify"),
        (("--engine-opt", "host=tcp://0.0.0.0:2375"), "host"),
        (("--engine-opt=-H=tcp://0.0.0.0:2375",), "--engine-opt"),
        (("--engine-label", "novalue"), "--engine-label"),
        (("--engine-env", "1X=2"), "--engine-env"),
        (("--engine-env", "A=b\nc"), "line break"),
        (("--timeout", "0"), "-timeout"),
        (("--timeout", "soon"), "-timeout"),
        (("--driver", "no-such-driver"), "no-such-driver"),
        (("--endpoint-cert-path", "/nowhere"), "--endpoint-cert-path"),
        (("--no-such-flag",), "-no-such-flag"),
        (("surplus",), "surplus"),
    ],
    ids=lambda value: "".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_flags_that_cannot_be(user: User, flags: tuple[str, ...], word: str) -> None:
    name = user.name("bad")
    result = user.dinv("create", name, *flags, status=None)
    assert result.returncode in (1, 3), result
    assert result.stderr.startswith("dinv: ")
    assert word in result.stderr
    assert user.traces(name) == []


def test_no_name_at_all(user: User) -> None:
    assert "name" in user.fails("create")
    assert "not a dinv command" in user.fails("craete")


def test_an_image_that_is_nowhere(user: User) -> None:
    name = user.name("img")
    said = user.fails("create", name, "--image", "registry.invalid/no/such:image", status=3)
    assert "registry.invalid/no/such:image is not on" in said
    assert "dinv image build" in said
    assert user.traces(name) == []


def test_a_name_that_the_store_has(shared_user: User, machine: str) -> None:
    before = shared_user.kept(machine)
    said = shared_user.fails("create", machine)
    assert f'machine "{machine}" already exists' in said
    assert f"dinv rm {machine}" in said
    assert shared_user.kept(machine) == before
    assert shared_user.dinv("status", machine).stdout == "Running\n"


def test_a_name_that_the_endpoint_has(user: User, shared_user: User, machine: str) -> None:
    """It is in another store: not ours to touch."""
    said = user.fails("create", machine, status=3)
    assert f"has a container dinv-{machine} already (a machine of another store)" in said
    assert not os.listdir(os.path.join(user.store, "machines"))
    assert shared_user.dinv("status", machine).stdout == "Running\n"


def test_a_port_of_another_machine(user: User) -> None:
    name, other = user.name("port"), user.name("other")
    user.dinv("create", "--no-context", other, "--publish", "127.0.0.1")
    address = user.dinv("url", other).stdout.strip().removeprefix("tcp://")
    said = user.fails("create", name, "--publish", address, status=3)
    assert f"Port {address.rpartition(':')[2]} is in use" in said
    assert f"by container dinv-{other}" in said
    assert user.traces(name) == []
    user.dinv("rm", "-y", other)


def test_a_port_of_some_other_program(user: User) -> None:
    name = user.name("port")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = user.fails("create", name, "--publish", f"127.0.0.1:{port}", status=3)
    assert f"Port {port} is in use" in said
    assert user.traces(name) == []


def test_a_port_that_is_taken_while_it_is_made(user: User) -> None:
    """Between the check and the start somebody else gets the port: the next one is tried."""
    name = user.name("race")
    sockets: list[socket.socket] = []

    def take() -> None:
        with user.engine() as engine:
            label = engine.containers.inspect(f"dinv-{name}")["Config"]["Labels"]["io.dinv.port"]
        sockets.append(socket.create_server(("127.0.0.1", int(label))))

    try:
        probe = _requests_of_a_create(user, "--publish", "127.0.0.1")
        at = next(n for n, request in enumerate(probe, 1) if request.endswith("/start"))
        with Proxy(user.endpoint, at=at, act=take) as proxy:
            user.dinv("create", name, "--endpoint", proxy.address, "--publish", "127.0.0.1")
            taken = sockets[0].getsockname()[1]
            assert user.dinv("url", name).stdout.strip() != f"tcp://127.0.0.1:{taken}"
            user.docker(name, "version")
            user.dinv("rm", "-y", name)
    finally:
        for each in sockets:
            each.close()
    assert user.traces(name) == []


def test_no_space(user: User) -> None:
    name, volume = user.name("full"), f"vol-{user.suffix}"
    with user.engine() as engine:
        engine.volumes.create(volume, driver_opts={"type": "tmpfs", "device": "tmpfs", "o": "size=4k"})
    said = user.fails("create", name, "--cache-volume", volume)
    assert "no space left on device" in said
    assert user.traces(name) == []


def test_a_daemon_that_dies_at_start_shows_its_last_lines(user: User) -> None:
    name = user.name("dies")
    said = user.fails("create", name, "--engine-opt", "no-such-option=1")
    assert "ended with status" in said
    assert "unknown flag: --no-such-option" in said
    assert user.traces(name) == []


def test_a_storage_driver_that_is_none(user: User) -> None:
    name = user.name("dies")
    said = user.fails("create", name, "--engine-storage-driver", "no-such-driver")
    assert "no-such-driver" in said
    assert user.traces(name) == []


def test_an_image_that_is_no_machine_image(user: User) -> None:
    """It ends at once: there is nothing in it that runs."""
    from users import busybox_tar

    image, name = f"plain-{user.suffix}", user.name("img")
    user.run("docker", "-H", user.endpoint, "import", "-c", "CMD true", "-", image, data=busybox_tar())
    try:
        user.fails("create", name, "--image", image)
        assert user.traces(name) == []
    finally:
        user.run("docker", "-H", user.endpoint, "rmi", image)


@pytest.fixture
def spoilt(shared_user: User, machine: str) -> Iterator[str]:
    """The path of a config.json beside the machine's."""
    name = shared_user.name("spoilt")
    directory = os.path.join(shared_user.store, "machines", name)
    os.mkdir(directory)
    yield os.path.join(directory, "config.json")
    shared_user.dinv("rm", "-f", name)
    assert not os.path.exists(directory)


@pytest.mark.parametrize(
    ("what", "word"),
    [
        ("truncated", "not valid JSON"),
        ("empty", "not valid JSON"),
        ("unreadable", "directory"),
        ("newer", "from the future"),
        ("ours newer", "from the future"),
        ("no object", "not a JSON object"),
        ("missing", "No such file"),
        ("nested too deep", "nested too deep"),
    ],
)
def test_a_config_that_cannot_be_read(
    shared_user: User, machine: str, spoilt: str, what: str, word: str
) -> None:
    """Its own commands say so; the other machines still list."""
    name = shared_user.name("spoilt")
    with open(os.path.join(shared_user.store, "machines", machine, "config.json"), encoding="utf-8") as file:
        good = json.load(file)
    content = {
        "truncated": json.dumps(good)[:200],
        "empty": "",
        "newer": json.dumps({**good, "ConfigVersion": 4}),
        "ours newer": json.dumps({**good, "Dinv": {**good["Dinv"], "Version": 2}}),
        "no object": "[]",
        "nested too deep": "[" * 100_000,
    }.get(what)
    if content is not None:
        with open(spoilt, "w", encoding="utf-8") as file:
            file.write(content)
    elif what == "unreadable":
        os.mkdir(spoilt)
    rows = {row["Name"]: row for row in json.loads(shared_user.dinv(*LS, "--format", "json").stdout)}
    assert rows[machine]["State"] == "Running"
    assert rows[name]["State"] == "Error"
    assert shared_user.dinv("ls", "-q").stdout == f"{machine}\n"
    table = shared_user.dinv(*LS).stdout
    assert machine in table
    assert name in table
    for verb in ("url", "status", "start", "inspect"):
        said = shared_user.fails(verb, name)
        assert word in said or "newer" in said, f"{verb}: {said}"
    if what != "missing":
        shared_user.dinv("create", name, status=1)
        assert os.path.exists(spoilt), "a create does not take what it cannot read for its own"


@pytest.mark.parametrize("verb", ["create", "rm", "stop"])
def test_a_store_that_cannot_be_written(shared_user: User, machine: str, verb: str) -> None:
    """Mounted read-only, since root may write whatever the modes say."""
    name = shared_user.name("ro") if verb == "create" else machine
    words = [sys.executable, "-m", "dinv", verb, *(["-y"] if verb == "rm" else []), name]
    script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    said = shared_user.run("unshare", "-m", "sh", "-c", script, shared_user.store, *words, status=1)
    assert "cannot be written" in said
    assert shared_user.store in said
    assert "Traceback" not in said
    assert shared_user.dinv("status", machine).stdout == "Running\n"
    if verb == "create":
        assert [trace for trace in shared_user.traces(name) if "context" not in trace] == []


def test_a_store_that_cannot_be_made(user: User) -> None:
    name = user.name("none")
    said = user.fails("--storage-path", "/proc/no/such", "create", name)
    assert "cannot be written" in said
    assert "MACHINE_STORAGE_PATH" in said
    assert user.traces(name) == []


def test_a_docker_context_of_that_name_that_is_somebody_elses(user: User) -> None:
    """The machine is made all the same; their context is not touched."""
    name = user.name("ctx")
    user.run("docker", "context", "create", name, "--docker", "host=tcp://192.0.2.1:2376")
    made = user.dinv("create", name)
    assert f'There is a docker context "{name}" already' in made.stderr
    assert "--context" not in made.stdout
    shown = user.run("docker", "context", "inspect", name)
    assert "tcp://192.0.2.1:2376" in shown
    user.dinv("rm", "-y", name)
    assert "tcp://192.0.2.1:2376" in user.run("docker", "context", "inspect", name)


def test_output_that_nobody_reads(shared_user: User, machine: str) -> None:
    dinv = f"{sys.executable} -m dinv"
    for script in (
        f"{dinv} logs {machine} | true",
        f"{dinv} ls | true",
        f"{dinv} status nobody 2>&-; true",
        f"{dinv} ls >&-",
        f"{dinv} ls <&- >&- 2>&-",
        f"{dinv} status nobody 2>/dev/full; true",
    ):
        assert shared_user.run("sh", "-c", script) == "", script
    said = shared_user.run("sh", "-c", f"{dinv} ls >/dev/full", status=1)
    assert said == (
        "dinv: The output cannot be written: No space left on device. Free some space there, and try again.\n"
    )


def test_a_create_whose_output_nobody_reads_is_undone_or_done(user: User) -> None:
    name = user.name("pipe")
    user.run("sh", "-c", f"{sys.executable} -m dinv create {name} >/dev/full", status=1)
    assert user.traces(name) == []
    user.run("sh", "-c", f"{sys.executable} -m dinv create {name} >&-")
    user.docker(name, "version")


def _requests_of_a_create(user: User, *flags: str) -> list[str]:
    """The calls that a create which is told what this one is told makes, in order."""
    name = user.name("probe")
    with Proxy(user.endpoint) as proxy:
        finish(user.begin("create", name, "--endpoint", proxy.address, *flags))
        requests = list(proxy.requests)
        user.dinv("rm", "-y", name)
    return requests
