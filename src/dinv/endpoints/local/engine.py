"""dinv's own engine: a dockerd on this computer that belongs to one store, for people who have none.

Everything that belongs to it is in `<store>/engine/`:

    docker.sock      where it listens (dinv.endpoints.resolve.local_engine_socket)
    daemon.json      what it was started with: nothing of /etc/docker is read
    data/            images, containers, volumes; stays when the engine stops
    exec/            sockets of its containerd; gone when the engine stops
    dockerd.log      its output since its last start; dockerd.log.1 that of the time before
    .lock            held (`dinv.system.locks`) while a process starts or stops it

It has a bridge of its own (dinv.endpoints.local.bridge) and, if the system's containerd serves it, a
namespace of its own there. Next to another dockerd it makes no firewall rules: at its start a dockerd
empties the chains that it would share with the other (moby: libnetwork/drivers/bridge, removeIPChains).
In that case the network of its machines is created at its start, and gets the same rules as its bridge.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

from dinv.endpoints.local import systemd
from dinv.endpoints.local.bridge import Bridge, search_path
from dinv.endpoints.resolve import LONGEST_SOCKET, Endpoint, local_engine_socket
from dinv.errors import DinvError, LocalEngineError
from dinv.labels import LABEL, LABEL_KEEP
from dinv.system import locks, mounts, processes
from dinv.timeouts import SERVE_SECONDS
from dinv.wording import command, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from ipaddress import IPv4Network
    from typing import Any

    from dinv.progress import Progress
    from dinv.store.store import Store

STEP_SECONDS = 0.05
ANSWER_SECONDS = 3.0
KILL_SECONDS = 10.0
"""Seconds that killed processes may take to end."""
LOG_LINES = 10
_LONGEST_IN_EXEC_ROOT = "containerd/containerd-debug.sock"

_DONE = {"start": "started", "stop": "stopped", "enable": "started at boot", "disable": "kept from booting"}

INSTALL = (
    "dockerd is not installed on this computer. Install it, then start the engine again:\n"
    "  Debian, Ubuntu  apt-get install docker.io\n"
    "  Fedora          dnf install moby-engine\n"
    "  Photon OS       tdnf install docker\n"
    "Or name an engine elsewhere with " + option("endpoint") + " or DINV_ENDPOINT."
)


class EngineStatus:
    """What there is of the engine.

    `pid`: its dockerd's, 0 if there is none; `version`: "" unless it answers; `reason`: why it does not;
    `at_boot`: whether it is started at boot, None if dinv cannot arrange that.
    """

    def __init__(
        self,
        *,
        socket: str,
        data_root: str,
        log: str,
        pid: int = 0,
        version: str = "",
        reason: str = "",
        at_boot: bool | None = None,
    ) -> None:
        self.socket = socket
        self.data_root = data_root
        self.log = log
        self.pid = pid
        self.version = version
        self.reason = reason
        self.at_boot = at_boot

    @property
    def running(self) -> bool:
        """Whether it answers."""
        return bool(self.version)


class LocalEngine:
    """The engine of one store. Starting and stopping it needs root, as dockerd does."""

    def __init__(self, store: Store, trace: Callable[[str], None] | None = None) -> None:
        self.store = store
        self.directory = os.path.join(store.path, "engine")
        self.socket = local_engine_socket(store)
        self.data_root = os.path.join(self.directory, "data")
        self.log = os.path.join(self.directory, "dockerd.log")
        self._trace = trace
        self._without_rules = False
        self._bridge = Bridge(store.path)
        self._unit = systemd.BootUnit(self._bridge.name, store.path)
        self._config = os.path.join(self.directory, "daemon.json")
        self._pid_file = os.path.join(self.directory, "dockerd.pid")
        self._exec_root = os.path.join(self.directory, "exec")
        if len(os.fsencode(os.path.join(self._exec_root, _LONGEST_IN_EXEC_ROOT))) > LONGEST_SOCKET:
            self._exec_root = f"/run/{self._bridge.name}"

    def status(self) -> EngineStatus:
        """Return its status. Needs no privilege, and changes nothing."""
        status = EngineStatus(socket=self.socket, data_root=self.data_root, log=self.log, pid=self._find())
        status.at_boot = self._unit.enabled if systemd.in_charge() else None
        try:
            with Endpoint(f"unix://{self.socket}").engine(
                timeout=ANSWER_SECONDS, trace=self._trace
            ) as engine:
                status.version = str(engine.version().get("Version", ""))
        except DinvError as error:
            status.reason = str(getattr(error, "reason", "") or error)
        return status

    def start(self, progress: Progress, *, timeout: float = SERVE_SECONDS) -> None:
        """Start it, and wait until it answers, `timeout` in seconds. It outlives this process.

        If it runs it is left alone, and if it is starting this waits for it. The remains of a crash are
        removed first. Raises LocalEngineError, with its last log lines if it does not come up.
        """
        if self._tell_running(progress):
            return
        dockerd = self._check("start")
        until = time.monotonic() + timeout
        self._make_directories()
        with self._locked(until, timeout), progress.working("Engine", "starting"):
            if self._tell_running(progress):
                return
            pid = self._find()
            try:
                if not pid:
                    self._clear_away([])
                    pid = self._launch(dockerd, progress)
                self._wait(pid, until, timeout, progress)
            except BaseException:
                self._end(KILL_SECONDS, [])
                raise
            self._give_to_owner()
            if self._without_rules:
                self._open_own_network(progress)
        progress.line("Engine", f"Docker {self.status().version} started at unix://{self.socket}")

    def stop(self, progress: Progress, *, timeout: float = SERVE_SECONDS) -> None:
        """Stop it, and with it the machines on it; by force after `timeout` seconds.

        Its images, volumes and stopped machines stay in its data root, and its log stays. Nothing else does,
        not even after a crash. Raises LocalEngineError.
        """
        if not self._find() and not self._leftovers():
            progress.line("Engine", "not running")
            return
        self._check("stop", dockerd_needed=False)
        until = time.monotonic() + timeout
        with self._locked(until, timeout), progress.working("Engine", "stopping"):
            machines, bridges = self._inventory() if self._find() else (0, [])
            self._end(max(1.0, until - time.monotonic()), bridges)
        progress.line("Engine", f"stopped at unix://{self.socket}")
        if machines:
            progress.note(f"{machines} running machine{'s' * (machines > 1)} on it stopped with it.")
        progress.note(f"Its images, volumes and machines stay in {self.data_root}")

    def enable(self, progress: Progress) -> None:
        """Have it started at each boot, by a systemd unit. Raises LocalEngineError."""
        self._check("enable")
        if not systemd.in_charge():
            raise LocalEngineError(
                "systemd does not run this computer, so dinv cannot have the engine started at boot. Let "
                "what does so run: " + command("-s", self.store.path, "engine", "start")
            )
        self._unit.enable()
        progress.line("Engine", "started at boot from now on", self._unit.name)
        if not self.status().running:
            progress.note("It is not running now. Start it: " + command("engine", "start"))

    def disable(self, progress: Progress) -> None:
        """No longer have it started at boot; a running one keeps running. Raises LocalEngineError."""
        self._check("disable", dockerd_needed=False)
        there = self._unit.disable()
        progress.line("Engine", "not started at boot any more" if there else "was not started at boot")

    def _tell_running(self, progress: Progress) -> bool:
        status = self.status()
        if status.running:
            progress.line("Engine", f"Docker {status.version} running already at unix://{self.socket}")
        return status.running

    def _check(self, verb: str, *, dockerd_needed: bool = True) -> str:
        """Return the path of dockerd. Raises LocalEngineError if this computer or user cannot run it."""
        import shutil
        import sys

        if sys.platform != "linux":
            raise LocalEngineError(
                "dinv's own engine needs Linux. Name an engine with "
                + option("endpoint")
                + " or DINV_ENDPOINT."
            )
        dockerd = shutil.which("dockerd", path=search_path()) or ""
        if not dockerd and dockerd_needed:
            raise LocalEngineError(INSTALL)
        if os.geteuid() != 0:
            # sudo's home directory is root's: without -s it would be another store's engine.
            raise LocalEngineError(
                f"An engine can be {_DONE[verb]} by root only. For this "
                f"store: sudo dinv -s {self.store.path} engine {verb}"
            )
        return dockerd

    def _make_directories(self) -> None:
        """Make the store if need be; what root makes in a user's directory gets the user as owner."""
        import stat

        missing, path = [], self.store.path
        while not os.path.isdir(path) and path != os.path.dirname(path):
            missing.append(path)
            path = os.path.dirname(path)
        try:
            owner = os.stat(path)
            for directory in reversed(missing):
                # Another start may be making them right now; it sets their owner then.
                with contextlib.suppress(FileExistsError):
                    os.mkdir(directory, 0o700)
                    os.chown(directory, owner.st_uid, owner.st_gid)
            # Other users who may use the socket must be able to get to it.
            with contextlib.suppress(FileExistsError):
                os.mkdir(self.directory, 0o711)
            directory = os.path.dirname(self.socket)
            if directory != self.directory:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(directory, 0o700)
                found = os.lstat(directory)
                private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
                if not private or found.st_uid != os.geteuid():
                    raise LocalEngineError(
                        f"{directory}, where the engine's socket has to be because the store's path is so "
                        f"long, is not a directory for root alone. Remove it, or use another store."
                    )
        except OSError as error:
            raise LocalEngineError(f"{error.filename}: {error.strerror}") from error
        self._check_file_system()

    def _check_file_system(self) -> None:
        """Raise if no socket can be made (exFAT, sshfs): dockerd could neither listen nor keep layers."""
        import socket

        with contextlib.ExitStack() as stack:
            try:
                directory = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                stack.callback(os.close, directory)
                probe = stack.enter_context(socket.socket(socket.AF_UNIX))
                # By descriptor: a path may be longer than a socket's address.
                name = f".socket.{os.urandom(6).hex()}"
                probe.bind(f"/proc/self/fd/{directory}/{name}")
                os.unlink(name, dir_fd=directory)
            except OSError as error:
                raise LocalEngineError(
                    f"No engine can be kept in {self.directory}: its file system has no sockets "
                    f"({error.strerror}). Use a store on a local disk: sudo "
                    + command("-s", "DIR", "engine", "start")
                ) from error

    @contextlib.contextmanager
    def _locked(self, until: float, timeout: float) -> Iterator[None]:
        """Keep out other processes that start or stop it; wait for those that are doing so."""
        path = os.path.join(self.directory, ".lock")
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locks.held(path, wait=locks.until(until, STEP_SECONDS)))
            except BlockingIOError:
                raise LocalEngineError(
                    f"Another dinv is starting or stopping the engine, for more than {timeout:g} s."
                ) from None
            except OSError as error:
                raise LocalEngineError(f"{path}: {error.strerror}") from error
            yield

    def _find(self) -> int:
        """Return the pid of this store's dockerd, 0 if there is none. The pid file is not trusted."""

        def matches(words: list[str]) -> bool:
            return os.path.basename(words[0]) == "dockerd" and self._config in words

        return next(iter(processes.find(matches)), 0)

    def _launch(self, dockerd: str, progress: Progress) -> int:
        """Start dockerd as a process of its own; return its pid."""
        import json
        import subprocess

        from dinv.system import files

        subnet = self._bridge.make()
        rules = not _another_engine(self._config)
        if not rules:
            self._without_rules = True
            self._open_to_outside(subnet, progress)
        config: dict[str, Any] = {
            "hosts": [f"unix://{self.socket}"],
            "data-root": self.data_root,
            "exec-root": self._exec_root,
            "pidfile": self._pid_file,
            "bridge": self._bridge.name,
            "iptables": rules,
            "ip6tables": False,
        }
        files.sweep(self.directory)
        files.write(self._config, json.dumps(config, indent=4).encode(), mode=0o600)
        with contextlib.suppress(FileNotFoundError):
            os.replace(self.log, f"{self.log}.1")
        command = [dockerd, "--config-file", self._config]
        # Flags: dockerd checks them under one name in daemon.json and reads another.
        command += ["--containerd-namespace", self._bridge.name]
        command += ["--containerd-plugins-namespace", f"plugins.{self._bridge.name}"]
        environment = _environment()
        if systemd.in_charge() and self._launch_apart(command, environment):
            return self._find()
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
                [*systemd.apart(self._bridge.name, self.log, sorted(environment)), *command],
                cwd="/",
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=KILL_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        until = time.monotonic() + STEP_SECONDS * 20
        while not done.returncode and not self._find() and time.monotonic() < until:
            time.sleep(STEP_SECONDS)
        return not done.returncode and bool(self._find())

    def _open_to_outside(self, subnet: IPv4Network, progress: Progress) -> None:
        progress.note(
            "Another Docker engine runs here: this one leaves the firewall's Docker rules alone, and "
            "networks that `docker network create` makes on it have no way out."
        )
        try:
            self._bridge.open_to_outside(subnet)
        except LocalEngineError as error:
            progress.warn(f"Machines on it have no way out: {error}")

    def _open_own_network(self, progress: Progress) -> None:
        """Create the network of its machines now, for good: who runs `create` may not add rules."""
        from dinv.endpoints import own_network, subnets

        try:
            with Endpoint(f"unix://{self.socket}").engine(trace=self._trace) as engine:
                network = own_network.ensure(engine, labels={LABEL_KEEP: "engine"})
            if network is not None:
                subnet = subnets.of_network(network)[0]
                self._bridge.open_to_outside(subnet, own_network.bridge_of(network))
        except DinvError as error:
            progress.warn(f"Machines on it have no way out: {error}")

    def _bridges_on_disk(self) -> list[str]:
        """Return the bridges of dinv's own networks, from dockerd's files: it may no longer answer."""
        import re

        try:
            with open(os.path.join(self.data_root, "network", "files", "local-kv.db"), "rb") as file:
                return list({name.decode() for name in re.findall(rb"\bdnv[0-9a-f]{10}\b", file.read())})
        except OSError:
            return []

    def _wait(self, pid: int, until: float, timeout: float, progress: Progress) -> None:
        while not self.status().running:
            if not processes.command_line(pid):
                raise LocalEngineError("The engine (dockerd) ended at its start.", self._last_words())
            if time.monotonic() >= until:
                raise LocalEngineError(
                    f"The engine (dockerd) did not answer within {timeout:g} s. "
                    + option("timeout")
                    + " gives it longer.",
                    self._last_words(),
                )
            progress.update("")
            time.sleep(STEP_SECONDS)

    def _last_words(self) -> list[str]:
        try:
            with open(self.log, encoding="utf-8", errors="replace") as file:
                lines = [line.rstrip() for line in file if line.strip()]
        except OSError:
            return []
        telling = [line for line in lines if " level=info " not in line and " level=debug " not in line]
        return (telling or lines)[-LOG_LINES:]

    def _give_to_owner(self) -> None:
        """Let the store's owner, who started it by sudo, use the socket; dockerd has set mode and group."""
        owner = os.stat(self.store.path).st_uid
        if owner != os.geteuid():
            os.chown(self.socket, owner, -1)

    def _inventory(self) -> tuple[int, list[str]]:
        """Return how many machines run on it, and the bridges of its networks; none if it does not answer."""
        try:
            with Endpoint(f"unix://{self.socket}").engine(
                timeout=ANSWER_SECONDS, trace=self._trace
            ) as engine:
                machines = engine.containers.list(filters={"label": [LABEL]})
                networks = engine.networks.list(filters={"driver": ["bridge"]})
        except DinvError:
            return 0, []
        bridges = [
            (network.get("Options") or {}).get("com.docker.network.bridge.name") or f"br-{network['Id'][:12]}"
            for network in networks
        ]
        return len(machines), bridges

    def _end(self, seconds: float, bridges: list[str]) -> None:
        pid = self._find()
        if pid:
            processes.send([pid], signal.SIGTERM)
            if processes.wait([pid], seconds):
                processes.send([pid], signal.SIGKILL)
                processes.wait([pid], KILL_SECONDS)
        self._clear_away(bridges)

    def _clear_away(self, bridges: list[str]) -> None:
        """Remove what dockerd leaves behind, which is more if it was killed."""
        from dinv.system import files

        left = processes.with_descendants(self._remains())
        processes.send(left, signal.SIGKILL)
        still = processes.wait(left, KILL_SECONDS)
        if still:
            raise LocalEngineError(f"Processes of the engine cannot be ended: {', '.join(map(str, still))}")
        _unmount_below(self.directory)
        _unmount_below(self._exec_root)
        self._bridge.remove({*bridges, *self._bridges_on_disk()})
        try:
            files.remove_tree(self._exec_root)
            for path in (self.socket, self._pid_file):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
            if os.path.dirname(self.socket) != self.directory:
                with contextlib.suppress(FileNotFoundError):
                    os.rmdir(os.path.dirname(self.socket))
        except OSError as error:
            raise LocalEngineError(f"{error.filename}: {error.strerror}") from error

    def _remains(self) -> list[int]:
        """Return its containerd, and the shims of its containers, which outlive a dockerd that was killed."""
        config = os.path.join(self._exec_root, "containerd", "containerd.toml")

        def matches(words: list[str]) -> bool:
            program = os.path.basename(words[0])
            if program == "containerd":
                return config in words
            return program.startswith("containerd-shim") and self._bridge.name in words

        return processes.find(matches)

    def _leftovers(self) -> bool:
        there = self._bridge.exists() or any(
            os.path.lexists(path) for path in (self.socket, self._pid_file, self._exec_root)
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
