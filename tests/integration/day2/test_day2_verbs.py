"""upgrade, regenerate-certs, provision, export and import on real machines, as a user calls them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from users import LS

from dinv.endpoints import contexts
from dinv.engine import Engine, TLSFiles, parse_address
from dinv.errors import EndpointTLSError, NotFound
from dinv.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness import Dinv

    from dinv.machine import Machine
    from dinv.machines import Machines

NEWER = "dinv-day2-newer:latest"
BROKEN = "dinv-day2-broken:latest"


@pytest.fixture(scope="module")
def images(session_engine: Engine, machine_image: str) -> Iterator[None]:
    """NEWER is the machine image with another label; BROKEN ends as soon as it is started."""
    for image, changes in (
        (NEWER, ["LABEL newer=yes"]),
        (BROKEN, ['ENTRYPOINT ["/bin/false"]']),
    ):
        created = session_engine.containers.create("", {"Image": machine_image})[0]
        session_engine.json(
            "POST",
            "/commit",
            query={
                "container": created,
                "repo": image.partition(":")[0],
                "tag": "latest",
                "changes": "\n".join(changes),
            },
        )
        session_engine.containers.remove(created)
    yield
    for image in (NEWER, BROKEN):
        session_engine.call("DELETE", f"/images/{image}", query={"force": True})


@pytest.fixture
def machine(machines: Machines) -> Iterator[Machine]:
    """A machine, with swarm settings that are docker-machine's."""
    with machines.create("dev", engine_label=["tier=test"]) as machine:
        machine.config.swarm_options["Discovery"] = "token://kept"
        store = Store(machines.path)
        with store.lock("dev", "test"):
            store.save(machine.config)
        yield machine


def containers(machine: Machine) -> dict[str, str]:
    """Names and states of the containers in it."""
    with machine.engine() as engine:
        return {each["Names"][0]: each["State"] for each in engine.containers.list(all=True)}


def run_forever(machine: Machine, image: str) -> None:
    with machine.engine(timeout=30) as engine:
        body = {
            "Image": image,
            "Cmd": ["sleep", "1000"],
            "StopSignal": "SIGKILL",  # sleep as first process has no ear for another
            "HostConfig": {"RestartPolicy": {"Name": "always"}},
        }
        engine.containers.create("forever", body)
        engine.containers.start("forever")


def client(directory: str, url: str) -> Engine:
    files = TLSFiles(*(os.path.join(directory, f"{name}.pem") for name in ("ca", "cert", "key")))
    return Engine(parse_address(url, files), timeout=10)


def test_an_upgrade_keeps_everything_but_the_image(
    *,
    machine: Machine,
    machines: Machines,
    dinv: Dinv,
    engine: Engine,
    small_image: Callable[[Machine], str],
    images: None,
) -> None:
    run_forever(machine, small_image(machine))
    with open(os.path.join(machine.directory, "cert.pem"), "rb") as file:
        certificate = file.read()
    assert "has this image already" in dinv("upgrade", "dev", check=True).stdout
    said = dinv("upgrade", "dev", "--image", NEWER, check=True).stdout
    assert "was upgraded" in said
    now = machines.get("dev")
    assert now.url == machine.url
    assert now.config.driver["Image"] == NEWER
    assert now.config.swarm_options["Discovery"] == "token://kept"
    with open(os.path.join(now.directory, "cert.pem"), "rb") as file:
        assert file.read() == certificate
    container = engine.containers.inspect("dinv-dev")
    assert container["Config"]["Labels"]["newer"] == "yes"
    # The cache volume came along, with what was in it; what has a restart policy runs again.
    assert containers(now) == {"/forever": "running"}
    with now.engine() as inside:
        assert "tier=test" in inside.info()["Labels"]
    with pytest.raises(NotFound):
        engine.containers.inspect("dinv-dev_old")


def test_one_that_does_not_answer_is_undone(
    machine: Machine, machines: Machines, dinv: Dinv, engine: Engine, images: None
) -> None:
    before = engine.containers.inspect("dinv-dev")["Id"]
    failed = dinv("upgrade", "dev", "--image", BROKEN)
    assert failed.returncode == 1
    assert "as it was before" in failed.stderr
    assert engine.containers.inspect("dinv-dev")["Id"] == before
    with machines.get("dev") as now:
        assert now.status().state == "Running"
        assert now.config.driver["Image"] != BROKEN
    assert containers(machine) == {}


@pytest.mark.parametrize("moment", ["beside", "set aside", "made", "started"])
@pytest.mark.parametrize("then", ["start", "upgrade", "rm"])
def test_killed_it_is_finished_by_the_next(
    machine: Machine, machines: Machines, dinv: Dinv, engine: Engine, *, moment: str, then: str
) -> None:
    """Kill -9 right after a call, which a patched driver does to itself."""
    home, after = {
        "set aside": ("replacement.ContainerReplacement", "set_aside"),
        "beside": ("replacement.ContainerReplacement", "make_beside"),
        "made": ("replacement.ContainerReplacement", "replace"),
        "started": ("driver.DockerDriver", "start"),
    }[moment]
    module, kind = home.split(".")
    program = (
        "import os, signal, sys\n"
        f"from dinv.drivers.docker.{module} import {kind}\n"
        f"real = {kind}.{after}\n"
        "def dies(self, *words, **more):\n"
        "    real(self, *words, **more)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        f"{kind}.{after} = dies\n"
        "from dinv.cli import main\n"
        "main(['upgrade', '--force', 'dev'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert "dinv start dev" in dinv(*LS, check=True).stdout
    if then == "rm":
        dinv("rm", "-y", "dev", check=True)
        for name in ("dinv-dev", "dinv-dev_old", "dinv-dev_new"):
            with pytest.raises(NotFound):
                engine.containers.inspect(name)
        return
    dinv(*{"start": ["start", "dev"], "upgrade": ["upgrade", "--force", "dev"]}[then], check=True)
    assert containers(machines.get("dev")) == {}
    assert dinv("ls", "-q", check=True).stdout == "dev\n"
    assert "upgrade" not in dinv(*LS, check=True).stdout
    for name in ("dinv-dev_old", "dinv-dev_new"):
        with pytest.raises(NotFound):
            engine.containers.inspect(name)


def test_renewed_certificates_and_containers_that_run_on(
    machine: Machine, dinv: Dinv, small_image: Callable[[Machine], str], tmp_path: Path
) -> None:
    run_forever(machine, small_image(machine))
    colleague = shutil.copytree(machine.directory, tmp_path / "colleague")
    with machine.engine() as inside:
        started = inside.containers.inspect("forever")["State"]["StartedAt"]
    dinv("regenerate-certs", "-f", "dev", check=True)
    with client(str(colleague), machine.url) as his:
        his.ping()
    dinv("regenerate-certs", "--force", "--client-certs", "dev", check=True)
    with client(str(colleague), machine.url) as his, pytest.raises(EndpointTLSError):
        his.ping()
    with machine.engine() as inside:
        assert inside.containers.inspect("forever")["State"]["StartedAt"] == started
    context = contexts.read("dev")
    assert context is not None
    assert context.cert is not None
    with client(os.path.dirname(context.cert), machine.url) as by_context:
        by_context.ping()


def test_regenerate_certs_asks(machine: Machine, dinv: Dinv) -> None:
    asked = dinv("regenerate-certs", "dev", input="n\n")
    assert (asked.returncode, asked.stdout) == (
        0,
        "Regenerate TLS machine certs?  Warning: this is irreversible. (y/n): ",
    )
    asked = dinv("regenerate-certs", "dev")
    assert asked.returncode == 1
    assert "nothing was done" in asked.stderr


def test_provision_repairs_what_was_lost(machine: Machine, machines: Machines, dinv: Dinv) -> None:
    machine.channel().run(["rm", "-rf", "/etc/dinv/dockerd.args"])
    os.unlink(os.path.join(machine.directory, "key.pem"))
    assert "was provisioned" in dinv("provision", "dev", check=True).stdout
    with machines.get("dev").engine() as inside:
        assert "tier=test" in inside.info()["Labels"]


def test_provision_finishes_a_create_that_was_killed(machines: Machines, dinv: Dinv, engine: Engine) -> None:
    program = (
        "import os, signal\n"
        "from dinv.drivers.docker.driver import DockerDriver\n"
        "DockerDriver.start = lambda self, timeout: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from dinv.cli import main\n"
        "main(['create', 'dev'])\n"
    )
    subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=False)
    assert machines.get("dev").config.unfinished
    dinv("provision", "dev", check=True)
    assert containers(machines.get("dev")) == {}
    dinv("rm", "-y", "dev", check=True)


def test_a_machine_moves_to_another_store(
    machine: Machine, machines: Machines, dinv: Dinv, tmp_path: Path
) -> None:
    with open(tmp_path / "dev.tar", "wb") as file:
        machines.export("dev", file)
    other = {"MACHINE_STORAGE_PATH": str(tmp_path / "other")}
    said = dinv("import", str(tmp_path / "dev.tar"), "--name", "prod", check=True, env=other)
    assert 'Machine "prod" was imported.' in said.stdout
    rows = dinv(*LS, check=True, env=other).stdout
    assert "prod" in rows
    assert "Running" in rows
    dinv("stop", "prod", check=True, env=other)
    dinv("start", "prod", check=True, env=other)
    dinv("upgrade", "--force", "prod", check=True, env=other)
    assert dinv("ssh", "prod", "true", env=other).returncode == 0
    assert contexts.read("prod") is not None
    dinv("rm", "-y", "prod", check=True, env=other)
    assert contexts.read("prod") is None
    assert "Error" in dinv(*LS, check=True).stdout


def test_export_warns_of_the_keys(machine: Machine, tmp_path: Path) -> None:
    with open(tmp_path / "dev.tar", "wb") as file:
        done = subprocess.run(
            [sys.executable, "-m", "dinv", "export", "dev"],
            stdout=file,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=True,
        )
    assert "private keys" in done.stderr
