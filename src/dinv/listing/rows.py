"""`ls`: the state of all machines, each endpoint asked once, none waited for longer than it is given."""

from __future__ import annotations

import os

from dinv.errors import ConfigError, DeadlineExceeded, DinvError, MachineNotFound
from dinv.states import ERROR, RUNNING, TIMEOUT, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from dinv.drivers import Driver
    from dinv.listing.filters import Filters
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store

    Trace = Callable[[str], None] | None
    Configs = dict[str, MachineConfig | None]
    Group = tuple[type[Driver], list[MachineConfig]]

COLUMNS = ("NAME", "ACTIVE", "DRIVER", "STATE", "URL", "SWARM", "DOCKER", "ERRORS")


class Row:
    """One machine in the list. `config` is None when it could not be read.

    `master`: name of its swarm's master, or "". `seconds`: how long its endpoint took to answer.
    """

    def __init__(
        self,
        name: str,
        config: MachineConfig | None,
        status: Status,
        docker_host: str,
        *,
        master: str = "",
        seconds: float = 0.0,
        driver: type[Driver] | None = None,
    ) -> None:
        self.name = name
        self.config = config
        self.status = status
        self.seconds = seconds
        self._shows_last_url = driver is not None and driver.shows_last_url
        is_master = config is not None and bool(config.swarm_options.get("Master"))
        self.swarm = f"{master} (master)" if master and is_master else master
        self.active_swarm = (
            config is not None
            and bool(docker_host)
            and status.state == RUNNING
            and docker_host == _swarm_url(config)
        )
        self.url = _url(config) if config is not None else ""
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
        active = "*" if self.active else "* (swarm)" if self.active_swarm else "-"
        if self.config is None or self.status.state == TIMEOUT:
            active = ""
        running = self.status.state == RUNNING
        where = self.url if running or self._shows_last_url else ""
        error = " ".join(self.status.error.split())
        return (
            self.name,
            active,
            self.driver,
            self.status.state,
            where,
            self.swarm,
            self.docker if running else "Unknown" if self.config is not None else "",
            error,
        )

    def document(self) -> dict[str, Any]:
        """The row as `ls --format json` prints it."""
        from dinv.cli.show import records

        known = records.known(self.config) if self.config is not None else dict.fromkeys(records.KNOWN, "")
        return {
            **known,
            "Name": self.name,
            "Active": self.active,
            "DriverName": self.driver,
            "State": self.status.state,
            "Error": self.status.error,
        }

    def fields(self) -> dict[str, Any]:
        """What templates for rows can name; docker-machine's are as its table shows them."""
        _, active, _, _, url, swarm, docker, error = self.cells()
        document = self.document()
        return {
            **document,
            "Active": active,
            "ActiveHost": self.active,
            "ActiveSwarm": self.active_swarm,
            "URL": url,
            "SwarmOptions": self.config.swarm_options if self.config is not None else None,
            "Swarm": swarm,
            "EngineOptions": self.config.engine_options if self.config is not None else None,
            "Error": error,
            "DockerVersion": docker,
            "ResponseTime": _duration(self.seconds),
        }


def _url(config: MachineConfig) -> str:
    """Where its daemon was last known to listen; no driver is loaded where the record says it."""
    if config.url:
        return config.url
    from dinv import drivers

    return drivers.url(config)


def _swarm_url(config: MachineConfig) -> str:
    """Where the swarm listens that a machine is the master of; "" where it is of none."""
    if not config.swarm_options.get("Master"):
        return ""
    from dinv.provisioners import classic_swarm

    try:
        return classic_swarm.master_url(config, _url(config))
    except DinvError:  # of no address that is known
        return ""


def _duration(seconds: float) -> str:
    """As Go's time.Duration prints itself, to a millisecond: 51ms, 1.5s."""
    milliseconds = round(seconds * 1000)
    if not milliseconds:
        return "0s"
    return f"{milliseconds}ms" if milliseconds < 1000 else f"{milliseconds / 1000:.10g}s"


def readable_names(
    store: Store, *, filters: Filters | None = None, timeout: float = 2.0, trace: Trace = None
) -> list[str]:
    """The names of the machines whose config can be read.

    Asks no endpoint unless a filter is for states; `timeout` in seconds is then for each endpoint.
    """
    if filters is not None and filters.need_state:
        found = rows(store, timeout=timeout, trace=trace, filters=filters)
        return [row.name for row in found if row.config is not None]
    configs, _ = _load(store)
    return [name for name, config in _taken(configs, filters).items() if config is not None]


def _load(store: Store) -> tuple[Configs, dict[str, Status]]:
    """All records, and a status for each that is there and cannot be read."""
    configs: Configs = {}
    statuses: dict[str, Status] = {}
    for name in store.names():
        try:
            configs[name] = store.load(name)
        except MachineNotFound:
            continue  # removed since its name was read
        except ConfigError as error:
            configs[name] = None
            statuses[name] = Status(ERROR, f"{error.path}: {error.reason}")
    return configs, statuses


def _copies(configs: Configs) -> dict[str, str]:
    """What is said of records that are copies of others, by name."""
    found = [config for config in configs.values() if config is not None and config.identity]
    if len({config.identity for config in found}) == len(found):
        return {}
    from dinv.store import twins

    return {name: twins.text(name, original) for name, original in twins.originals(found).items()}


def _masters(configs: Configs) -> dict[str, str]:
    """Names of swarm masters, by the URL that their swarm is discovered with."""
    return {
        str(config.swarm_options["Discovery"]): name
        for name, config in configs.items()
        if config is not None and config.swarm_options.get("Master") and config.swarm_options.get("Discovery")
    }


def _taken(configs: Configs, filters: Filters | None) -> Configs:
    """Those that a filter takes by their records alone."""
    if filters is None:
        return configs
    masters = _masters(configs)
    return {name: config for name, config in configs.items() if filters.take_record(name, config, masters)}


def rows(
    store: Store,
    *,
    timeout: float,
    trace: Trace = None,
    environ: Mapping[str, str] = os.environ,
    filters: Filters | None = None,
) -> list[Row]:
    """A row for each machine of the store, in natural order; `timeout` in seconds, for each endpoint.

    What is wrong with a machine is in its row: nothing that one machine or endpoint does keeps the
    others from being listed. Endpoints are asked only for machines that no filter has taken out.
    """
    from dinv import drivers

    configs, statuses = _load(store)
    masters = _masters(configs)
    taken = _taken(configs, filters)
    copies = _copies(configs)
    groups: dict[tuple[type[Driver], str], Group] = {}
    found_drivers: dict[str, type[Driver]] = {}
    for name, config in taken.items():
        if config is None:
            continue
        if config.unfinished:
            from dinv.lifecycle.host import unfinished

            statuses[name] = unfinished(config, store.holder(name))
            continue
        if name in copies:
            statuses[name] = Status(ERROR, copies[name])
            continue
        try:
            driver = found_drivers[name] = drivers.of(config)
            groups.setdefault((driver, driver.group_key(config)), (driver, []))[1].append(config)
        except DinvError as error:
            statuses[name] = Status(ERROR, str(error))
    found, seconds = _ask(list(groups.values()), store, timeout, trace)
    statuses.update({name: _with_expiry(configs[name], status, store) for name, status in found.items()})
    docker_host = docker_host_in_use(environ)
    return [
        Row(
            name,
            config,
            statuses[name],
            docker_host,
            master=masters.get(_discovery(config), ""),
            seconds=seconds.get(name, 0.0),
            driver=found_drivers.get(name),
        )
        for name, config in taken.items()
        if filters is None or filters.take_status(statuses[name])
    ]


def _with_expiry(config: MachineConfig | None, status: Status, store: Store) -> Status:
    from dinv.lifecycle.host import Host

    try:
        return Host(config, store).with_expiry(status) if config is not None else status
    except DinvError:  # of a driver that is not installed: its status says so
        return status


def _discovery(config: MachineConfig | None) -> str:
    return str(config.swarm_options.get("Discovery") or "") if config is not None else ""


def docker_host_in_use(environ: Mapping[str, str] = os.environ) -> str:
    """The URL that the docker CLI uses here: DOCKER_HOST's, else its context's; "" where it has neither.

    As docker-machine has it, DOCKER_HOST is what counts where it is set. The context is $DOCKER_CONTEXT or
    the current one (`dinv use`); one that cannot be read is none.
    """
    if environ.get("DOCKER_HOST"):
        return environ["DOCKER_HOST"]
    from dinv.endpoints import contexts

    name = environ.get("DOCKER_CONTEXT") or contexts.current()
    if name == contexts.DEFAULT:
        return ""
    try:
        context = contexts.read(name)
    except DinvError:
        return ""
    return context.host if context is not None else ""


def active(
    store: Store, *, timeout: float, trace: Trace = None, environ: Mapping[str, str] = os.environ
) -> str | None:
    """The running machine that the docker CLI uses here, or the master of the legacy swarm there; or None.

    Raises DinvError when it cannot be asked.
    """
    docker_host = docker_host_in_use(environ)
    if not docker_host:
        return None
    from dinv import drivers

    configs = [config for config in _load(store)[0].values() if config is not None and not config.unfinished]
    meant = [config for config in configs if _url(config) == docker_host]
    meant += [config for config in configs if config not in meant and _swarm_url(config) == docker_host]
    for config in meant:
        name = config.name
        try:
            status = drivers.of(config).states([config], store, timeout=timeout, trace=trace)[name]
        except DeadlineExceeded as error:
            raise DinvError("Error getting active host: timeout") from error
        if status.state == TIMEOUT:
            raise DinvError("Error getting active host: timeout")
        if status.state == RUNNING:
            return name
    return None


def _ask(
    groups: list[Group], store: Store, timeout: float, trace: Trace
) -> tuple[dict[str, Status], dict[str, float]]:
    """The states of all groups, and the seconds that each took, at once where there are several groups.

    What did not answer in time is Timeout.
    """
    import time

    statuses: dict[str, Status] = {}
    seconds: dict[str, float] = {}

    def ask(group: Group) -> None:
        driver, configs = group
        begin = time.monotonic()
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
        seconds.update(dict.fromkeys(found, time.monotonic() - begin))

    if len(groups) == 1:
        ask(groups[0])
        return statuses, seconds
    import threading

    threads = [threading.Thread(target=ask, args=(group,), daemon=True) for group in groups]
    for thread in threads:
        thread.start()
    end = time.monotonic() + timeout + 0.2
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    late = {config.name: _timed_out(timeout) for _, configs in groups for config in configs}
    return {**late, **dict(statuses)}, dict(seconds)


def _timed_out(timeout: float) -> Status:
    return Status(TIMEOUT, f"its endpoint did not answer within {timeout:g} s")
