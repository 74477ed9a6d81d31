"""A rootful Podman of the tests' own: its Docker API on a socket, its storage and networks in a directory."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
import tomllib
from typing import TYPE_CHECKING

import pytest

from dinv.engine import Engine, parse_address
from dinv.errors import DinvError
from dinv.system.files import remove_tree

if TYPE_CHECKING:
    from typing import Self

_HELPERS = "/usr/lib/podman"
_SECONDS = 60.0
_STOCK = ("/usr/share/containers/containers.conf", "/etc/containers/containers.conf")


def _stock_containers() -> dict[str, str]:
    """The lists in `[containers]` of the distribution's containers.conf, as TOML."""
    found: dict[str, str] = {}
    for path in _STOCK:
        with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
            table = tomllib.load(file).get("containers", {})
            found |= {key: json.dumps(value) for key, value in table.items() if isinstance(value, list)}
    found.pop("default_ulimits", None)
    if "NET_RAW" in found.get("default_capabilities", "NET_RAW"):
        pytest.fail(f"{_STOCK[0]} does not leave out capabilities: is it the distribution's own?")
    return found


class PodmanService:
    """`podman system service`, from construction to `close`; `url` is where it listens.

    Default ulimits are emptied: setting them takes CAP_SYS_RESOURCE, which a VM for tests may lack. runc is
    the runtime: crun refuses the hybrid mode of cgroup v1. What containers get otherwise is as in the
    distribution's own containers.conf, which CONTAINERS_CONF replaces and every user has: fewer capabilities
    than Docker's.
    """

    def __init__(self, directory: str) -> None:
        missing = [name for name in ("podman", "runc") if shutil.which(name) is None]
        missing += [
            name for name in ("netavark", "aardvark-dns") if not os.path.exists(os.path.join(_HELPERS, name))
        ]
        if missing:
            pytest.fail(f"not installed: apt-get install --no-install-recommends {' '.join(missing)}")
        self._directory = directory
        self.url = f"unix://{directory}/podman.sock"
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": directory,
            "CONTAINERS_CONF": os.path.join(directory, "containers.conf"),
        }
        self._write_configuration()
        self._log = open(os.path.join(directory, "log"), "wb")  # noqa: SIM115  (closed in `close`)
        self._process = subprocess.Popen(
            [*self._command(), "system", "service", "--time=0", self.url],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        try:
            self._await()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _command(self) -> list[str]:
        storage = os.path.join(self._directory, "storage")
        return ["podman", "--root", storage, "--runroot", os.path.join(self._directory, "run")]

    def _write_configuration(self) -> None:
        networks = os.path.join(self._directory, "networks")
        os.makedirs(networks)
        lines = (
            "[containers]",
            *(f"{key} = {value}" for key, value in _stock_containers().items()),
            "default_ulimits = []",
            "[network]",
            'network_backend = "netavark"',
            f'network_config_dir = "{networks}"',
            "[engine]",
            'cgroup_manager = "cgroupfs"',
            'events_logger = "file"',
            # A monitor waits so long for somebody to ask what an exec ended with; 5 minutes otherwise.
            "exit_command_delay = 10",
            # Its locks would be another Podman's of this computer, too.
            'lock_type = "file"',
            'runtime = "runc"',
            f'tmp_dir = "{self._directory}/tmp"',
        )
        with open(self._environment["CONTAINERS_CONF"], "w", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
        # The default network by another bridge and subnet than those of a Podman that is here already, and of
        # the tests that run beside these; nor one of those that dinv chooses from (endpoints/subnets.py).
        number = os.getpid() % 256
        network = {
            "name": "podman",
            "id": hashlib.sha256(self._directory.encode()).hexdigest(),
            "driver": "bridge",
            "network_interface": f"dinvpod{number}",
            "created": "2024-01-01T00:00:00Z",
            "subnets": [{"subnet": f"10.218.{number}.0/24", "gateway": f"10.218.{number}.1"}],
            "ipv6_enabled": False,
            "internal": False,
            "dns_enabled": False,
            "ipam_options": {"driver": "host-local"},
        }
        with open(os.path.join(networks, "podman.json"), "w", encoding="utf-8") as file:
            json.dump(network, file)

    def _await(self) -> None:
        end = time.monotonic() + _SECONDS
        with Engine(parse_address(self.url)) as engine:
            while True:
                try:
                    engine.ping()
                except DinvError as error:
                    if self._process.poll() is not None or time.monotonic() > end:
                        pytest.fail(f"podman does not answer: {error}\n{self._said()}")
                    time.sleep(0.05)
                else:
                    return

    def _said(self) -> str:
        with open(self._log.name, encoding="utf-8", errors="replace") as file:
            return file.read()[-3000:]

    def close(self) -> None:
        """End it, and all that it has: containers, volumes, mounts, its directory."""
        if self._log.closed:
            return
        self._process.terminate()
        try:
            self._process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
        for words in (("rm", "--all", "--force", "--time=0"), ("network", "prune", "--force")):
            subprocess.run(
                [*self._command(), *words],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=_SECONDS,
            )
        self._end_monitors()
        self._unmount()
        remove_tree(self._directory)

    def _end_monitors(self) -> None:
        """End what still waits for the end of an exec: each conmon names our storage in its arguments."""
        for process in filter(str.isdecimal, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{process}/cmdline", "rb") as file:
                words = file.read().decode(errors="replace").split("\0")
                if words[0].endswith("conmon") and os.path.join(self._directory, "storage") in words:
                    os.kill(int(process), signal.SIGKILL)

    def _unmount(self) -> None:
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            points = [line.split()[4] for line in file]
        for point in reversed(points):
            if point.startswith(self._directory + os.sep):
                subprocess.run(["umount", "--lazy", point], check=True, timeout=_SECONDS)
