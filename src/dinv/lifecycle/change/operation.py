"""Changing a machine's settings: from the options to a machine that has them."""

from __future__ import annotations

from dinv.errors import ContainersWouldStop, MachineNotRunning
from dinv.lifecycle.change import caching, carry_out, plan
from dinv.lifecycle.changing import settle
from dinv.lifecycle.host import telling
from dinv.lifecycle.opening import check_finished, opened
from dinv.states import RUNNING, STOPPED
from dinv.timeouts import SERVE_SECONDS, STATE_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from dinv.lifecycle.change.plan import Plan
    from dinv.lifecycle.host import Host
    from dinv.progress import Progress
    from dinv.store.store import Store


def change(
    store: Store,
    name: str,
    progress: Progress,
    *,
    options: Mapping[str, Any],
    dry_run: bool = False,
    finish: bool = True,
    force: bool = False,
    timeout: float = SERVE_SECONDS,
    trace: Callable[[str], None] | None = None,
) -> Plan:
    """Give a machine other settings, and return what was done; with `dry_run` only say what would be.

    `options` are those of `create` that can be changed, by keyword, and `..._rm` for what to take out of a
    list. What an earlier change, or an upgrade, that was killed has left is finished or undone first; without
    `finish` MachineUnfinished is raised for it. Raises ContainersWouldStop, before anything is touched, if
    containers in the machine would be stopped and `force` was not given. Raises InputError, NotSupported,
    PreCreateCheckFailed, MachineError, MachineNotReady, ... after putting the machine back as it was.
    """
    with opened(store, name, "changing it", trace) as machine:
        check_finished(machine.config, doing="" if finish else "be planned for")
        settle(machine, progress, timeout=timeout)
        settings, cache = caching.translated(machine, options)
        found = _plan(machine, settings, progress)
        found = caching.planned(found, machine, cache)
        if dry_run or not found:
            return found
        if found.stops and not force:
            raise ContainersWouldStop(name, found.means[-1])
        with caching.taken(machine, cache):
            if found.driver or found.engine_options:
                carry_out(found, machine, progress, timeout=timeout)
    if found.engine_options or found.cuts:
        telling.tell(machine, "provisioned", progress, command="set")
    if found.cuts:
        telling.tell(machine, "ready", progress, command="set")
    return found


def _plan(machine: Host, options: Mapping[str, Any], progress: Progress) -> Plan:
    state = machine.driver.observed(machine.driver.state(timeout=STATE_SECONDS))
    if state not in (RUNNING, STOPPED):
        raise MachineNotRunning(machine.name, state)
    return plan.make(machine, plan.values(machine, options), state, progress)
