"""Every verb against a real machine, over its whole life."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest
from users import LS, eventually, finish

from dinv.errors import DeadlineExceeded

if TYPE_CHECKING:
    from collections.abc import Callable

    from users import User


@pytest.fixture(scope="module")
def machine(shared_user: User) -> str:
    """A machine with the image `hello` in it, which every test leaves running."""
    name = shared_user.name("verbs")
    shared_user.dinv("create", name)
    shared_user.import_hello(name)
    return name


@pytest.fixture
def stopped(shared_user: User) -> Callable[[str], bool]:
    def is_stopped(name: str) -> bool:
        return shared_user.dinv("status", name).stdout == "Stopped\n"

    return is_stopped


def run_always(user: User, machine: str, name: str) -> None:
    """A container that comes back when its machine does."""
    options = ("-d", "--name", name, "--restart", "always", "--stop-timeout", "1")
    user.docker(machine, "run", *options, "hello", "sleep", "6000")


def test_ls_and_what_scripts_read_of_it(shared_user: User, machine: str) -> None:
    assert shared_user.dinv("ls", "-q").stdout == f"{machine}\n"
    row = json.loads(shared_user.dinv(*LS, "--format", "json").stdout)[0]
    url = shared_user.dinv("url", machine).stdout.strip()
    assert (row["Name"], row["State"], row["URL"], row["DriverName"]) == (machine, "Running", url, "docker")
    assert row["DockerVersion"] == "v" + shared_user.dinv("version", machine).stdout.strip()
    assert row["Endpoint"] == shared_user.endpoint
    assert row["Error"] == ""


def test_active_is_the_one_that_the_environment_points_at(shared_user: User, machine: str) -> None:
    assert "No active host found" in shared_user.fails("active")
    variables = shared_user.variables(machine)
    assert variables["DOCKER_MACHINE_NAME"] == machine
    assert shared_user.dinv("active", "-t", "30", env=variables).stdout == f"{machine}\n"
    row = json.loads(shared_user.dinv(*LS, "--format", "json", env=variables).stdout)[0]
    assert row["Active"] is True
    unset = shared_user.dinv("env", "--shell", "sh", "-u", env=variables).stdout
    assert "unset DOCKER_HOST" in unset


def test_url_ip_status_version(shared_user: User, machine: str) -> None:
    address = shared_user.dinv("ip", machine).stdout.strip()
    assert shared_user.dinv("url", machine).stdout.startswith(f"tcp://{address}:")
    assert shared_user.dinv("status", machine).stdout == "Running\n"
    assert shared_user.dinv("version").stdout.startswith("dinv version ")


def test_inspect_is_json_with_absolute_paths(shared_user: User, machine: str) -> None:
    shown = json.loads(shared_user.dinv("inspect", machine).stdout)
    assert shown["Name"] == machine
    assert shown["ConfigVersion"] == 3
    assert shown["Driver"]["Isolation"]
    assert os.path.isfile(shown["HostOptions"]["AuthOptions"]["ClientKeyPath"])


def test_ssh_runs_commands(shared_user: User, machine: str) -> None:
    result = shared_user.dinv("ssh", machine, "echo out; echo err >&2; exit 7", status=7)
    assert (result.stdout, result.stderr) == ("out\n", "err\n")
    assert shared_user.dinv("ssh", machine, "hostname").stdout.strip() == machine


def test_logs(shared_user: User, machine: str) -> None:
    whole = shared_user.dinv("logs", machine).stdout
    assert "API listen on" in whole
    assert len(shared_user.dinv("logs", "--tail", "2", machine).stdout.splitlines()) <= 2


def test_logs_follow_until_the_machine_stops(shared_user: User, machine: str) -> None:
    following = shared_user.begin("logs", "-f", machine)
    assert following.stdout is not None
    assert following.stdout.readline(), "what is there already comes at once"
    shared_user.dinv("stop", machine)
    assert "stopped" in finish(following).stdout, "and the rest as it is said, to the end"
    shared_user.dinv("start", machine)


def test_ctrl_c_ends_logs_follow_without_noise(shared_user: User, machine: str) -> None:
    following = shared_user.begin("logs", "-f", machine)
    assert following.stdout is not None
    following.stdout.readline()
    following.send_signal(signal.SIGINT)
    result = finish(following, 130)
    assert "Traceback" not in result.stderr


def test_stop_and_start_keep_everything(shared_user: User, machine: str) -> None:
    url = shared_user.dinv("url", machine).stdout
    run_always(shared_user, machine, "always")
    shared_user.docker(machine, "run", "--name", "once", "hello", "sh", "-c", "echo written >/file")
    shared_user.dinv("stop", machine)
    assert shared_user.dinv("status", machine).stdout == "Stopped\n"
    assert "already stopped" in shared_user.fails("stop", machine)
    assert "is not running" in shared_user.fails("ssh", machine, "true")
    assert "is not running" in shared_user.fails("env", "--shell", "sh", machine)
    assert "is not running" in shared_user.fails("df", machine)
    shared_user.dinv("start", machine)
    assert "already running" in shared_user.fails("start", machine)
    assert shared_user.dinv("url", machine).stdout == url
    eventually(lambda: shared_user.docker(machine, "ps", "--format", "{{.Names}}") == "always\n")
    assert "hello" in shared_user.docker(machine, "images")
    assert "written" in shared_user.docker(machine, "start", "-a", "once") + shared_user.docker(
        machine, "cp", "once:/file", "-"
    )
    shared_user.docker(machine, "rm", "-f", "always", "once")


def test_kill_and_start(shared_user: User, machine: str) -> None:
    run_always(shared_user, machine, "sleeper")
    shared_user.dinv("kill", machine)
    assert shared_user.dinv("status", machine).stdout == "Stopped\n"
    assert "already stopped" in shared_user.fails("kill", machine)
    shared_user.dinv("start", machine)
    eventually(lambda: shared_user.docker(machine, "ps", "--format", "{{.Names}}") == "sleeper\n")
    shared_user.docker(machine, "rm", "-f", "sleeper")


def test_restart_of_a_running_and_of_a_stopped_machine(shared_user: User, machine: str) -> None:
    def boot() -> str:
        with shared_user.engine() as engine:
            return str(engine.containers.inspect(f"dinv-{machine}")["State"]["StartedAt"])

    before = boot()
    shared_user.dinv("restart", machine)
    assert boot() > before
    shared_user.dinv("stop", machine)
    shared_user.dinv("restart", machine)
    assert shared_user.dinv("status", machine).stdout == "Running\n"
    shared_user.docker(machine, "version")


def test_dockerd_restarts_and_containers_keep_running(shared_user: User, machine: str) -> None:
    """SIGHUP to the machine's init, which is how new certificates and options take effect."""
    shared_user.docker(machine, "run", "-d", "--name", "stays", "hello", "sleep", "6000")
    started = shared_user.docker(
        machine, "inspect", "--format", "{{.State.StartedAt}} {{.State.Pid}}", "stays"
    )
    daemon = shared_user.inside(machine, "pgrep", "-ox", "dockerd")
    # `env` refuses a machine whose daemon is not back yet.
    variables = shared_user.variables(machine)
    with shared_user.machine(machine) as found:
        found._host.provisioner.activate()

    def docker(*words: str) -> str:
        return shared_user.run("docker", *words, status=None, env=variables)

    eventually(
        lambda: shared_user.inside(machine, "sh", "-c", "pgrep -ox dockerd || true") not in (daemon, "")
    )
    eventually(lambda: "Server" in docker("version").partition("Cannot")[0])
    eventually(lambda: docker("ps", "--format", "{{.Names}}") == "stays\n")
    now = shared_user.docker(machine, "inspect", "--format", "{{.State.StartedAt}} {{.State.Pid}}", "stays")
    assert now == started
    assert shared_user.docker(machine, "exec", "stays", "echo", "still here") == "still here\n"
    shared_user.docker(machine, "rm", "-f", "stays")


def test_a_daemon_that_hangs_is_given_up_in_time(shared_user: User, machine: str) -> None:
    shared_user.inside(machine, "pkill", "-STOP", "-x", "dockerd")
    try:
        with shared_user.machine(machine).engine(timeout=1) as daemon, pytest.raises(DeadlineExceeded):
            daemon.version()
        assert shared_user.dinv("status", machine).stdout == "Running\n"
        assert "no answer within 5 s" in shared_user.fails("config", machine)
    finally:
        shared_user.inside(machine, "pkill", "-CONT", "-x", "dockerd")
    assert shared_user.dinv("version", machine).stdout.strip()


def test_config_is_a_check_of_health(shared_user: User, machine: str) -> None:
    """GitLab Runner calls a machine healthy when it ends with 0."""
    with shared_user.engine() as endpoint:
        container = f"dinv-{machine}"
        endpoint.call("POST", f"/containers/{container}/pause")
        assert shared_user.dinv("status", machine).stdout == "Paused\n"
        assert "no answer within 5 s" in shared_user.fails("config", machine)
    shared_user.dinv("start", machine)
    directory = os.path.join(shared_user.store, "machines", machine)
    os.rename(os.path.join(directory, "ca.pem"), os.path.join(directory, "ca.away"))
    try:
        for verb in ("config", "env"):
            assert "ca.pem: No such file" in shared_user.fails(verb, machine)
    finally:
        os.rename(os.path.join(directory, "ca.away"), os.path.join(directory, "ca.pem"))
    eventually(lambda: shared_user.dinv("config", machine, status=None).stdout.startswith("--tlsverify\n"))


def test_several_at_once_and_one_of_them_wrong(shared_user: User, machine: str) -> None:
    result = shared_user.dinv("restart", machine, "no-such-machine", status=1)
    assert '"no-such-machine" does not exist' in result.stderr
    assert shared_user.dinv("status", machine).stdout == "Running\n"


def test_rm_asks_first(shared_user: User, machine: str) -> None:
    result = shared_user.dinv("rm", machine, status=1)
    assert "Are you sure?" in result.stdout
    assert "Nobody is there to ask, so nothing was done" in result.stderr
    assert shared_user.dinv("ls", "-q").stdout == f"{machine}\n"


def test_a_machine_removed_behind_dinvs_back(user: User) -> None:
    name = user.name("gone")
    user.dinv("create", name)
    with user.engine() as engine:
        engine.containers.remove(f"dinv-{name}", force=True)
    row = json.loads(user.dinv(*LS, "--format", "json").stdout)[0]
    assert row["State"] == "Error"
    assert "gone" in row["Error"]
    assert f"dinv rm {name}" in row["Error"]
    assert "Error" in user.dinv(*LS).stdout
    status = user.dinv("status", name)
    assert status.stdout == "Error\n"
    assert "gone" in status.stderr
    for verb in ("start", "stop", "restart", "kill", "df", "logs"):
        said = user.fails(verb, name)
        assert "is gone" in said, f"{verb}: {said}"
        assert f"dinv rm {name}" in said
    assert "is gone" in user.fails("ssh", name, "true")
    user.dinv("rm", "-y", name)
    assert user.traces(name) == []
    assert "does not exist" in user.fails("rm", "-y", name)


def test_a_container_of_that_name_that_is_not_ours_stays(user: User) -> None:
    """The name has been used again by somebody else: rm must not remove theirs."""
    name = user.name("ours")
    user.dinv("create", name)
    with user.engine() as engine:
        engine.containers.remove(f"dinv-{name}", force=True)
        theirs, _ = engine.containers.create(
            f"dinv-{name}",
            {"Image": "dinv:latest", "Labels": {"io.dinv.machine": name, "io.dinv.id": "theirs"}},
        )
        try:
            assert "gone" in user.dinv("status", name).stderr
            user.dinv("rm", "-y", name)
            assert engine.containers.inspect(f"dinv-{name}")["Id"] == theirs
        finally:
            engine.containers.remove(theirs, force=True, volumes=True)
    assert user.traces(name) == []


@pytest.mark.parametrize(
    "verb", ["url", "ip", "status", "start", "stop", "kill", "restart", "inspect", "logs", "df"]
)
def test_a_machine_that_does_not_exist(user: User, verb: str) -> None:
    assert '"nobody" does not exist' in user.fails(verb, "nobody")
    said = user.fails(verb)
    assert 'no "default" machine exists' in said
