"""What changes, shown without asking: server-sent events with parts of the page, rendered again.

The database is looked at a few times a second and not told of changes, so several servers can share one. What
is sent is what has changed, and a comment now and then, so that proxies keep the connection. A browser
connects again by itself; it gets everything anew then, so nothing is lost in between.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import NamedTuple

from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from dinv.server.fleet.service import Fleet
from dinv.server.models import Actor, Event, Machine
from dinv.server.problems import Problem
from dinv.server.web.page.rendering import fragment

LOOK_SECONDS = 1.0
ANEW_SECONDS = 30.0
COMMENT_SECONDS = 15.0
"""After so long without a change a comment is sent, which keeps proxies from closing."""
LONGEST_SECONDS = 900.0
"""A stream ends then, and its browser comes back: whether it may is looked at anew."""
MOST_EVENTS = 100
MACHINE_PARTS = ("said", "head", "use", "progress", "facts", "shares", "access", "log")
"""Each a template, and sent when it changes: what is typed or selected in one outlives another."""

Stopping = Callable[[], bool]


class Look(NamedTuple):
    """What was seen, and how each part of it is shown.

    `mark` is compared with that of the last look; `over`: nothing will follow; `known`: the page has it.
    """

    mark: object
    parts: dict[str, Callable[[], str]]
    over: bool = False
    known: bool = False


def answer(parts: AsyncIterator[str]) -> StreamingResponse:
    """The response for a stream of events."""
    return StreamingResponse(
        parts,
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def event(name: str, html: str) -> str:
    """One event, in the format of the HTML standard: each line of its data has a field of its own."""
    data = "\n".join(f"data: {line}" for line in html.splitlines() if line.strip()) or "data:"
    return f"event: {name}\n{data}\n\n"


def latest_events(fleet: Fleet, actor: Actor, machine_id: str) -> list[Event]:
    """The last ones, the latest first."""
    return fleet.events(actor, machine_id, limit=500)[: -MOST_EVENTS - 1 : -1]


def own_machines(fleet: Fleet, actor: Actor, stopping: Stopping) -> AsyncIterator[str]:
    """The actor's machines, as the table of the page."""

    def look() -> Look:
        machines, _ = fleet.machines(actor, limit=200)
        return Look(
            tuple(map(_mark, machines)),
            {"machines": partial(fragment, "machines_own.html", machines=machines)},
        )

    return _changes(look, stopping)


def one_machine(
    fleet: Fleet,
    actor: Actor,
    machine_id: str,
    public_url: str,
    stopping: Stopping,
    *,
    mine: Callable[[Machine, Actor], bool],
    seen: int = 0,
) -> AsyncIterator[str]:
    """The parts of a machine's page; `seen` is the version that the page has already."""

    def look() -> Look:
        machine = fleet.machine(actor, machine_id)
        events = latest_events(fleet, actor, machine.id)
        shares = fleet.shares(actor, machine.id)
        shown = {
            "actor": actor,
            "machine": machine,
            "mine": mine(machine, actor),
            "public_url": public_url,
            "shares": shares,
            "events": events,
        }
        latest = events[0].id if events else 0
        return Look(
            (_mark(machine), latest, tuple(map(repr, shares))),
            {name: partial(fragment, f"machine/{name}.html", **shown) for name in MACHINE_PARTS},
            over=machine.state == "removed",
            known=machine.version == seen,
        )

    return _changes(look, stopping)


def _mark(machine: Machine) -> tuple[object, ...]:
    return (machine.id, machine.version, machine.state, machine.place, machine.expires_at, machine.cache_used)


async def _changes(look: Callable[[], Look], stopping: Stopping) -> AsyncIterator[str]:
    """A part is sent when its HTML has changed: what somebody types into another is left alone."""
    begun = said = time.monotonic()
    sent: dict[str, str] = {}
    last: object = None
    yield "retry: 2000\n\n"
    while time.monotonic() - begun < LONGEST_SECONDS and not stopping():
        try:
            seen = await run_in_threadpool(look)
            known = seen.known and not sent
            # Times in it change without anything else.
            again = (seen.mark, time.monotonic() // ANEW_SECONDS)
            for name, show in seen.parts.items() if again != last else ():
                html = await run_in_threadpool(show)
                if sent.get(name) != html:
                    sent[name] = html
                    if not known:
                        said = time.monotonic()
                        yield event(name, html)
            last = again
            if seen.over:
                yield event("gone", "")
                return
            if time.monotonic() - said > COMMENT_SECONDS:
                said = time.monotonic()
                yield ": still here\n\n"
        except Problem as problem:
            if problem.status < 500:
                # It is gone, or not the actor's any more: nothing will come here again.
                yield event("gone", "")
                return
        await asyncio.sleep(LOOK_SECONDS)
