"""A machine's events as they happen, for programs."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable

from starlette.concurrency import run_in_threadpool

from dinv.server.models import Actor, Event, Machine
from dinv.server.problems import NotSignedIn, Problem
from dinv.server.web.parts import Parts

AGAIN_SECONDS = 1.0
"""After so long it is looked at again where the database was gone."""
COMMENT_SECONDS = 15.0
LONGEST_SECONDS = 900.0
"""A stream ends then; a client comes back with Last-Event-ID."""
SETTLED = frozenset({"ready", "stopped", "failed", "parked", "removed"})
"""States in which nothing more is to be waited for."""


async def events(parts: Parts, asks: Callable[[], Actor], machine_id: str, after: int) -> AsyncIterator[str]:
    """Events after this one, and "settled" with the machine's state at the end."""

    def look(after: int) -> tuple[Machine, list[Event]]:
        # First the machine, then its events: those that led to its state are among them.
        actor = asks()
        machine = parts.fleet.machine(actor, machine_id)
        return machine, parts.fleet.events(actor, machine_id, after=after)

    begun = time.monotonic()
    yield "retry: 1000\n\n"
    with parts.changes.watch(machine_id) as watch:
        while time.monotonic() - begun < LONGEST_SECONDS and not parts.stopping.is_set():
            pause = COMMENT_SECONDS
            try:
                machine, found = await run_in_threadpool(look, after)
            except NotSignedIn:
                return
            except Problem as problem:
                if problem.status < 500:
                    yield _said("settled", {"state": "removed", "error": ""})
                    return
                pause = AGAIN_SECONDS
            else:
                if found:
                    after = found[-1].id
                    yield "".join(map(_event, found))
                    continue
                if machine.state in SETTLED:
                    yield _settled(machine)
                    return
            if not await watch.changed(pause):
                yield ": still here\n\n"


def _event(event: Event) -> str:
    said = _said(event.kind, {"time": event.time.isoformat(), "kind": event.kind, "text": event.text})
    return f"id: {event.id}\n{said}"


def _settled(machine: Machine) -> str:
    return _said("settled", {"state": machine.state, "error": machine.error})


def _said(name: str, value: dict[str, str]) -> str:
    return f"event: {name}\ndata: {json.dumps(value)}\n\n"
