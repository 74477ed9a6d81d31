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
Those that start at once look one after the other (`dinv.system.locks.alone`), and at boot after docker's own.

dockerd.py      the process: started, ended, its remains
bridge.py       its network interface
directories.py  made, with their owners
systemd.py      started at boot
"""

from __future__ import annotations

import contextlib
import os
import time

from dinv.endpoints.local import directories, systemd
from dinv.endpoints.local.bridge import search_path
from dinv.endpoints.local.dockerd import KILL_SECONDS, STEP_SECONDS, Dockerd
from dinv.endpoints.resolve import Endpoint, local_engine_socket
from dinv.errors import DinvError, LocalEngineError
from dinv.labels import LABEL, LABEL_KEEP
from dinv.system import locks, processes
from dinv.system.deadline import Deadline
from dinv.timeouts import SERVE_SECONDS
from dinv.wording import command, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dinv.progress import Progress
    from dinv.store.store import Store

ANSWER_SECONDS = 3.0
INVENTORY_SECONDS = 20.0
"""How long a stop asks what is on it, at most. The bridges of networks that it is not told of would stay."""

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
        self._dockerd = Dockerd(store.path, self.directory, self.socket)
        self.data_root = self._dockerd.data_root
        self.log = self._dockerd.log
        self._trace = trace
        self._unit = systemd.BootUnit(self._dockerd.bridge.name, store.path)

    def status(self, *, timeout: float = ANSWER_SECONDS) -> EngineStatus:
        """Return its status. Needs no privilege, and changes nothing.

        dockerd has `timeout` seconds to answer.
        """
        status = EngineStatus(
            socket=self.socket, data_root=self.data_root, log=self.log, pid=self._dockerd.find()
        )
        status.at_boot = self._unit.enabled if systemd.in_charge() else None
        try:
            with Endpoint(f"unix://{self.socket}").engine(timeout=timeout, trace=self._trace) as engine:
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
        directories.make(self.store.path, self.directory, self.socket)
        with self._locked(until, timeout), progress.working("Engine", "starting"):
            if self._tell_running(progress):
                return
            pid = self._dockerd.find()
            try:
                if not pid:
                    self._dockerd.clear_away([])
                    pid = self._dockerd.launch(dockerd, progress)
                version = self._wait(pid, until, timeout, progress)
                self._give_to_owner()
                if self._dockerd.without_rules:
                    self._open_own_network(progress)
            except BaseException:
                self._dockerd.end(KILL_SECONDS, [])
                raise
        progress.line("Engine", f"Docker {version} started at unix://{self.socket}")

    def stop(self, progress: Progress, *, timeout: float = SERVE_SECONDS) -> None:
        """Stop it, and with it the machines on it; by force after `timeout` seconds.

        Its images, volumes and stopped machines stay in its data root, and its log stays. Nothing else does,
        not even after a crash. Raises LocalEngineError.
        """
        if not self._dockerd.find() and not self._dockerd.has_left():
            progress.line("Engine", "not running")
            return
        self._check("stop", dockerd_needed=False)
        until = time.monotonic() + timeout
        with self._locked(until, timeout), progress.working("Engine", "stopping"):
            # The other half is for its containers to end.
            half = (until - time.monotonic()) / 2
            asking = min(INVENTORY_SECONDS, max(ANSWER_SECONDS, half))
            machines, bridges = self._inventory(asking) if self._dockerd.find() else (0, [])
            self._dockerd.end(max(1.0, until - time.monotonic()), bridges)
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

    def _open_own_network(self, progress: Progress) -> None:
        """Create the network of its machines now, for good: who runs `create` may not add rules."""
        from dinv.endpoints import own_network, subnets

        try:
            with Endpoint(f"unix://{self.socket}").engine(trace=self._trace) as engine:
                network = own_network.ensure(engine, labels={LABEL_KEEP: "engine"})
            if network is not None:
                subnet = subnets.of_network(network)[0]
                self._dockerd.bridge.open_to_outside(subnet, own_network.bridge_of(network))
        except DinvError as error:
            progress.warn(f"Machines on it have no way out: {error}")

    def _wait(self, pid: int, until: float, timeout: float, progress: Progress) -> str:
        """Wait until it answers; return its version."""
        while True:
            # dockerd takes connections a second before it serves: asking takes no longer than what is left.
            left = max(0.01, until - time.monotonic())
            status = self.status(timeout=min(ANSWER_SECONDS, left))
            if status.running:
                return status.version
            if not processes.command_line(pid):
                raise LocalEngineError("The engine (dockerd) ended at its start.", self._dockerd.last_words())
            if time.monotonic() >= until:
                raise LocalEngineError(
                    f"The engine (dockerd) did not answer within {timeout:g} s. "
                    + option("timeout")
                    + " gives it longer.",
                    self._dockerd.last_words(),
                )
            progress.update("")
            time.sleep(STEP_SECONDS)

    def _give_to_owner(self) -> None:
        """Let the store's owner, who started it by sudo, use the socket; dockerd has set mode and group."""
        owner = os.stat(self.store.path).st_uid
        if owner != os.geteuid():
            os.chown(self.socket, owner, -1)

    def _inventory(self, seconds: float) -> tuple[int, list[str]]:
        """Return how many machines run on it, and the bridges of its networks.

        None of either if it does not answer within so many seconds.
        """
        deadline = Deadline(seconds)
        try:
            with Endpoint(f"unix://{self.socket}").engine(timeout=seconds, trace=self._trace) as engine:
                machines = engine.containers.list(filters={"label": [LABEL]}, timeout=deadline)
                networks = engine.networks.list(filters={"driver": ["bridge"]}, timeout=deadline)
        except DinvError:
            return 0, []
        bridges = [
            (network.get("Options") or {}).get("com.docker.network.bridge.name") or f"br-{network['Id'][:12]}"
            for network in networks
        ]
        return len(machines), bridges
