"""Doing one operation on its endpoint, whatever an earlier attempt has done of it, and writing what comes."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from dinv.errors import (
    AccessOver,
    DinvError,
    HookRefused,
    ImageError,
    InputError,
    NobodyOfThatName,
    NotSupported,
    OwnAccess,
    PluginBroken,
)
from dinv.server import measures
from dinv.server.database.database import Database
from dinv.server.models import MachineState
from dinv.server.problems import Problem, Unavailable
from dinv.server.work.copies import Copies, Pending
from dinv.server.work.elsewhere import FAULTS, Elsewhere, Where
from dinv.server.work.hosts import Hosts
from dinv.server.work.outcomes import Failure, Outcomes, RecordChanged, TakenOver
from dinv.server.work.reporting import Reporting, Stopped, secrets_in, shown
from dinv.server.work.taking import Taken

LOG = logging.getLogger("dinv.server.work")
DEADLINES = {"create": 1800.0, "remove": 900.0}
"""Seconds; what takes longer is ended at its next step. A VCH boots a VM for a machine, and pulls images."""
DEADLINE = 600.0
ATTEMPTS = {"create": 3, "start": 3, "restart": 3, "stop": 5, "renew": 5}
"""How often each is tried; others until they succeed: what is on an endpoint has to go."""
HOPELESS = (InputError, ImageError, HookRefused, NotSupported, PluginBroken, NobodyOfThatName, OwnAccess)
"""Errors that another attempt does not mend."""
PATIENCE = 600.0
"""Seconds for which a database that is gone is waited for, to write what was done."""
LEASE_OPTIONS = ("ttl", "idle_ttl", "on_expiry", "keep_cache_on_expiry")
"""Those of `create` that are the server's own to see to: on the endpoint nobody else is to act on them."""
REMOVED_MEANWHILE = "It was asked to be removed while it was being made."


class Doing:
    """Does operations. `stopping` returns why the one with this token is to end early, or None."""

    def __init__(
        self,
        database: Database,
        outcomes: Outcomes,
        elsewhere: Elsewhere,
        hosts: Hosts,
        copies: Copies,
        *,
        stopping: Callable[[str], Stopped | None] = lambda _token: None,
    ) -> None:
        self._database = database
        self._outcomes = outcomes
        self._elsewhere = elsewhere
        self._hosts = hosts
        self._copies = copies
        self._stopping = stopping
        self._kinds: dict[str, Callable[[Taken, Reporting], None]] = {
            "create": self._create,
            "start": lambda taken, progress: self._power(taken, progress, self._hosts.start, "ready"),
            "restart": lambda taken, progress: self._power(taken, progress, self._hosts.restart, "ready"),
            "stop": lambda taken, progress: self._power(taken, progress, self._hosts.stop, "stopped"),
            "remove": self._remove,
            "revoke": self._revoke,
            "renew": self._renew,
        }

    def do(self, taken: Taken) -> None:
        """Do it, and write what came of it: done, failed, or to be done again. Raises nothing but bugs."""
        begun = time.monotonic()
        progress = Reporting(
            lambda kind, text: self._say(taken, kind, text),
            stopped=lambda: self._stopped(taken, begun),
            recorded=lambda: self._recorded(taken),
            secrets=secrets_in(taken.options),
        )
        result = "done"
        try:
            with self._copies.holding(taken.name, seconds=60):
                try:
                    if not self._is_over(taken):
                        self._copies.bring(taken.machine_id, taken.name)
                        self._kinds[taken.kind](taken, progress)
                except TakenOver:
                    raise
                except RecordChanged:
                    self._copies.distrust(taken.name)
                    raise
                except Exception as error:  # noqa: BLE001  (one that is a bug is logged, and ends it too)
                    result = "failed"
                    self._failed(taken, error)
        except TakenOver:
            result = "taken-over"
            LOG.warning("%s of %s was taken over by another server", taken.kind, taken.name)
            self._copies.distrust(taken.name)
        except (RecordChanged, Problem) as problem:
            result = "failed"
            failure = _failure(problem)
            self._write(lambda c: self._outcomes.again(c, taken, failure), lost=True)
        measures.OPERATIONS.labels(taken.kind, result).inc()
        if taken.kind == "create" and result == "done":
            measures.CREATE_SECONDS.observe(time.monotonic() - begun)

    def _is_over(self, taken: Taken) -> bool:
        """Return whether there is nothing to do any more, having written that."""
        state = self._outcomes.state(taken)
        why = ""
        if state in ("removed", "failed", "parked"):
            why = f"The machine is {state} by now."
        elif state == "removing" and taken.kind == "create":
            why = REMOVED_MEANWHILE
        if why:
            self._write(lambda c: self._outcomes.ended_early(c, taken, why))
        return bool(why)

    # The kinds

    def _create(self, taken: Taken, progress: Reporting) -> None:
        facts = self._hosts.facts(taken.name)
        if facts is None or not facts.finished:
            options = {key: value for key, value in taken.options.items() if key not in LEASE_OPTIONS}
            self._hosts.create(taken.name, options, progress)
        self._came_to_be(taken, "ready")

    def _power(
        self, taken: Taken, progress: Reporting, do: Callable[[str, Reporting], None], state: MachineState
    ) -> None:
        do(taken.name, progress)
        self._came_to_be(taken, state)

    def _came_to_be(self, taken: Taken, state: MachineState) -> None:
        facts = self._hosts.facts(taken.name)
        if facts is None:
            raise Unavailable("The machine's directory on the server is gone.")
        pending = self._copies.packed(taken.machine_id, taken.name)
        due = self._hosts.renew_at(taken.name)
        self._keep(
            pending, lambda c: self._outcomes.came_to_be(c, taken, pending, facts, state, renew_at=due)
        )

    def _remove(self, taken: Taken, progress: Reporting) -> None:
        self._hosts.remove(taken.name, progress)
        self._write(lambda c: self._outcomes.gone(c, taken))
        self._copies.forget(taken.name)

    def _revoke(self, taken: Taken, progress: Reporting) -> None:
        with contextlib.suppress(AccessOver):  # it was refused before, or has expired
            self._hosts.revoke(taken.name, str(taken.arguments["serial"]), progress)
        pending = self._copies.packed(taken.machine_id, taken.name)
        self._keep(pending, lambda c: self._outcomes.revoked(c, taken, pending))

    def _renew(self, taken: Taken, progress: Reporting) -> None:
        self._hosts.renew(taken.name, progress)
        pending = self._copies.packed(taken.machine_id, taken.name)
        due = self._hosts.renew_at(taken.name)
        self._keep(pending, lambda c: self._outcomes.renewed(c, taken, pending, due))

    # What goes wrong

    def _failed(self, taken: Taken, error: Exception) -> None:
        if not isinstance(error, DinvError):
            LOG.error("%s of %s", taken.kind, taken.name, exc_info=error)
        failure = _failure(error)
        attempts = ATTEMPTS.get(taken.kind)
        hopeless = isinstance(error, HOPELESS) and taken.kind != "remove"
        if isinstance(error, Stopped) and error.why == "server":
            self._write(lambda c: self._outcomes.released(c, taken))
        elif taken.kind == "create":
            self._create_failed(taken, error, failure)
        elif hopeless or (attempts is not None and taken.attempt + 1 >= attempts):
            state: MachineState = "ready" if taken.kind == "stop" else "stopped"
            self._write(lambda c: self._outcomes.failed(c, taken, failure, state))
        else:
            self._write(lambda c: self._outcomes.again(c, taken, failure))

    def _create_failed(self, taken: Taken, error: Exception, failure: Failure) -> None:
        leftover = self._hosts.facts(taken.name) is not None
        if isinstance(error, FAULTS):
            self._elsewhere.fault(taken, error, failure.text)
        if isinstance(error, Stopped) and self._outcomes.state(taken) == "removing":
            self._write(lambda c: self._outcomes.ended_early(c, taken, REMOVED_MEANWHILE))
            return
        last = taken.attempt + 1 >= ATTEMPTS["create"]
        hopeless = isinstance(error, HOPELESS) or taken.pooled
        # An image may be on another endpoint.
        may_move = not taken.pooled and (not hopeless or isinstance(error, ImageError))
        fault = isinstance(error, FAULTS)
        if may_move and (fault or not last):
            where = self._goes_elsewhere(taken, failure, fault=fault, left=leftover)
            if where != "here":
                return
        if hopeless or last:
            # A pool has pauses of its own, and makes another one.
            failure = Failure(failure.text, leftover=leftover)
            self._write(lambda c: self._outcomes.failed_to_be(c, taken, failure))
            if not leftover:
                self._copies.forget(taken.name)
        else:
            self._write(lambda c: self._outcomes.again(c, taken, failure))

    def _goes_elsewhere(self, taken: Taken, failure: Failure, *, fault: bool, left: bool) -> Where:
        leftover = self._elsewhere.leftover(taken) if left else None
        where: Where = self._write(
            lambda c: self._elsewhere.go(c, taken, failure.text, fault=fault, leftover=leftover)
        )
        if where != "here":
            if leftover is not None:
                leftover.pending.written()
            else:
                self._copies.forget(taken.name)
        return where

    # What is said and asked meanwhile

    def _say(self, taken: Taken, kind: str, text: str) -> None:
        try:
            self._database.write(lambda c: self._outcomes.event(c, taken, kind, text))
        except Unavailable:
            LOG.warning("%s of %s: %s", taken.kind, taken.name, text)

    def _stopped(self, taken: Taken, begun: float) -> Stopped | None:
        limit = DEADLINES.get(taken.kind, DEADLINE)
        if time.monotonic() - begun > limit:
            return Stopped(f"It took longer than {limit:g} s.", "late")
        found = self._stopping(taken.token)
        if found is not None or taken.kind != "create":
            return found
        try:
            state = self._outcomes.state(taken)
        except Unavailable:
            return None
        if state is None:
            return Stopped("Another server has taken it over.", "lost")
        return Stopped(REMOVED_MEANWHILE, "removed") if state == "removing" else None

    def _recorded(self, taken: Taken) -> None:
        """From here on any server can remove what is made of it."""
        pending = self._copies.packed(taken.machine_id, taken.name)
        self._keep(pending, lambda c: self._outcomes.recorded(c, taken, pending))

    def _keep(self, pending: Pending, work: Callable[[sa.Connection], None]) -> None:
        self._write(work)
        pending.written()

    def _write(self, work: Callable[[sa.Connection], Any], *, lost: bool = False) -> Any:
        """Write it, and wait if the database is gone; with `lost` it is no error that it was taken over."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return self._database.write(work)
            except Unavailable:
                if time.monotonic() > end:
                    raise
                time.sleep(1)
            except TakenOver:
                if not lost:
                    raise
                return None


def _failure(error: Exception) -> Failure:
    """Return it in words for its owner: an error of dinv's is, any other is for the log."""
    if isinstance(error, RecordChanged):
        return Failure("Its record was changed by another server meanwhile.")
    if isinstance(error, DinvError):
        return Failure(shown(error.text))
    return Failure(f"The server made a mistake ({type(error).__name__}). Its log says more.")
