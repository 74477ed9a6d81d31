"""`ls`: the state of all machines, each endpoint asked once, none waited for longer than it is given."""

from __future__ import annotations

import os

from dinv.errors import ConfigError, DeadlineExceeded, DinvError, MachineNotFound
from dinv.machine import unfinished
from dinv.states import ERROR, RUNNING, TIMEOUT, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from dinv.config import MachineConfig
    from dinv.drivers import Driver
    from dinv.store import Store

    Trace = Callable[[str], None] | None
    Group = tuple[type[Driver], list[MachineConfig]]

COLUMNS = ("NAME", "ACTIVE", "DRIVER", "STATE", "URL", "SWARM", "DOCKER", "ERRORS")


class Row:
    """One machine in the list. `config` is None when it could not be read."""

    def __init__(self, name: str, config: MachineConfig | None, status: Status, docker_host: str) -> None:
        self.name = name
        self.config = config
        self.status = status
        self.url = config.url if config is not None else ""
        self.active = status.state == RUNNING and bool(self.url) and self.url == docker_host

    @property
    def driver(self) -> str:
        return self.config.driver_name if self.config is not None else "not found"

    @property
    def docker(self) -> str:
        """The daemon's version as of its last start; only dinv changes it."""
        version = self.config.ours.get("DockerVersion") if self.config is not None else ""
        if version:
            return f"v{version}"
        return "Unknown" if self.config is not None else ""

    def cells(self) -> tuple[str, ...]:
        """The row under COLUMNS."""
        active = "*" if self.active else "-"
        if self.config is None or self.status.state == TIMEOUT:
            active = ""
        running = self.status.state == RUNNING
        error = " ".join(self.status.error.split())
        return (
            self.name,
            active,
            self.driver,
            self.status.state,
            self.url if running else "",
            "",
            self.docker if running else "Unknown" if self.config is not None else "",
            error,
        )

    def document(self) -> dict[str, Any]:
        """The row as `ls --format json` prints it."""
        kept = self.config.driver if self.config is not None else {}
        endpoint = kept.get("Endpoint")
        return {
            "Name": self.name,
            "Active": self.active,
            "DriverName": self.driver,
            "State": self.status.state,
            "URL": self.url,
            "IPAddress": kept.get("IPAddress", ""),
            "DockerVersion": self.docker,
            # Another driver of docker-machine's may call something else so.
            "Endpoint": endpoint.get("URL", "") if isinstance(endpoint, dict) else "",
            "Image": kept.get("Image", ""),
            "Isolation": kept.get("Isolation", ""),
            "Error": self.status.error,
        }


def readable_names(store: Store) -> list[str]:
    """The names of the machines whose config can be read; asks no endpoint."""
    names = []
    for name in store.names():
        try:
            store.load(name)
        except DinvError:
            continue
        names.append(name)
    return names


def rows(
    store: Store, *, timeout: float, trace: Trace = None, environ: Mapping[str, str] = os.environ
) -> list[Row]:
    """A row for each machine of the store, in natural order; `timeout` in seconds, for each endpoint.

    What is wrong with a machine is in its row: nothing that one machine or endpoint does keeps the
    others from being listed.
    """
    configs: dict[str, MachineConfig | None] = {}
    statuses: dict[str, Status] = {}
    groups: dict[tuple[str, str], Group] = {}
    for name in store.names():
        try:
            config = configs[name] = store.load(name)
            if config.unfinished:
                statuses[name] = unfinished(config)
            else:
                driver = _driver(config)
                driver_name = "" if config.foreign else config.driver_name
                groups.setdefault((driver_name, driver.group_key(config)), (driver, []))[1].append(config)
        except MachineNotFound:
            configs.pop(name, None)  # removed since its name was read
        except ConfigError as error:
            configs[name] = None
            statuses[name] = Status(ERROR, f"{error.path}: {error.reason}")
        except DinvError as error:
            statuses[name] = Status(ERROR, str(error))
    statuses.update(_ask(list(groups.values()), store, timeout, trace))
    docker_host = environ.get("DOCKER_HOST", "")
    return [Row(name, config, statuses[name], docker_host) for name, config in configs.items()]


def active(
    store: Store, *, timeout: float, trace: Trace = None, environ: Mapping[str, str] = os.environ
) -> str | None:
    """The running machine that DOCKER_HOST points at, or None. Raises DinvError when it cannot be asked."""
    docker_host = environ.get("DOCKER_HOST", "")
    for name in readable_names(store) if docker_host else ():
        config = store.load(name)
        if config.url != docker_host or config.unfinished:
            continue
        try:
            status = _driver(config).states([config], store, timeout=timeout, trace=trace)[name]
        except DeadlineExceeded as error:
            raise DinvError("Error getting active host: timeout") from error
        if status.state == TIMEOUT:
            raise DinvError("Error getting active host: timeout")
        if status.state == RUNNING:
            return name
    return None


def _driver(config: MachineConfig) -> type[Driver]:
    from dinv.drivers import find

    if config.foreign:
        from dinv.foreign import DockerMachines

        return DockerMachines
    return find(config.driver_name)


def _ask(groups: list[Group], store: Store, timeout: float, trace: Trace) -> dict[str, Status]:
    """The states of all groups, at once where there are several; what did not answer in time is Timeout."""
    statuses: dict[str, Status] = {}

    def ask(group: Group) -> None:
        driver, configs = group
        try:
            found = driver.states(configs, store, timeout=timeout, trace=trace)
        except DeadlineExceeded:
            found = {config.name: _timed_out(timeout) for config in configs}
        except DinvError as error:
            # The endpoint does not answer: what its machines are like is not known.
            found = {config.name: Status(ERROR, str(error)) for config in configs}
        except Exception as error:  # noqa: BLE001  (of somebody else's driver, or over a spoilt record)
            said = f"cannot be asked: {type(error).__name__}: {error}"
            found = {config.name: Status(ERROR, said) for config in configs}
        statuses.update(found)

    if len(groups) == 1:
        ask(groups[0])
        return statuses
    import threading
    import time

    threads = [threading.Thread(target=ask, args=(group,), daemon=True) for group in groups]
    for thread in threads:
        thread.start()
    end = time.monotonic() + timeout + 0.2
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    late = {config.name: _timed_out(timeout) for _, configs in groups for config in configs}
    return {**late, **dict(statuses)}


def _timed_out(timeout: float) -> Status:
    return Status(TIMEOUT, f"its endpoint did not answer within {timeout:g} s")
