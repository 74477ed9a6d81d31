"""A machine's events as they happen, for programs."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from functools import partial

from starlette.concurrency import run_in_threadpool

from dinv.server.fleet.service import Fleet
from dinv.server.models import Actor, Event, Machine
from dinv.server.problems import Problem

LOOK_SECONDS = 0.5
COMMENT_SECONDS = 15.0
LONGEST_SECONDS = 900.0
"""A stream ends then; a client comes back with Last-Event-ID."""
SETTLED = frozenset({"ready", "stopped", "failed", "parked", "removed"})
"""States in which nothing more is to be waited for."""


async def events(
    fleet: Fleet, actor: Actor, machine_id: str, after: int, stopping: Callable[[], bool]
) -> AsyncIterator[str]:
    """Events after this one, and "settled" with the machine's state at the end."""
    begun = said = time.monotonic()
    yield "retry: 1000\n\n"
    while time.monotonic() - begun < LONGEST_SECONDS and not stopping():
        try:
            # First the machine, then its events: those that led to its state are among them.
            machine = await run_in_threadpool(fleet.machine, actor, machine_id)
            found = await run_in_threadpool(partial(fleet.events, actor, machine_id, after=after))
        except Problem as problem:
            if problem.status < 500:
                yield _said("settled", {"state": "removed", "error": ""})
                return
            machine, found = None, []
        for event in found:
            after = event.id
            yield f"id: {event.id}\n" + _event(event)
            said = time.monotonic()
        if machine is not None and machine.state in SETTLED and not found:
            yield _settled(machine)
            return
        if time.monotonic() - said > COMMENT_SECONDS:
            said = time.monotonic()
            yield ": still here\n\n"
        await asyncio.sleep(LOOK_SECONDS)


def _event(event: Event) -> str:
    return _said(event.kind, {"time": event.time.isoformat(), "kind": event.kind, "text": event.text})


def _settled(machine: Machine) -> str:
    return _said("settled", {"state": machine.state, "error": machine.error})


def _said(name: str, value: dict[str, str]) -> str:
    return f"event: {name}\ndata: {json.dumps(value)}\n\n"
