"""A machine in use: what a Docker host is for, through `env`, through the context, through compose."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import tarfile
import time
from typing import TYPE_CHECKING

import pytest
from harness import import_busybox
from users import LS, check_memory_limits, eventually, says

if TYPE_CHECKING:
    from users import User


@pytest.fixture(scope="module")
def machine(shared_user: User) -> str:
    """A machine with the image `hello` in it."""
    name = shared_user.name("use")
    shared_user.dinv("create", name)
    shared_user.import_hello(name)
    return name


def config(user: User, *words: str) -> str:
    """What `config` prints once the machine answers within the little time that it is given there."""
    end = time.monotonic() + 20
    while (result := user.dinv("config", *words, status=None)).returncode:
        assert time.monotonic() < end, result.stderr
    return result.stdout


def test_through_env(shared_user: User, machine: str) -> None:
    script = (
        f'eval "$({sys.executable} -m dinv env --shell sh {machine})" && docker run --rm hello echo it works'
    )
    assert "it works\n" in shared_user.run("sh", "-c", script)


def test_through_the_context(shared_user: User, machine: str) -> None:
    assert "it works\n" in shared_user.run(
        "docker", "--context", machine, "run", "--rm", "hello", "echo", "it works"
    )
    shown = json.loads(shared_user.run("docker", "context", "inspect", machine))[0]
    assert shown["Endpoints"]["docker"]["Host"] == shared_user.dinv("url", machine).stdout.strip()


def test_through_config(shared_user: User, machine: str) -> None:
    flags = config(shared_user, machine).replace("\n", " ")
    assert "it works\n" in shared_user.run("sh", "-c", f"eval docker '{flags}' run --rm hello echo it works")


def test_published_ports(shared_user: User, machine: str) -> None:
    shared_user.docker(
        machine,
        *("run", "-d", "--name", "web", "-p", "8080:80", "hello"),
        *("sh", "-c", "echo served >/tmp/page && httpd -f -p 80 -h /tmp"),
    )
    address = shared_user.dinv("ip", "--own", machine).stdout.strip()

    def served() -> bool:
        return "served" in shared_user.inside(
            machine, "sh", "-c", "curl --silent --max-time 5 http://127.0.0.1:8080/page || true"
        ) and "served" in shared_user.inside(
            machine, "sh", "-c", f"curl --silent --max-time 5 http://{address}:8080/page || true"
        )

    eventually(served)
    # And from another container of the machine, by the machine's bridge.
    said = shared_user.docker(machine, "run", "--rm", "hello", "wget", "-qO-", f"http://{address}:8080/page")
    assert said == "served\n"


def test_memory_limits(shared_user: User, machine: str) -> None:
    check_memory_limits(shared_user, machine)


def test_build(shared_user: User, machine: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("build")
    (directory / "Dockerfile").write_text(
        "FROM hello\nCOPY note /note\nRUN cat /note > /built\nCMD cat /built\n"
    )
    (directory / "note").write_text("from the build\n")
    shared_user.docker(machine, "build", "-t", "built", str(directory))
    assert shared_user.docker(machine, "run", "--rm", "built") == "from the build\n"


OF_A_CONTAINER = r"^[0-9a-f]{12}\n?$"
"""A host name."""


def test_volumes_and_networks(shared_user: User, machine: str) -> None:
    shared_user.docker(machine, "volume", "create", "data")
    shared_user.docker(
        machine, "run", "--rm", "-v", "data:/data", "hello", "sh", "-c", "echo kept >/data/file"
    )
    assert (
        shared_user.docker(machine, "run", "--rm", "-v", "data:/data", "hello", "cat", "/data/file")
        == "kept\n"
    )
    shared_user.docker(machine, "network", "create", "inner")
    shared_user.docker(
        machine,
        *(
            "run",
            "-d",
            "--name",
            "peer",
            "--network",
            "inner",
            "hello",
            "httpd",
            "-f",
            "-p",
            "80",
            "-h",
            "/etc",
        ),
    )
    # By the name that the machine's daemon resolves; it may take a while until somebody listens there.
    ask = ("run", "--rm", "--network", "inner", "hello", "wget", "-qO-", "http://peer/hostname")
    says(lambda: shared_user.docker(machine, *ask, status=None), OF_A_CONTAINER)


def test_compose(shared_user: User, machine: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("compose")
    (directory / "docker-compose.yml").write_text(
        "version: '3'\n"
        "services:\n"
        "  one:\n    image: hello\n    command: httpd -f -p 80 -h /etc\n"
        "  two:\n    image: hello\n    command: sleep 600\n"
    )
    compose = _compose(shared_user)
    file = ("-f", str(directory / "docker-compose.yml"), "-p", "both")
    environment = shared_user.variables(machine)
    shared_user.run(*compose, *file, "up", "-d", env=environment)
    try:
        running = shared_user.docker(machine, "ps", "--format", "{{.Names}}", "--filter", "name=both")
        assert len(running.split()) == 2
        ask = (*compose, *file, "exec", "-T", "two", "wget", "-qO-", "http://one/hostname")
        says(lambda: shared_user.run(*ask, env=environment, status=None), OF_A_CONTAINER)
    finally:
        shared_user.run(*compose, *file, "down", "-t", "1", env=environment)


def test_df_counts_what_is_in_the_cache(shared_user: User, machine: str) -> None:
    usage = json.loads(shared_user.dinv("df", "--format", "json", machine).stdout)[0]
    assert usage["Name"] == machine
    assert usage["CacheVolume"] == f"dinv-{machine}-cache"
    assert usage["Images"] >= os.path.getsize("/bin/busybox")
    assert 0 < usage["Available"] <= usage["Size"]
    head, row = shared_user.dinv("df", machine).stdout.splitlines()
    assert head.split()[:2] == ["MACHINE", "CACHE"]
    assert row.split()[0] == machine


def test_records_of_a_real_machine_agree(shared_user: User, machine: str) -> None:
    found = {}
    for verb in ("status", "url", "env", "version", "inspect"):
        found[verb] = json.loads(shared_user.dinv(verb, "--format", "json", machine).stdout)
    found["config"] = json.loads(config(shared_user, "--format", "json", machine))
    found["ls"] = json.loads(
        shared_user.dinv(*LS, "--filter", f"name=^{machine}$", "--format", "json").stdout
    )[0]
    for key in ("Name", "URL", "IPAddress", "DockerVersion", "Endpoint", "Image", "Isolation"):
        assert len({str(record[key]) for record in found.values()}) == 1, key
    assert found["ls"]["Endpoint"] == shared_user.endpoint


def test_completion_of_what_is_there(shared_user: User, machine: str) -> None:
    def offered(kind: str, word: str = "") -> list[str]:
        return shared_user.dinv("completion", "--list", kind, f"--word={word}").stdout.splitlines()

    # Nothing is offered where the answer takes longer than somebody waits who has pressed Tab.
    eventually(lambda: f"{machine}:/etc/hostname" in offered("paths", f"{machine}:/etc/host"))
    eventually(lambda: f"{machine}:/etc/" in offered("paths", f"{machine}:/e"))
    eventually(lambda: "dinv:latest" in offered("images"))
    eventually(lambda: "bridge" in offered("networks"))
    eventually(lambda: f"dinv-{machine}-cache" in offered("volumes"))
    eventually(lambda: machine in offered("endpoints"))


def test_docker_py(shared_user: User, machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import docker

    # requests prefers these to the CA that docker-py has given it.
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    found = shared_user.machine(machine)
    for client in (
        docker.DockerClient(**found.docker_kwargs()),
        docker.from_env(environment=found.environment()),
    ):
        try:
            assert (
                client.containers.run("hello", ["echo", "by the library"], remove=True) == b"by the library\n"
            )
        finally:
            client.close()


def _compose(user: User) -> tuple[str, ...]:
    """Compose as the CLI's plugin (v2) or the program of its own (v1), whichever is installed."""
    if "Docker Compose" in user.run("docker", "compose", "version", status=None):
        return ("docker", "compose")
    if shutil.which("docker-compose"):
        return ("docker-compose",)
    pytest.fail("neither `docker compose` nor docker-compose is installed; scripts/test installs one")


def test_use_makes_it_dockers_own(shared_user: User, machine: str) -> None:
    shared_user.dinv("use", machine)
    assert "it works\n" in shared_user.run("docker", "run", "--rm", "hello", "echo", "it works")
    shared_user.dinv("use", "--unset")
    assert shared_user.run("docker", "context", "show").strip() == "default"


def test_load_sends_no_layer_that_is_there(shared_user: User, machine: str) -> None:
    name = f"layered-{shared_user.suffix}"
    with shared_user.engine() as engine:
        base, top = f"{name}:base", f"{name}:top"
        try:
            import_busybox(engine)
            engine.images.tag("hello", base)
            context = io.BytesIO()
            with tarfile.open(fileobj=context, mode="w") as tar:
                data = f"FROM {base}\nRUN echo said >/word\n".encode()
                member = tarfile.TarInfo("Dockerfile")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
            context.seek(0)
            engine.images.build(context, tag=top)
            first = shared_user.dinv("load", machine, base).stdout
            second = shared_user.dinv("load", machine, base, top).stdout
        finally:
            for image in (top, base, "hello"):
                engine.images.remove(image, force=True)
    assert f"{base} loaded, " in " ".join(first.split())
    assert f"{base} is there already" in " ".join(second.split())
    assert "there already" in second.splitlines()[-1]
    assert "said\n" in shared_user.docker(machine, "run", "--rm", top, "cat", "/word")
    shared_user.dinv("load", machine, "nope", status=1)


def test_a_forwarded_port(shared_user: User, machine: str) -> None:
    page = "echo forwarded >/tmp/page && httpd -f -p 80 -h /tmp"
    shared_user.docker(
        machine, "run", "-d", "--name", "forwarded", "-p", "8081:80", "hello", "sh", "-c", page
    )
    said = " ".join(shared_user.dinv("forward", "-d", machine, "0:8081").stdout.split())
    try:
        address = said.removeprefix("Forward ").split()[0]

        def served() -> bool:
            return "forwarded" in shared_user.run("sh", "-c", f"curl -s -m 5 http://{address}/page || true")

        eventually(served)
        assert address in shared_user.dinv("forward", "--list", machine).stdout
    finally:
        shared_user.dinv("forward", "--stop", machine)
        shared_user.docker(machine, "rm", "-f", "forwarded")
    assert shared_user.dinv("forward", "--list", machine).stdout == ""
