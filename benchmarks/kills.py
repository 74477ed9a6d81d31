"""`python -m benchmarks.kills`: kill dinv at random moments while it changes a machine, or makes a node.

By default certificates, access and options are changed. After each kill the machine has to let its owner in,
by the old certificates or by the new ones; a holder whose revocation was recorded has to be refused once
`provision` has finished what was killed. At the end there is nothing on the endpoint that was not there
before. Exits with 1 if a machine was lost, somebody revoked was let in, or something is left.

`--kind create` and `--kind join` kill `create --provisioner swarm`, or that of another cluster
(`--provisioner`), and `create --join` instead. After each kill `rm`, or the same command, or `provision`
finishes it, and no dead node may be in the cluster then. `--create WORD` is a further word of each create.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

PATIENCE = 60.0
"""Seconds for a machine to let its owner in again."""


class Failure(Exception):
    """A machine was lost, somebody revoked was let in, or something is left."""


class Trial:
    """One machine, and what is done to it."""

    def __init__(self, dinv: str, endpoint: str, image: str, chance: random.Random) -> None:
        self.dinv_path = dinv
        self.chance = chance
        self.home = tempfile.mkdtemp(prefix="dinv-kills-")
        self.endpoint = endpoint
        self.name = f"kills-{os.urandom(3).hex()}"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": self.home,
            "MACHINE_STORAGE_PATH": os.path.join(self.home, "store"),
            "DOCKER_CONFIG": os.path.join(self.home, "docker"),
            "DINV_ENDPOINT": endpoint,
            "DINV_IMAGE": image,
        }
        self.operations = (self.rotate, self.rotate_all, self.revoke, self.label)
        self.count = 0
        self.holders = 0
        self.durations: dict[str, float] = {}

    def run(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program to its end; with `check`, one that fails is a Failure."""
        done = subprocess.run(
            argv,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if "Traceback" in done.stderr:
            raise Failure(f"{argv}: {done.stderr}")
        if check and done.returncode:
            raise Failure(f"{argv} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def dinv(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run dinv to its end."""
        return self.run(self.dinv_path, *words, check=check)

    # What is killed: each returns dinv's words

    def rotate(self) -> list[str]:
        """Return the words of a renewal of the server's certificate."""
        return ["regenerate-certs", "-f", self.name]

    def rotate_all(self) -> list[str]:
        """Return the words of a renewal of everything, the CA too."""
        return ["regenerate-certs", "-f", "--client-certs", self.name]

    def revoke(self) -> list[str]:
        """Return the words that take back the access of a holder, who gets it first."""
        self.holders += 1
        # What an earlier kill has left: nobody gets access while it is not known which CA there will be.
        self.dinv("provision", self.name)
        self.dinv("share", self.name, "--for", self.holder(), "--output", self.share_path())
        self.run("docker", "context", "import", self.holder(), self.share_path())
        return ["access", "revoke", self.name, self.holder()]

    def label(self) -> list[str]:
        """Return the words that change an option which the daemon reloads."""
        return ["set", "-f", self.name, "--engine-label", f"trial={self.count}"]

    def holder(self) -> str:
        """The name of the last holder."""
        return f"holder-{self.holders}"

    def share_path(self) -> str:
        """The file of the last share."""
        return os.path.join(self.home, f"{self.holder()}.dinv")

    # The trial

    def begin(self) -> None:
        """Make the machine, and measure each operation once."""
        self.dinv("create", self.name)
        for operation in self.operations:
            words = operation()
            began = time.monotonic()
            self.dinv(*words)
            self.durations[operation.__name__] = time.monotonic() - began

    def kill_once(self) -> bool:
        """Kill one operation at a random moment; return whether it was still at work then."""
        self.count += 1
        operation = self.chance.choice(self.operations)
        words = operation()
        killed, moment = self.killed(words, self.durations[operation.__name__])
        self.let_in(f"{words} killed after {moment:.2f} s")
        if operation == self.revoke:
            self.refused_if_recorded()
        elif self.chance.random() < 0.3:
            self.dinv("provision", self.name)
            self.let_in(f"{words} killed after {moment:.2f} s, and provision")
        return killed

    def killed(self, words: Sequence[str], longest: float) -> tuple[bool, float]:
        """Run dinv, and kill it within `longest` seconds; return whether it was still at work, and when."""
        process = subprocess.Popen(
            [self.dinv_path, *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        moment = self.chance.uniform(0.03, longest)
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return True, moment
        return False, moment

    def let_in(self, after: str) -> None:
        """Fail unless the owner gets in, by `dinv env`, as a script does."""
        end = time.monotonic() + PATIENCE
        while True:
            script = self.dinv("env", "--shell", "sh", self.name, check=False)
            shell = f"{script.stdout}\ndocker info --format '{{{{.Name}}}}'"
            done = self.run("sh", "-c", shell, check=False)
            if not script.returncode and done.stdout.strip() == self.name:
                return
            if time.monotonic() >= end:
                raise Failure(f"lost after {after}: {script.stderr}{done.stderr}")
            time.sleep(0.1)

    def refused_if_recorded(self) -> None:
        """If the revocation was recorded, let `provision` finish it, and fail if the holder gets in."""
        rows = self.dinv("access", "log", "--format", "json", self.name).stdout
        revoked = [row for row in json.loads(rows) if row["Event"] == "revoked"]
        recorded = any(row["Holder"] == self.holder() for row in revoked)
        if recorded:
            self.dinv("provision", self.name)
            done = self.run("docker", "--context", self.holder(), "version", check=False)
            if not done.returncode:
                raise Failure(f"{self.holder()} was revoked, and is let in")
        self.run("docker", "context", "rm", "-f", self.holder())

    def end(self) -> None:
        """Remove the machine."""
        self.dinv("rm", "-y", self.name, check=False)
        shutil.rmtree(self.home)

    def left(self) -> str:
        """What is left of it on the endpoint."""
        at = ("docker", "-H", self.endpoint)
        containers = self.run(*at, "ps", "-a", "--filter", f"name={self.name}", "--format", "{{.Names}}")
        volumes = self.run(*at, "volume", "ls", "--filter", f"name={self.name}", "--format", "{{.Name}}")
        return (containers.stdout + volumes.stdout).strip()


class Cluster:
    """A kind of cluster: the roles of who joins, and a command that lists nodes, a name and a state each."""

    def __init__(self, *roles: str, lists: str) -> None:
        self.roles = roles
        self.lists = lists


_NODES_OF_SWARM = "docker node ls --format '{{.Hostname}} {{.Status}}'"
CLUSTERS = {
    "swarm": Cluster("worker", "manager", lists=_NODES_OF_SWARM),
    "datacenter": Cluster("worker", "manager", lists=_NODES_OF_SWARM),
    "kubernetes": Cluster("agent", "server", lists="kubectl get nodes --no-headers"),
}


class CreateTrial(Trial):
    """Machines that are made in a cluster: the first one, or with `joins` one that joins."""

    joins = False
    provisioner = "swarm"
    options: Sequence[str] = ()
    """Further words of each create."""

    def begin(self) -> None:
        """Make the machine that the others join, if they do, and measure a create."""
        if self.joins:
            self.dinv("create", "--provisioner", self.provisioner, *self.options, self.name)
        words = self.words()
        began = time.monotonic()
        self.dinv(*words)
        self.durations["create"] = time.monotonic() - began
        self.dinv("rm", "-y", self.made)

    @property
    def made(self) -> str:
        """The machine that is made and killed."""
        return f"{self.name}-node"

    def words(self) -> list[str]:
        """Return the words of a create."""
        joining: list[str] = []
        if self.joins:
            role = self.chance.choice(CLUSTERS[self.provisioner].roles)
            joining = ["--join", self.name, "--role", role]
        return ["create", "--provisioner", self.provisioner, *self.options, *joining, self.made]

    def kill_once(self) -> bool:
        """Kill a create at a random moment, and finish it in one of three ways."""
        self.count += 1
        words = self.words()
        killed, moment = self.killed(words, self.durations["create"])
        after = f"{words} killed after {moment:.2f} s"
        there = self.made in self.dinv("ls", "-q").stdout.split()
        finished = self.chance.choice(["rm", "again", "provision"])
        if (
            finished == "provision"
            and there
            and not self.dinv("provision", self.made, check=False).returncode
        ):
            self.cluster_is({self.made} | self.others(), f"{after}, and provision")
        elif finished == "again" and killed:
            done = self.dinv(*words, check=False)
            if done.returncode and "already exists" not in done.stderr:
                raise Failure(f"{after}, and again: {done.stderr}")
            self.cluster_is({self.made} | self.others(), f"{after}, and again")
        if self.made in self.dinv("ls", "-q").stdout.split():
            self.dinv("rm", "-y", self.made)
        if self.joins:
            self.cluster_is(self.others(), f"{after}, and {finished}, and rm")
        elif left := self.left():
            raise Failure(f"{after}, and {finished}: left {left}")
        if self.made in self.of_the_user():
            raise Failure(f"{after}, and {finished}: left in the kubeconfig, or among docker's contexts")
        return killed

    def others(self) -> set[str]:
        """The machines that are in the cluster all the time."""
        return {self.name} if self.joins else set()

    def of_the_user(self) -> str:
        """The user's kubeconfig, and the names of docker's contexts."""
        found = self.run("docker", "context", "ls", "--format", "{{.Name}}").stdout
        with (
            contextlib.suppress(FileNotFoundError),
            open(f"{self.home}/.kube/config", encoding="utf-8") as file,
        ):
            found += file.read()
        return found

    def cluster_is(self, machines: set[str], after: str) -> None:
        """Fail unless the cluster has just these nodes, each of them ready."""
        by = self.name if self.joins else self.made
        script = self.dinv("env", "--shell", "sh", by).stdout
        lists = CLUSTERS[self.provisioner].lists
        end = time.monotonic() + PATIENCE
        while True:
            said = self.run("sh", "-c", f"{script}\n{lists}", check=False).stdout
            found = sorted(row.split()[:2] for row in said.splitlines())
            if found == sorted([name, "Ready"] for name in machines):
                return
            if time.monotonic() >= end:
                raise Failure(f"after {after} the cluster has {found}")
            time.sleep(0.2)

    def end(self) -> None:
        """Remove the machines."""
        self.dinv("rm", "-f", self.made, check=False)
        super().end()


class JoinTrial(CreateTrial):
    """Machines that join the cluster of another."""

    joins = True


KINDS = {"change": Trial, "create": CreateTrial, "join": JoinTrial}


def main() -> int:
    """Run the trial; return the exit status."""
    about = "Kill dinv at random moments while it changes a machine, or makes one in a cluster."
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=about)
    parser.add_argument("--endpoint", required=True, help="where the machine is made, unix://...")
    parser.add_argument("--image", default="dinv:latest")
    parser.add_argument("--dinv", default=shutil.which("dinv"), help="the dinv to kill")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4)))
    parser.add_argument("--kind", choices=tuple(KINDS), default="change", help="what is killed")
    parser.add_argument("--provisioner", choices=tuple(CLUSTERS), default="swarm", help="of create and join")
    parser.add_argument("--create", action="append", default=[], metavar="WORD", help="a word of each create")
    options = parser.parse_args()
    print(f"seed {options.seed}")
    CreateTrial.provisioner, CreateTrial.options = options.provisioner, options.create
    trial = KINDS[options.kind](options.dinv, options.endpoint, options.image, random.Random(options.seed))  # noqa: S311
    kills = 0
    try:
        trial.begin()
        while kills < options.kills:
            kills += trial.kill_once()
            print(f"\r{kills} kills of {trial.count} operations", end="", flush=True)
        print()
    except Failure as failure:
        print(f"\nkills: {failure}", file=sys.stderr)
        return 1
    finally:
        trial.end()
    left = trial.left()
    if left:
        print(f"kills: left on the endpoint: {left}", file=sys.stderr)
        return 1
    print("0 machines lost, nothing left")
    return 0


if __name__ == "__main__":
    sys.exit(main())
