"""Scripts written for docker-machine, unchanged, through a link of its name on real machines."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from dinv.machines import Machines


class Shell:
    """Runs bash scripts in which docker-machine is dinv; each stops at its first error, as in CI."""

    def __init__(self, directory: str) -> None:
        program = os.path.join(sysconfig.get_path("scripts"), "dinv")
        assert os.access(program, os.X_OK), f"{program}: dinv is not installed in this environment"
        os.symlink(program, os.path.join(directory, "docker-machine"))
        self.directory = directory
        self.environment = {
            **os.environ,
            "PATH": f"{directory}:{os.environ['PATH']}",
            "SHELL": "/bin/bash",
            "NAME": f"scripts-{os.urandom(3).hex()}",
        }

    def __call__(self, script: str, *, status: int = 0) -> str:
        """Run a script; returns standard output and standard error as they came."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=170,
        )
        assert done.returncode == status, done.stdout
        assert "Traceback" not in done.stdout
        return done.stdout


@pytest.fixture
def bash(machines: Machines, tmp_path: Path) -> Shell:
    directory = tmp_path / "scripts"
    directory.mkdir()
    return Shell(str(directory))


def test_a_machines_life(bash: Shell) -> None:
    """What docker-machine's documentation and many a CI script do, one after the other."""
    bash("docker-machine create --driver docker $NAME")
    said = bash(
        r"""
        [ "$(docker-machine status $NAME)" = Running ]
        docker-machine ls -q | grep -qx $NAME
        eval $(docker-machine env $NAME)
        [ "$(docker-machine active)" = $NAME ]
        docker version --format '{{.Server.Os}}'
        docker $(docker-machine config $NAME) ps -q
        [ "$DOCKER_HOST" = "$(docker-machine url $NAME)" ]
        certificates=$(docker-machine inspect -f '{{.HostOptions.AuthOptions.StorePath}}' $NAME)
        [ "$DOCKER_CERT_PATH" = "$certificates" ]
        eval $(docker-machine env -u)
        [ -z "${DOCKER_HOST:-}" ]

        docker-machine ls --timeout 30 --filter state=Running --format '{{.Name}}\t{{.URL}}' > listed
        [ "$(cut -f 1 listed)" = $NAME ]
        [ "$(cut -f 2 listed)" = "$(docker-machine url $NAME)" ]
        [ "$(docker-machine inspect -f '{{.Driver.IPAddress}}' $NAME)" = "$(docker-machine ip $NAME)" ]
        [ "$(docker-machine inspect --format='{{.Driver.MachineName}}' $NAME)" = $NAME ]

        docker-machine ssh $NAME 'sudo cat /etc/os-release' > release
        grep '^ID=' release
        docker-machine ssh $NAME -- uname -s
        [ "$(docker-machine --native-ssh ssh $NAME echo foo 2>&1)" = foo ]
        mkdir -p tree/below; echo one > tree/below/file
        docker-machine scp -r tree $NAME:/tmp/
        docker-machine scp $NAME:/tmp/tree/below/file back
        cmp tree/below/file back
        echo looked
        """
    )
    assert said.splitlines()[-1] == "looked"
    assert "linux" in said
    bash(
        """
        docker-machine regenerate-certs -f $NAME
        docker $(docker-machine config $NAME) ps
        docker-machine upgrade $NAME
        docker-machine stop $NAME
        [ "$(docker-machine status $NAME)" = Stopped ]
        for verb in url ip env config version; do
            if docker-machine $verb $NAME > refused 2>&1; then exit 1; fi
            [[ "$(head -n 1 refused)" == *"Host is not running" ]]
        done
        if docker-machine ssh $NAME true 2> refused; then exit 1; fi
        [[ "$(head -n 1 refused)" == "Error: Cannot run SSH command: Host "*" is not running" ]]
        docker-machine upgrade $NAME
        [ "$(docker-machine status $NAME)" = Running ]
        docker-machine stop $NAME
        docker-machine start $NAME
        docker-machine restart $NAME
        docker-machine kill $NAME
        [[ "$(docker-machine ls -t 30)" == *$NAME*Stopped* ]]
        docker-machine start $NAME
        docker $(docker-machine config $NAME) ps
        """
    )
    assert "already running" in bash("docker-machine start $NAME", status=1)
    said = bash("docker-machine create --driver docker $NAME", status=1)
    name = bash.environment["NAME"]
    assert said.splitlines()[0] == f'Docker machine "{name}" already exists'
    assert f"docker-machine rm {name}" in said
    bash("docker-machine rm -f $NAME")
    said = bash("docker-machine status $NAME", status=1)
    assert said.startswith(
        f'Docker machine "{name}" does not exist. Use "docker-machine ls" to list machines.'
    )
    said = bash("docker-machine rm -f $NAME")
    assert said.startswith(
        f"About to remove {name}\n"
        "WARNING: This action will delete both local reference and remote instance.\n"
        f'Error removing host "{name}": Docker machine "{name}" does not exist'
    )


def test_many_at_once(bash: Shell) -> None:
    """Where docker-machine lost its store: parallel first creates, `ip` and `ls` while others write."""
    bash(
        """
        for number in 1 2 3 4 5 6 7 8; do
            docker-machine create -d none --url tcp://127.0.0.1:$((20000 + number)) $NAME-$number &
            creates="${creates:-} $!"
        done
        for create in $creates; do wait $create; done
        [ "$(docker-machine ls -q | wc -l)" = 8 ]

        for number in $(seq 20); do
            docker-machine ip $NAME-1 > ip-$number &
            asked="${asked:-} $!"
        done
        for one in $asked; do wait $one; done
        [ "$(sort -u ip-* | wc -l)" = 1 ]

        docker-machine rm -y $NAME-1 $NAME-2 $NAME-3 $NAME-4 &
        removal=$!
        while kill -0 $removal 2>/dev/null; do docker-machine ls --timeout 1 > rows; done
        wait $removal
        [ "$(docker-machine ls -q | wc -l)" = 4 ]
        docker-machine rm -f $(docker-machine ls -q)
        """
    )


def test_hosts_without_a_driver(bash: Shell) -> None:
    """They are Running, whatever answers, and members of a swarm are listed by its master."""
    bash(
        r"""
        none="docker-machine create -d none --url tcp://127.0.0.1:1 --engine-label kind=odd"
        $none --swarm --swarm-master --swarm-discovery token://abc queen
        $none --swarm --swarm-discovery token://abc worker
        docker-machine create -d ci-test --url none alone
        [ "$(docker-machine ls -q --filter swarm=queen | tr '\n' ' ')" = "queen worker " ]
        [ "$(docker-machine ls -q --filter label=kind=odd --filter driver=none | wc -l)" = 2 ]
        [ "$(docker-machine ls --filter state=Running | wc -l)" = 4 ]
        [ "$(docker-machine ls --filter state=Error | wc -l)" = 1 ]
        [ "$(docker-machine url alone)" = none ]
        [ "$(docker-machine status alone)" = Running ]
        echo n | docker-machine rm alone
        echo y | docker-machine rm alone
        docker-machine rm -f queen worker
        [ -z "$(docker-machine ls -q)" ]
        """
    )


def test_what_ci_runners_ask(bash: Shell) -> None:
    """GitLab Runner's docker+machine executor: exists, create with options, config as JSON, remove."""
    bash("docker-machine inspect $NAME", status=1)
    said = bash(
        """
        docker-machine --bugsnag-api-token=no-report create --driver docker \\
            --engine-label purpose=ci --engine-opt log-level=warn \\
            --engine-registry-mirror=http://127.0.0.1:1 --engine-install-url=https://get.example.com $NAME
        docker-machine inspect --format='{{json .HostOptions.EngineOptions.Labels}}' $NAME
        docker-machine inspect $NAME > inspected
        python3 -c 'import json; json.load(open("inspected"))["Driver"]["IPAddress"]'
        docker $(docker-machine config $NAME) info --format '{{.Labels}}'
        docker-machine rm -y $NAME
        """
    )
    assert "--engine-install-url does nothing here" in said
    assert "purpose=ci" in said


def test_a_machine_that_docker_machine_made_in_a_store_that_was_moved(
    bash: Shell, machines: Machines, tmp_path: Path
) -> None:
    """A real daemon, recorded as docker-machine's driver `generic` records one."""
    name = bash.environment["NAME"]
    bash("docker-machine create $NAME")
    moved = tmp_path / "moved"
    directory = moved / "machines" / "theirs"
    shutil.copytree(machines.get(name).directory, directory)
    made = machines.get(name)
    port = int(made.url.rpartition(":")[2])
    old = "/home/ann/.docker/machine"
    config = directory / "config.json"
    config.write_text(
        json.dumps(
            {
                "ConfigVersion": 3,
                "Driver": {
                    "IPAddress": made.ip,
                    "MachineName": "theirs",
                    "SSHKeyPath": f"{old}/machines/theirs/id_rsa",
                    "StorePath": old,
                    "EnginePort": port,
                },
                "DriverName": "generic",
                "HostOptions": {"AuthOptions": {"StorePath": f"{old}/machines/theirs"}},
                "Name": "theirs",
            },
            indent=4,
        )
    )
    before = (config.read_bytes(), sorted(os.listdir(directory)), config.stat().st_mtime_ns)
    bash.environment["MACHINE_STORAGE_PATH"] = str(moved)
    said = bash(
        """
        [ "$(docker-machine status theirs)" = Running ]
        eval $(docker-machine env theirs)
        [ "$(docker-machine active)" = theirs ]
        docker version --format '{{.Server.Os}}'
        docker $(docker-machine config theirs) ps -q
        [ "$(docker version --format '{{.Server.Version}}')" = "$(docker-machine version theirs)" ]
        [ "$(docker-machine inspect -f '{{.Driver.StorePath}}' theirs)" = "$MACHINE_STORAGE_PATH" ]
        docker-machine ls -t 30
        """
    )
    assert "linux" in said
    assert said.splitlines()[-1].split()[:4] == ["theirs", "*", "generic", "Running"]
    for verb in ("stop", "start", "kill", "upgrade", "provision", "regenerate-certs -f", "rm -y"):
        assert "driver generic" in bash(f"docker-machine {verb} theirs", status=1)
    assert before == (config.read_bytes(), sorted(os.listdir(directory)), config.stat().st_mtime_ns)
