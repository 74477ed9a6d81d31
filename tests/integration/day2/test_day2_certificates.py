"""A CA that machines share, and renewals that are killed, on real machines and with docker's own CLI."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from harness import Dinv

    from dinv.machines import Machines

SECONDS = 60


def docker(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", *words],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def by_env(dinv: Dinv, name: str) -> str:
    """Who serves there: asked as a script does, by what `env` prints.

    A daemon that was told of new files may be just about to be back.
    """
    end = time.monotonic() + SECONDS
    while True:
        set_up = dinv("env", "--shell", "sh", name)
        done = subprocess.run(
            ["sh", "-c", f"{set_up.stdout}\ndocker info --format '{{{{.Name}}}}'"],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        # docker's CLI ends with 0 also where only the client answers, and has no name then.
        if done.returncode == set_up.returncode == 0 and done.stdout.strip():
            return done.stdout.strip()
        # Nothing of certificates is ever wrong meanwhile.
        assert "x509" not in done.stderr
        assert "tls:" not in done.stderr
        assert time.monotonic() < end, done.stderr
        time.sleep(0.1)


def test_machines_that_share_a_ca_and_a_client(machines: Machines, dinv: Dinv, tmp_path: Path) -> None:
    """One of two creates at once makes the files; the client of either is let in by both."""
    files = {option: str(tmp_path / "pki" / f"{option}.pem") for option in ("ca-cert", "ca-key")}
    flags = [f"--tls-{option}={path}" for option, path in files.items()]
    with contextlib.ExitStack() as begun:
        creates = []
        for name in ("one", "two"):
            words = [sys.executable, "-m", "dinv", *flags, "create", "-q", name]
            creates.append(begun.enter_context(subprocess.Popen(words, stdout=subprocess.DEVNULL)))
            # One that hangs is at work in no other test.
            begun.callback(creates[-1].kill)
        assert [each.wait(SECONDS * 2) for each in creates] == [0, 0]
    directories = [machines.get(name).directory for name in ("one", "two")]
    anchors = set()
    for name, directory in zip(("one", "two"), directories, strict=True):
        assert by_env(dinv, name) == name
        assert not os.path.exists(os.path.join(directory, "ca-key.pem"))
        with open(os.path.join(directory, "ca.pem"), "rb") as file:
            anchors.add(file.read())
    assert len(anchors) == 1
    files_of_two = [f"--tls{kind}={directories[1]}/{kind}.pem" for kind in ("cacert", "cert", "key")]
    files_of_two[0] = f"--tlscacert={files['ca-cert']}"
    url = dinv("url", "one", check=True).stdout.strip()
    assert docker("-H", url, "--tlsverify", *files_of_two, "version").returncode == 0
    renewed = dinv("regenerate-certs", "-f", "--client-certs", "one", check=True)
    assert "earlier client certificates are let in until they expire" in renewed.stderr
    assert by_env(dinv, "one") == "one"
    assert docker("--context", "one", "version").returncode == 0


def killed_at(number: int, *words: str) -> bool:
    """Run dinv, killed at the rename of that number (the first is 1); whether there was one."""
    program = (
        "import os, signal, sys\n"
        "count, real = 0, os.replace\n"
        "def dies(*words):\n"
        "    global count\n"
        "    count += 1\n"
        f"    if count == {number}:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    real(*words)\n"
        "os.replace = dies\n"
        "from dinv.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, timeout=SECONDS, check=False
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


@pytest.mark.timeout(600)  # a renewal, and two who ask for the machine, for each rename
@pytest.mark.parametrize("shared", [False, True])
def test_a_renewal_killed_at_any_rename_leaves_a_machine_that_works(
    machines: Machines, dinv: Dinv, tmp_path: Path, *, shared: bool
) -> None:
    flags = [f"--tls-ca-cert={tmp_path}/ca.pem", f"--tls-ca-key={tmp_path}/ca-key.pem"] if shared else []
    dinv("create", "dev", *flags, check=True)
    number = 0
    while killed_at(number := number + 1, "regenerate-certs", "-f", "--client-certs", "dev"):
        assert by_env(dinv, "dev") == "dev"
        assert docker("--context", "dev", "version").returncode == 0
    assert number > 10
    assert ".renewal" not in os.listdir(machines.get("dev").directory)
    assert by_env(dinv, "dev") == "dev"


def test_provision_finishes_a_killed_create_with_its_context(machines: Machines, dinv: Dinv) -> None:
    program = (
        "import os, signal\n"
        "from dinv.drivers.docker.driver import DockerDriver\n"
        "DockerDriver.start = lambda self, timeout: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from dinv.cli import main\n"
        "main(['create', 'dev'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=SECONDS, check=False)
    assert done.returncode == -signal.SIGKILL
    assert docker("context", "inspect", "dev").returncode == 1
    dinv("provision", "dev", check=True)
    assert docker("--context", "dev", "version").returncode == 0
    assert machines.get("dev").has_context
