"""What changes, shown without asking: server-sent events with parts of the page, rendered again.

What is sent is what has changed, and a comment now and then, so that proxies keep the connection. A browser
connects again by itself; it gets everything anew then, so nothing is lost in between.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from dinv.server.fleet.service import Fleet
from dinv.server.models import Actor, Event, Machine
from dinv.server.problems import Problem
from dinv.server.web.page.rendering import fragment
from dinv.server.web.parts import Parts
from dinv.server.web.watching import Watch

ANEW_SECONDS = 15.0
"""After so long at most without a change it is looked at again, as times are shown and sessions end, and a
comment is sent, which keeps proxies from closing. Each stream has its own moment, as all of them connect at
once after a restart."""
AGAIN_SECONDS = 1.0
"""And after so long where the database was gone."""
LONGEST_SECONDS = 900.0
"""A stream ends then, and its browser comes back."""
MOST_EVENTS = 100
MACHINE_PARTS = ("said", "head", "use", "progress", "facts", "shares", "access", "log")
"""Each a template, and sent when it changes: what is typed or selected in one outlives another."""

Asks = Callable[[], Actor]
"""Tells who looks, again each time. Raises NotSignedIn."""


class Look(NamedTuple):
    """What was seen: parts of the page, as HTML.

    `over`: nothing will follow; `known`: the page has it already; `waits`: there is a place in the queue in
    it, which changes with other people's machines.
    """

    parts: dict[str, str]
    over: bool = False
    known: bool = False
    waits: bool = False


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


async def own_machines(parts: Parts, asks: Asks, person_id: str) -> AsyncIterator[str]:
    """The machines of the one who looks, as the table of the page."""

    def look() -> Look:
        machines = parts.fleet.own_machines(asks())
        shown = fragment("machines_own.html", machines=machines)
        return Look({"machines": shown}, waits=any(machine.place for machine in machines))

    with parts.changes.watch(person_id) as watch:
        async for part in _changes(look, watch, parts.stopping):
            yield part


async def one_machine(
    parts: Parts,
    asks: Asks,
    machine_id: str,
    public_url: str,
    *,
    mine: Callable[[Machine, Actor], bool],
    seen: int = 0,
) -> AsyncIterator[str]:
    """The parts of a machine's page; `seen` is the version that the page has already."""
    fleet = parts.fleet

    def look() -> Look:
        actor = asks()
        machine = fleet.machine(actor, machine_id)
        shown = {
            "actor": actor,
            "machine": machine,
            "mine": mine(machine, actor),
            "public_url": public_url,
            "shares": fleet.shares(actor, machine.id),
            "events": latest_events(fleet, actor, machine.id),
        }
        return Look(
            {name: fragment(f"machine/{name}.html", **shown) for name in MACHINE_PARTS},
            over=machine.state == "removed",
            known=machine.version == seen,
            waits=bool(machine.place),
        )

    with parts.changes.watch(machine_id) as watch:
        async for part in _changes(look, watch, parts.stopping):
            yield part


async def _changes(look: Callable[[], Look], watch: Watch, stopping: threading.Event) -> AsyncIterator[str]:
    """A part is sent when its HTML has changed: what somebody types into another is left alone."""
    begun = time.monotonic()
    sent: dict[str, str] = {}
    yield "retry: 2000\n\n"
    while time.monotonic() - begun < LONGEST_SECONDS and not stopping.is_set():
        pause = ANEW_SECONDS * random.uniform(0.5, 1.0)  # noqa: S311  (no secret)
        try:
            seen = await run_in_threadpool(look)
        except Problem as problem:
            if problem.status < 500:
                # It is gone, or not the actor's any more, or nobody is signed in: nothing will come again.
                yield event("over", fragment("over.html", problem=problem))
                yield event("gone", "")
                return
            pause = AGAIN_SECONDS
        else:
            watch.anything = seen.waits
            if seen.known and not sent:
                sent = seen.parts
            new = [part for part in seen.parts.items() if part not in sent.items()]
            sent = sent | seen.parts
            for name, html in new:
                yield event(name, html)
            if seen.over:
                yield event("gone", "")
                return
        if not await watch.changed(pause):
            yield ": still here\n\n"
