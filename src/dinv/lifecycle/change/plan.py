"""What is to differ in a machine, by which means, and what that stops: decided before anything is touched."""

from __future__ import annotations

from dinv.drivers.alteration import MEANS, RECREATION, RELOAD, RESTART, UPDATE
from dinv.errors import InputError
from dinv.lifecycle.host.restarting import stops_containers
from dinv.states import RUNNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from dinv.drivers import Difference
    from dinv.lifecycle.host import Host
    from dinv.progress import Progress

_STREAMS = "API streams (logs -f, events, exec, builds) are cut"
_EFFECTS = {
    UPDATE: "its container is updated; nothing stops",
    RELOAD: "its daemon takes it while it runs; nothing stops, no stream is cut",
    RESTART: f"its daemon is restarted; containers in it go on, {_STREAMS}",
    RECREATION: "it is made anew with its cache; containers in it stop, and those with a restart policy are "
    "started again",
}
_STOPPED = {
    UPDATE: "its container is updated",
    RELOAD: "its daemon takes it at its next start",
    RESTART: "its daemon takes it at its next start",
    RECREATION: "it is made anew with its cache, and not started",
}


class Plan:
    """What `change` would do to a machine.

    `differences` are the options that are to differ, each with its means. `means` are those that are used,
    the weakest first: "update", "reload", "restart", "recreation" (`dinv.drivers.alteration`). `running` is
    whether the machine runs. `stops` is whether containers in it are stopped, `cuts` whether API streams are
    cut.
    """

    def __init__(
        self,
        machine: str,
        differences: Iterable[Difference],
        *,
        means: Iterable[str],
        running: bool,
        stops: bool = False,
        driver: Mapping[str, Any] | None = None,
        engine_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.machine = machine
        self.differences = list(differences)
        self.means = tuple(means)
        self.running = running
        self.stops = stops
        self.driver = dict(driver or {})
        self.engine_options = dict(engine_options or {})

    def __bool__(self) -> bool:
        """Whether anything differs at all."""
        return bool(self.differences)

    def __repr__(self) -> str:
        return f"<Plan {self.machine}: {', '.join(self.means) or 'nothing differs'}>"

    @property
    def cuts(self) -> bool:
        """Whether API streams are cut."""
        return self.running and (RESTART in self.means or RECREATION in self.means)

    def effect(self, means: str) -> str:
        """Return what one of `means` does, for the user."""
        if not self.running:
            return _STOPPED[means]
        if means == RESTART and self.stops:
            return f"its daemon is restarted; containers in it stop, {_STREAMS}"
        return _EFFECTS[means]


def strongest(means: Iterable[str]) -> tuple[str, ...]:
    """Return which means do it all, the weakest first, given those that each part needs.

    A recreation does all; a restart also does what a reload would.
    """
    needed = {each for each in means if each}
    if RECREATION in needed:
        return (RECREATION,)
    if RESTART in needed:
        needed.discard(RELOAD)
    return tuple(each for each in MEANS if each in needed)


def make(machine: Host, values: Mapping[str, Any], state: str, progress: Progress) -> Plan:
    """Make the plan for the values of options, by keyword; `state` is the machine's.

    Raises InputError, PreCreateCheckFailed, NotSupported.
    """
    provisioner = machine.provisioner
    options = provisioner.changes(_of(provisioner.change_flags(), values))
    own = _of(machine.driver_class.change_flags(), values)
    driver = machine.driver.alteration().changes(own, progress) if own else {}
    differences, means = [], []
    if driver:
        alteration = machine.driver.alteration()
        differences += alteration.differences(driver)
        for difference in differences:
            part = {key: driver[key] for key in difference.keys if key in driver}
            difference.means = UPDATE if alteration.updates(part) else RECREATION
        means += [difference.means for difference in differences]
    for difference in provisioner.differences(options):
        difference.means = provisioner.means({key: options[key] for key in difference.keys})
        differences.append(difference)
    # All of them together may need more than each by itself.
    means.append(provisioner.means(options))
    used = strongest(means)
    if RECREATION in used:
        machine.driver.replacement().current()  # raises if it cannot be made anew
    running = state == RUNNING
    return Plan(
        machine.name,
        differences,
        means=used,
        running=running,
        stops=running and _stops(machine, used, options),
        driver=driver,
        engine_options=options,
    )


def _of(flags: Iterable[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    keys = {flag.key for flag in flags}
    return {key: value for key, value in values.items() if key in keys}


def _stops(machine: Host, means: tuple[str, ...], options: Mapping[str, Any]) -> bool:
    """Whether containers in the running machine stop; not if there are none."""
    if RECREATION not in means and RESTART not in means:
        return False
    return stops_containers(machine, options, recreated=RECREATION in means)


def known(machine: Host) -> dict[str, Any]:
    """Return the options that can be changed, by keyword."""
    flags = (*machine.driver_class.change_flags(), *type(machine.provisioner).change_flags())
    return {flag.key: flag for flag in flags}


def values(machine: Host, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of options that were given, checked; None is not given, "" resets to the default.

    Raises InputError for an option that is not known, or that cannot be changed, with what to do instead.
    """
    flags, found = known(machine), {}
    for key, value in given.items():
        if value is None:
            continue
        flag = flags.get(key)
        if flag is None:
            raise InputError(_unknown(machine, key, flags))
        found[key] = None if value == "" and not flag.repeatable else flag.value(value, {})
    return found


def _unknown(machine: Host, key: str, flags: Mapping[str, Any]) -> str:
    from dinv.lifecycle.change.unchangeable import advice
    from dinv.suggestions import did_you_mean

    hint = advice(key, machine.name) or did_you_mean(key, flags)
    can = "What can be changed: " + ", ".join(flags) + "."
    return f'"{key}" of machine "{machine.name}" cannot be changed. ' + (hint or can)
