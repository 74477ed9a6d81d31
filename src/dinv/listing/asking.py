"""The states of all machines: each endpoint is asked once, with a deadline."""

from __future__ import annotations

import os

from dinv.errors import ConfigError, DeadlineExceeded, DinvError, MachineBusy, MachineNotFound
from dinv.listing import records
from dinv.listing.active import docker_host_in_use
from dinv.listing.status import MachineStatus
from dinv.states import ERROR, TIMEOUT, Status
from dinv.wording import joined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dinv.drivers import Driver
    from dinv.listing.filters import Filters
    from dinv.listing.records import Configs
    from dinv.listing.standings import Standings
    from dinv.pki.validity import Certificates
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store

    Trace = Callable[[str], None] | None
    Group = tuple[type[Driver], list[MachineConfig]]


def statuses(
    store: Store,
    *,
    timeout: float,
    trace: Trace = None,
    environ: Mapping[str, str] = os.environ,
    filters: Filters | None = None,
) -> list[MachineStatus]:
    """Return a MachineStatus per machine of the store, in natural order; `timeout` in seconds per endpoint.

    A problem with a machine is in its `error`: a broken machine or endpoint never keeps the others from being
    listed. Endpoints are only asked about machines that no filter has excluded.
    """
    configs, known = records.load(store)
    masters = records.masters(configs)
    taken = records.taken(configs, filters)
    standings = _standings(taken, store, timeout, trace)
    answers = _Answers(known)
    _look(taken, records.copies(configs), store, answers, timeout=timeout, trace=trace)
    if newer := _outdated(taken, store, answers):
        copies = records.copies({**configs, **taken})
        _look(newer, copies, store, answers, timeout=timeout, trace=trace)
    certificates = {name: _certificates(taken[name], store, known) for name in answers.asked if name in taken}
    for name in certificates:
        _about_lease(taken[name], known)
    docker_host = docker_host_in_use(environ)
    standing = standings.found() if standings is not None else {}
    return [
        MachineStatus(
            name,
            config,
            known[name],
            docker_host,
            master=masters.get(_discovery(config), ""),
            seconds=answers.seconds.get(name, 0.0),
            driver=answers.drivers.get(name),
            certificates=certificates.get(name),
            standing=standing.get(name),
        )
        for name, config in taken.items()
        if filters is None or filters.take_status(known[name])
    ]


class _Answers:
    """What is known by now, by the names of machines; `known`: the states of those not to be asked about."""

    def __init__(self, known: dict[str, Status]) -> None:
        self.known = known
        self.asked: set[str] = set()
        self.unanswered: set[str] = set()
        """Those whose endpoint has said nothing, so that nothing is concluded from their records."""
        self.seconds: dict[str, float] = {}
        self.drivers: dict[str, type[Driver]] = {}


def _look(
    configs: Configs,
    copies: Mapping[str, str],
    store: Store,
    answers: _Answers,
    *,
    timeout: float,
    trace: Trace,
) -> None:
    """Find out about machines from their records, and from their endpoints where those have to be asked."""
    from dinv import drivers

    known = answers.known
    groups: dict[tuple[type[Driver], str], Group] = {}
    for name, config in configs.items():
        if config is None:
            continue
        if config.unfinished:
            from dinv.lifecycle.host import unfinished

            known[name] = unfinished.status(config, store.holder(name))
            continue
        if name in copies:
            known[name] = Status(ERROR, copies[name])
            continue
        try:
            driver = answers.drivers[name] = drivers.of(config)
            groups.setdefault((driver, driver.group_key(config)), (driver, []))[1].append(config)
        except DinvError as error:
            known[name] = Status(ERROR, error.text)
    found, seconds, failed = _ask(list(groups.values()), store, timeout, trace)
    known.update(found)
    answers.unanswered.update(failed)
    answers.asked.update(found)
    answers.seconds.update(seconds)


def _outdated(taken: Configs, store: Store, answers: _Answers) -> Configs:
    """Return the records of machines that something is said about, if others have changed them since.

    They are in `taken` then, too; what was removed is there no more.
    """
    newer: Configs = {}
    known = answers.known
    for name, config in list(taken.items()):
        status = known[name]
        if config is None or name in answers.unanswered or not (status.error or status.state == ERROR):
            continue
        try:
            now = store.changed(config)
        except MachineNotFound:
            del taken[name]
        except ConfigError as error:
            taken[name], known[name] = None, records.unreadable(error)
        except MachineBusy as error:
            taken[name], known[name] = None, records.awaited(error)
        else:
            if now is not None:
                taken[name] = newer[name] = now
    return newer


def _standings(
    configs: Mapping[str, MachineConfig | None], store: Store, timeout: float, trace: Trace
) -> Standings | None:
    members = [config for config in configs.values() if config is not None and config.membership]
    if not members:
        return None
    from dinv.listing.standings import Standings

    return Standings(members, store, timeout=timeout, trace=trace)


def _certificates(
    config: MachineConfig | None, store: Store, known: dict[str, Status]
) -> Certificates | None:
    """Return the dates of a machine's certificates; add what is to be said about them to its status."""
    from dinv.lifecycle.host import Host

    if config is None:
        return None
    try:
        host = Host(config, store)
        if not host.has_tls:
            return None
        found = host.certificates
        said = host.about_expiry(found, soon=True, ask=False)
    except DinvError:  # its driver is not installed: its status says so
        return None
    status = known[config.name]
    known[config.name] = Status(status.state, joined("; ", (status.error, said)))
    return found


def _about_lease(config: MachineConfig | None, known: dict[str, Status]) -> None:
    """Add to a machine's status that its lease ends soon: by this computer's clock, as nobody is asked."""
    if config is None or config.run or (lease := config.lease) is None:
        return
    import time

    from dinv.states import STOPPED

    status = known[config.name]
    said = lease.remark(config.name, time.time(), stopped=status.state == STOPPED)
    known[config.name] = Status(status.state, joined("; ", (status.error, said)))


def _discovery(config: MachineConfig | None) -> str:
    return str(config.swarm_options.get("Discovery") or "") if config is not None else ""


def _ask(
    groups: list[Group], store: Store, timeout: float, trace: Trace
) -> tuple[dict[str, Status], dict[str, float], set[str]]:
    """Ask all groups, in parallel if there are several; return states and seconds taken, by machine name.

    And the names of those about which nothing was said; if not in time, they are in the state Timeout.
    """
    import time

    statuses: dict[str, Status] = {}
    seconds: dict[str, float] = {}
    answered: set[str] = set()

    def ask(group: Group) -> None:
        driver, configs = group
        begin = time.monotonic()
        try:
            found = driver.states(configs, store, timeout=timeout, trace=trace)
            answered.update(found)
        except DeadlineExceeded:
            found = {config.name: _timed_out(timeout) for config in configs}
        except DinvError as error:
            # The endpoint does not answer, so the states of its machines are unknown.
            found = {config.name: Status(ERROR, error.text) for config in configs}
        except Exception as error:  # noqa: BLE001  (from a plugin's driver, or a damaged record)
            said = f"cannot be asked: {type(error).__name__}: {error}"
            found = {config.name: Status(ERROR, said) for config in configs}
        statuses.update(found)
        seconds.update(dict.fromkeys(found, time.monotonic() - begin))

    if len(groups) == 1:
        ask(groups[0])
        return statuses, seconds, statuses.keys() - answered
    import threading

    threads = [threading.Thread(target=ask, args=(group,), daemon=True) for group in groups]
    for thread in threads:
        thread.start()
    end = time.monotonic() + timeout + 0.2
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    late = {config.name: _timed_out(timeout) for _, configs in groups for config in configs}
    found = {**late, **dict(statuses)}
    return found, dict(seconds), found.keys() - answered


def _timed_out(timeout: float) -> Status:
    return Status(TIMEOUT, f"its endpoint did not answer within {timeout:g} s")
