"""The dockerd of dinv's own engine: found, started, ended, and what it leaves behind removed."""

from __future__ import annotations

import contextlib
import os
import signal
import time

from dinv.endpoints.local import systemd
from dinv.endpoints.local.bridge import Bridge, search_path
from dinv.endpoints.resolve import LONGEST_SOCKET
from dinv.errors import LocalEngineError
from dinv.system import locks, mounts, processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ipaddress import IPv4Network
    from typing import Any

    from dinv.progress import Progress

STEP_SECONDS = 0.05
KILL_SECONDS = 10.0
"""Seconds that killed processes may take to end."""
LOG_LINES = 10
_EXECUTED_SECONDS = 1.0
"""Seconds until a process that was started is dockerd, and found by its command line."""
_ALONE_SECONDS = 20.0
_LONGEST_IN_EXEC_ROOT = "containerd/containerd-debug.sock"


class Dockerd:
    """The process, with what belongs to it in `directory`; `store` is the path of its store."""

    def __init__(self, store: str, directory: str, socket: str) -> None:
        self.directory = directory
        self.socket = socket
        self.bridge = Bridge(store)
        self.data_root = os.path.join(directory, "data")
        self.log = os.path.join(directory, "dockerd.log")
        self.without_rules = False
        """Whether it was started here beside another one, and makes no firewall rules."""
        self._config = os.path.join(directory, "daemon.json")
        self.pid_file = os.path.join(directory, "dockerd.pid")
        self.exec_root = os.path.join(directory, "exec")
        if len(os.fsencode(os.path.join(self.exec_root, _LONGEST_IN_EXEC_ROOT))) > LONGEST_SOCKET:
            self.exec_root = f"/run/{self.bridge.name}"

    def find(self) -> int:
        """Return the pid of this store's dockerd, 0 if there is none. The pid file is not trusted."""

        def matches(words: list[str]) -> bool:
            return os.path.basename(words[0]) == "dockerd" and self._config in words

        return next(iter(processes.find(matches)), 0)

    def launch(self, dockerd: str, progress: Progress) -> int:
        """Start dockerd, the program at that path, as a process of its own; return its pid.

        The engines of two stores may be started at once, as at boot. Of those, one sees no other and makes
        the rules; so nobody else looks until this one is seen.
        """
        with locks.alone("dinv-own-engine", seconds=_ALONE_SECONDS):
            self._configure(progress)
            pid = self._launch(dockerd)
            self._await_found(pid)
            return pid

    def _configure(self, progress: Progress) -> None:
        """Make its bridge, and write the file with its settings; those depend on the other engines here."""
        import json

        from dinv.system import files

        subnet = self.bridge.make()
        rules = not _another_engine(self._config)
        if not rules:
            self.without_rules = True
            self._open_to_outside(subnet, progress)
        config: dict[str, Any] = {
            "hosts": [f"unix://{self.socket}"],
            "data-root": self.data_root,
            "exec-root": self.exec_root,
            "pidfile": self.pid_file,
            "bridge": self.bridge.name,
            "iptables": rules,
            "ip6tables": False,
        }
        files.sweep(self.directory)
        files.write(self._config, json.dumps(config, indent=4).encode(), mode=0o600)
        with contextlib.suppress(FileNotFoundError):
            os.replace(self.log, f"{self.log}.1")

    def _launch(self, dockerd: str) -> int:
        import subprocess

        command = [dockerd, "--config-file", self._config]
        # Flags: dockerd checks them under one name in daemon.json and reads another.
        command += ["--containerd-namespace", self.bridge.name]
        command += ["--containerd-plugins-namespace", f"plugins.{self.bridge.name}"]
        environment = _environment()
        if systemd.in_charge() and self._launch_apart(command, environment):
            return self.find()
        # The shell ends at once: dockerd is then not our child, and is reaped by init.
        script = 'umask 022; log=$1; shift; "$@" </dev/null >>"$log" 2>&1 & echo $!'
        started = subprocess.run(
            ["/bin/sh", "-c", script, "sh", self.log, *command],
            start_new_session=True,
            cwd="/",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=KILL_SECONDS,
        )
        return int(started.stdout)

    def _launch_apart(self, command: list[str], environment: dict[str, str]) -> bool:
        """Have systemd start dockerd as a service; return whether it did, once dockerd is executed."""
        import subprocess

        try:
            done = subprocess.run(
                [*systemd.apart(self.bridge.name, self.log, sorted(environment)), *command],
                cwd="/",
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=KILL_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        return not done.returncode and self._await_found()

    def _await_found(self, pid: int = 0) -> bool:
        """Wait until it is found, or the process `pid` has ended; return whether it is found.

        What was forked is not dockerd at once.
        """
        until = time.monotonic() + _EXECUTED_SECONDS
        while not self.find():
            if time.monotonic() >= until or (pid and not processes.command_line(pid)):
                return False
            time.sleep(STEP_SECONDS)
        return True

    def _open_to_outside(self, subnet: IPv4Network, progress: Progress) -> None:
        progress.note(
            "Another Docker engine runs here: this one leaves the firewall's Docker rules alone, and "
            "networks that `docker network create` makes on it have no way out."
        )
        try:
            self.bridge.open_to_outside(subnet)
        except LocalEngineError as error:
            progress.warn(f"Machines on it have no way out: {error}")

    def last_words(self) -> list[str]:
        """Return its log's last lines, without those that only say what it does; [] if there is none."""
        try:
            with open(self.log, encoding="utf-8", errors="replace") as file:
                lines = [line.rstrip() for line in file if line.strip()]
        except OSError:
            return []
        telling = [line for line in lines if " level=info " not in line and " level=debug " not in line]
        return (telling or lines)[-LOG_LINES:]

    def end(self, seconds: float, bridges: list[str]) -> None:
        """End it, by force after `seconds`, and clear away; `bridges` are the interfaces of its networks."""
        pid = self.find()
        if pid:
            processes.send([pid], signal.SIGTERM)
            if processes.wait([pid], seconds):
                processes.send([pid], signal.SIGKILL)
                processes.wait([pid], KILL_SECONDS)
        self.clear_away(bridges)

    def clear_away(self, bridges: list[str]) -> None:
        """Remove what dockerd leaves behind, which is more if it was killed."""
        from dinv.system import files

        left = processes.with_descendants(self._remains())
        processes.send(left, signal.SIGKILL)
        still = processes.wait(left, KILL_SECONDS)
        if still:
            raise LocalEngineError(f"Processes of the engine cannot be ended: {', '.join(map(str, still))}")
        _unmount_below(self.directory)
        _unmount_below(self.exec_root)
        self.bridge.remove({*bridges, *self._bridges_on_disk()})
        try:
            files.remove_tree(self.exec_root)
            for path in (self.socket, self.pid_file):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
            if os.path.dirname(self.socket) != self.directory:
                with contextlib.suppress(FileNotFoundError):
                    os.rmdir(os.path.dirname(self.socket))
        except OSError as error:
            raise LocalEngineError(f"{error.filename}: {error.strerror}") from error

    def _bridges_on_disk(self) -> list[str]:
        """Return the bridges of dinv's own networks, from dockerd's files: it may no longer answer."""
        import re

        try:
            with open(os.path.join(self.data_root, "network", "files", "local-kv.db"), "rb") as file:
                return list({name.decode() for name in re.findall(rb"\bdnv[0-9a-f]{10}\b", file.read())})
        except OSError:
            return []

    def _remains(self) -> list[int]:
        """Return its containerd, and the shims of its containers, which outlive a dockerd that was killed."""
        config = os.path.join(self.exec_root, "containerd", "containerd.toml")

        def matches(words: list[str]) -> bool:
            program = os.path.basename(words[0])
            if program == "containerd":
                return config in words
            return program.startswith("containerd-shim") and self.bridge.name in words

        return processes.find(matches)

    def has_left(self) -> bool:
        """Return whether there is anything for `clear_away`."""
        there = self.bridge.exists() or any(
            os.path.lexists(path) for path in (self.socket, self.pid_file, self.exec_root)
        )
        return there or bool(self._remains())


def _another_engine(own: str) -> bool:
    """Return whether another dockerd runs on this computer, in the network namespace that ours would use."""
    here = processes.network_namespace("self")

    def matches(words: list[str]) -> bool:
        return os.path.basename(words[0]) == "dockerd" and own not in words

    return any(processes.network_namespace(pid) == here for pid in processes.find(matches))


def _environment() -> dict[str, str]:
    """Return dockerd's environment: this process's, with its proxies, without those of docker's clients.

    dockerd reads DOCKER_TLS_VERIFY as the client does, and with NOTIFY_SOCKET would talk to the supervisor
    of this process.
    """
    foreign = ("DOCKER_", "LISTEN_", "NOTIFY_SOCKET")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return kept | {"PATH": search_path()}


def _unmount_below(directory: str) -> None:
    """Unmount everything that is mounted in a directory, the last first, even if it is in use."""
    import subprocess

    for point in reversed(mounts.below(directory)):
        subprocess.run(["umount", "--lazy", point], check=False, capture_output=True, timeout=KILL_SECONDS)
