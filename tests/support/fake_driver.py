"""A driver and a provisioner without an endpoint: what they make are files, which a kill leaves too."""

from __future__ import annotations

import contextlib
import copy
import os
import time
from typing import TYPE_CHECKING, Any, ClassVar

from dinv import drivers, provisioners
from dinv.drivers import AddressTaken, Alteration, Difference, Driver, Flag, Offer, Replacement
from dinv.drivers.alteration import RECREATION, RELOAD, RESTART
from dinv.errors import MachineError, MachineGone
from dinv.lifecycle.host import certificates
from dinv.provisioners import DockerdProvisioner
from dinv.provisioners.membership import Membership
from dinv.states import ERROR, PUBLISHED_PORT, RUNNING, STOPPED, Status
from dinv.system import files
from dinv.system.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pytest

    from dinv.channel import Channel
    from dinv.progress import Progress
    from dinv.store.record import MachineConfig


class World:
    """The endpoint: a directory with a file for each object, which says whose it is.

    `steps` is what was done so far; `at` is called with each step before it is done and can raise.
    """

    current: ClassVar[World]

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.steps: list[str] = []
        self.at: Callable[[str], object] = lambda _step: None
        self.address_known = True
        self.takes_files_running = False
        self.ports_taken = 0
        self.moves_address = False
        """Whether it is the address that is taken then, and not the port."""
        self.open: set[object] = set()
        self.states: dict[str, str] = {}
        self.moved = False
        self.newer = False
        self.image = ""
        """The ID of the image that machines are made from now."""
        self.settings: dict[str, dict[str, Any]] = {}
        """What each container was made with or given since: "Size" and "Memory"."""
        self.files: dict[str, dict[str, Any]] = {}
        """The engine options that are in each container."""
        self.daemons: dict[str, dict[str, Any]] = {}
        """The engine options that each daemon runs with."""
        self.ignores_updates = False
        self.members: dict[str, str] | None = None
        """The members of the cluster, and whether each is "active" or "resting"; None without one."""
        self.controller = ""
        """The machine by which the cluster is controlled; "" for whichever is asked."""
        os.makedirs(directory, exist_ok=True)

    def step(self, name: str) -> None:
        self.steps.append(name)
        self.at(name)

    def put(self, thing: str, identity: str) -> None:
        beside = f"{self.directory}-{thing}"  # an endpoint makes all of a thing or nothing, a kill or not
        with open(beside, "w", encoding="ascii") as file:
            file.write(identity)
        os.rename(beside, os.path.join(self.directory, thing))

    def take(self, thing: str, identity: str) -> None:
        if self.things().get(thing) == identity:
            os.unlink(os.path.join(self.directory, thing))

    def renamed(self, thing: str, name: str) -> None:
        """What a container was given goes by its new name."""
        for kept in (self.settings, self.files):
            kept[name] = kept.pop(thing, {})

    def things(self) -> dict[str, str]:
        """The objects there are, and whose they are."""
        found = {}
        for name in os.listdir(self.directory):
            # Another thread may remove a thing of its own meanwhile.
            with (
                contextlib.suppress(FileNotFoundError),
                open(os.path.join(self.directory, name), encoding="ascii") as file,
            ):
                found[name] = file.read()
        return found


class FakeDriver(Driver):
    """A container and a volume, both files."""

    name = "fake"

    @classmethod
    def create_flags(cls) -> tuple[Flag, ...]:
        return (
            Flag("size", "FAKE_SIZE", "how large"),
            Flag("cache-mark", "FAKE_MARKS", "marks", repeatable=True),
        )

    def set_config_from_flags(self, values: Mapping[str, Any], progress: Progress) -> None:
        self._step("configure")
        self.config.driver.update(Endpoint={"URL": "unix:///fake"}, Size=values.get("size"), Port=1000)
        self.config.driver["Marks"] = list(values.get("cache_mark") or ())

    def pre_create_check(self, progress: Progress) -> None:
        self._step("check")
        if self.address_known:
            self._settle()

    def prepare(self, progress: Progress) -> str:
        self._step("prepare")
        return "dinv"

    def create(
        self, environment: Mapping[str, str], command: Sequence[str], mounts: Mapping[str, str]
    ) -> None:
        world = World.current
        self._step("create volume")
        world.put(f"volume-{self.config.name}", self.config.identity)
        self._step("create container")
        world.put(f"container-{self.config.name}", self.config.identity)
        world.states[self.config.name] = STOPPED
        self.config.driver.update(Environment=dict(environment), MadeAs=self.config.name)
        self._step("created")

    def take_name(self) -> None:
        self._step("take name")
        world, before, after = World.current, str(self.config.driver.get("MadeAs")), self.config.name
        if before == after:
            return
        for kind in ("container", "volume"):
            if world.things().get(f"{kind}-{before}") == self.config.identity:
                self._step(f"rename {kind}")
                os.rename(*(os.path.join(world.directory, f"{kind}-{name}") for name in (before, after)))
        world.states[after] = world.states.pop(before, world.states.get(after, ERROR))
        self.config.driver["MadeAs"] = after

    def start(self, *, timeout: float) -> None:
        self._step("start")
        if World.current.ports_taken:
            World.current.ports_taken -= 1
            raise AddressTaken
        World.current.states[self.config.name] = RUNNING
        # A daemon that starts runs with what is in its files.
        World.current.daemons[self.config.name] = copy.deepcopy(
            World.current.files.get(f"container-{self.config.name}", {})
        )

    def unpause(self) -> None:
        self._step("unpause")
        World.current.states[self.config.name] = RUNNING

    def move(self) -> None:
        self._step("move")
        World.current.take(f"container-{self.config.name}", self.config.identity)
        if World.current.moves_address:
            self._settle(f"10.213.0.{World.current.steps.count('move')}")
            return
        self.config.driver["Port"] += 1
        self._settle()

    def image_id(self) -> str:
        World.current.step("image id")
        return World.current.image

    def replacement(self) -> Replacement:
        return FakeReplacement(self.config, self._step)

    @classmethod
    def change_flags(cls) -> tuple[Flag, ...]:
        return (Flag("memory", "", "how much", type="integer"), Flag("size", "", "how large"))

    def alteration(self) -> Alteration:
        return FakeAlteration(self.config, self._step)

    def stop(self, *, timeout: float) -> None:
        self._step(f"stop {timeout:g}")
        World.current.states[self.config.name] = STOPPED

    def kill(self) -> None:
        self._step("kill")
        World.current.states[self.config.name] = STOPPED

    def remove(self, *, keep_cache: bool = False) -> list[str]:
        self._step("remove")
        World.current.take(f"container-{self.config.name}", self.config.identity)
        World.current.take(f"aside-{self.config.name}", self.config.identity)
        World.current.take(f"beside-{self.config.name}", self.config.identity)
        if keep_cache:
            return ["The volume stays"]
        World.current.take(f"volume-{self.config.name}", self.config.identity)
        return []

    def state(self, *, timeout: float) -> Status:
        self._step("state")
        return Status(World.current.states.get(self.config.name, ERROR))

    @property
    def address_known(self) -> bool:
        return World.current.address_known

    @property
    def takes_files_running(self) -> bool:
        return World.current.takes_files_running

    def refresh_address(self) -> bool:
        self._step("refresh")
        if self.address_known and not World.current.moved:
            return False
        self._settle("10.0.0.9")
        return True

    def addresses(self) -> list[str]:
        return [self.ip] if self.ip else []

    def facts(self) -> dict[str, Any]:
        return {"endpoint": "unix:///fake", "machine": f"container-{self.config.name}"}

    def channel(self) -> Channel:
        raise NotImplementedError

    def signal_init(self, signal: str) -> None:
        self._step(signal)

    def logs(
        self,
        *,
        tail: int | None,
        follow: bool,
        timestamps: bool,
        timeout: float | Deadline | None = None,
    ) -> Iterator[bytes]:
        yield b"said\n"
        if follow and timeout is not None:  # it says no more, and nothing ends it
            deadline = Deadline.of(timeout, 0)
            while True:
                deadline.raise_if_expired("more of the log")
                time.sleep(0.01)

    def last_log_lines(self, count: int) -> list[str]:
        return ["said"][:count]

    def ended(self) -> int | None:
        return None

    def close(self) -> None:
        World.current.open.discard(self)

    def _step(self, name: str) -> None:
        World.current.open.add(self)
        World.current.step(name)

    def _settle(self, address: str = "127.0.0.1") -> None:
        url = f"tcp://{address}:{self.config.driver['Port']}"
        self.config.driver.update(IPAddress=address, URL=url, Reached=PUBLISHED_PORT)


class FakeReplacement(Replacement):
    """What was set aside is a file too."""

    def __init__(self, config: MachineConfig, step: Callable[[str], None]) -> None:
        self._config = config
        self._step = step

    def offer(self, image: str, progress: Progress) -> Offer:
        self._step("offer")
        return Offer(image or "dinv:latest", "dinv", same=not World.current.newer and not image)

    def replace(
        self, environment: Mapping[str, str], command: Sequence[str], mounts: Mapping[str, str]
    ) -> None:
        world, name = World.current, self._config.name
        self._step("create container")
        world.put(f"beside-{name}", self._config.identity)
        self._config.driver["Environment"] = dict(environment)
        world.settings[f"beside-{name}"] = settings_of(self._config.driver)
        self._step("stop old")
        world.states[name] = STOPPED
        self._step("set aside")
        world.take(f"container-{name}", self._config.identity)
        world.put(f"aside-{name}", self._config.identity)
        world.renamed(f"container-{name}", f"aside-{name}")
        world.states.pop(name)
        self._step("take its place")
        world.take(f"beside-{name}", self._config.identity)
        world.put(f"container-{name}", self._config.identity)
        world.renamed(f"beside-{name}", f"container-{name}")
        world.states[name] = STOPPED

    def take_back(self) -> None:
        world, name = World.current, self._config.name
        self._step("take back")
        world.take(f"beside-{name}", self._config.identity)
        if f"aside-{name}" not in world.things():
            if f"container-{name}" not in world.things():
                raise MachineGone(name, f"container-{name}", "unix:///fake")
            return
        world.take(f"aside-{name}", self._config.identity)
        world.put(f"container-{name}", self._config.identity)
        world.renamed(f"aside-{name}", f"container-{name}")
        world.states[name] = STOPPED

    def let_go(self) -> None:
        self._step("let go")
        World.current.take(f"aside-{self._config.name}", self._config.identity)


def settings_of(kept: Mapping[str, Any]) -> dict[str, Any]:
    return {key: kept.get(key) for key in ("Size", "Memory")}


class FakeAlteration(Alteration):
    """Memory by an update, unless there is none; the size by a recreation."""

    def __init__(self, config: MachineConfig, step: Callable[[str], None]) -> None:
        self._config = config
        self._step = step

    def changes(self, values: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
        wanted = {key.capitalize(): value for key, value in values.items()}
        return {key: value for key, value in wanted.items() if self._config.driver.get(key) != value}

    def differences(self, changes: Mapping[str, Any]) -> list[Difference]:
        kept = self._config.driver
        return [
            Difference(key.lower(), str(kept.get(key)), str(value), [key]) for key, value in changes.items()
        ]

    def updates(self, changes: Mapping[str, Any]) -> bool:
        return set(changes) == {"Memory"} and changes["Memory"] is not None

    def check(self, changes: Mapping[str, Any]) -> None:
        self._step("check limits")

    def update(self, values: Mapping[str, Any]) -> None:
        self._step("update")
        if World.current.ignores_updates or values["Memory"] is None:
            raise MachineError(self._config.name, "it is not updated")
        World.current.settings[f"container-{self._config.name}"]["Memory"] = values["Memory"]
        self._step("updated")

    def has(self, values: Mapping[str, Any]) -> bool:
        self._step("look at limits")
        there = World.current.settings.get(f"container-{self._config.name}", {})
        return "Memory" in values and there.get("Memory") == values["Memory"]


class FakeProvisioner(DockerdProvisioner):
    """Serves at once."""

    name = "docker"

    def provision(self) -> None:
        World.current.step("provision")
        missing = {"ca.pem", "server.pem", "server-key.pem"} - set(os.listdir(self.config.directory))
        assert not missing
        World.current.files[f"container-{self.config.name}"] = copy.deepcopy(self.config.engine_options)

    def activate(self, *, starting: bool = False) -> None:
        World.current.step("activate")
        self._take()

    def means(self, changes: Mapping[str, Any]) -> str:
        """Labels by a reload, variables by a recreation, all else by a restart."""
        if not changes:
            return ""
        return RELOAD if set(changes) == {"Labels"} else RECREATION if "Env" in changes else RESTART

    @property
    def restart_stops(self) -> bool:
        return False

    def check(self) -> None:
        World.current.step("check options")

    def reload(self) -> None:
        World.current.step("reload")
        self._take()

    def _take(self) -> None:
        world, name = World.current, self.config.name
        world.daemons[name] = copy.deepcopy(world.files.get(f"container-{name}", {}))

    def health(self, *, timeout: float, progress: Progress) -> str:
        World.current.step("health")
        return "26.1.5"

    def membership(self) -> Membership | None:
        if World.current.members is None:
            return None
        return FakeMembership(self.config, self.driver, self.contract, options=self.options)

    @classmethod
    def credentials(cls, config: MachineConfig) -> Mapping[str, str]:
        return {"DOCKER_HOST": str(config.driver["URL"]), "DOCKER_MACHINE_NAME": config.name}


class FakeMembership(Membership):
    """A part in a cluster that is a file of the world's: members by name, active or resting."""

    def check(self, progress: Progress) -> None:
        World.current.step("check cluster")

    def examine(self, progress: Progress) -> None:
        World.current.step("examine")

    def join(self, progress: Progress, *, timeout: float) -> None:
        self.record(Cluster="c", Role="member")
        World.current.step("join")
        World.current.put(f"member-{self.config.name}", self.config.identity)
        self._members[self.config.name] = "active"
        World.current.step("joined")

    def rest(self, progress: Progress) -> None:
        World.current.step("rest")
        self._members[self.config.name] = "resting"

    def resume(self, progress: Progress, *, timeout: float) -> None:
        World.current.step("resume")
        self._members[self.config.name] = "active"

    def check_leave(self) -> None:
        World.current.step("check leave")

    def leave(self, progress: Progress, *, force: bool) -> list[str]:
        World.current.step(f"leave {force}")
        World.current.take(f"member-{self.config.name}", self.config.identity)
        self._members.pop(self.config.name, None)
        return []

    def forget(self) -> None:
        World.current.step("forget")

    def recover(self, progress: Progress, *, timeout: float) -> None:
        World.current.step("recover")

    def upgrade(self, image: str, progress: Progress) -> None:
        World.current.step(f"upgrade cluster to {image}")

    def controller(self) -> str:
        return World.current.controller or self.config.name

    def unlocking_key(self, progress: Progress, *, rotate: bool) -> str:
        return "KEY-2" if rotate else "KEY-1"

    def unlock(self, progress: Progress) -> None:
        World.current.step("unlock")

    @property
    def _members(self) -> dict[str, str]:
        assert World.current.members is not None
        return World.current.members


def write_certificates(directory: str) -> None:
    """Files by the names of a machine's certificates and keys; nobody can read anything in them."""
    names = ("ca", "cert", "key", "server", "server-key")
    files.write_all([(os.path.join(directory, f"{name}.pem"), b"PEM", 0o600) for name in names])


def without_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines get such files in place of certificates."""
    monkeypatch.setattr(
        certificates, "issue", lambda machine, *_, **__: write_certificates(machine.directory)
    )


def install(monkeypatch: pytest.MonkeyPatch, directory: str) -> World:
    """Put the two among what is built in; returns the world they work in."""
    monkeypatch.setitem(drivers._BUILT_IN, "fake", f"{__name__}:FakeDriver")
    monkeypatch.setitem(provisioners._BUILT_IN, "docker", f"{__name__}:FakeProvisioner")
    World.current = World(directory)
    return World.current
