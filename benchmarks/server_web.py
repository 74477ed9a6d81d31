"""The server's page and API under a crowd: `python -m benchmarks.server_web`, docs/benchmarks.md.

The server is a process of its own, as in production: uvicorn, the real application, People, Fleet and SQLite
on a disk, without workers. 200 people have a session each, with the page open (a stream of events) and looked
at again every few seconds; then 20 programs, which have claimed one each already, claim machines of a pool by
the API. Times are what clients see.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

import httpx
from free_port import free_port

from benchmarks import running

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CLIENTS = 20
MB = 1_000_000
READY_SECONDS = 120
CHANCE = random.Random(1)  # noqa: S311  (when somebody looks)


def main() -> int:
    """Measure, and print a table; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server_web", description=__doc__)
    parser.add_argument("--machines", type=int, default=1000, help="that are there (1000)")
    parser.add_argument("--endpoints", type=int, default=20, help="that they are on (20)")
    parser.add_argument("--people", type=int, default=200, help="with a session each (200)")
    parser.add_argument("--claims", type=int, default=200, help="by the API (200)")
    parser.add_argument("--every", type=float, default=5.0, help="seconds from a look to the next (5)")
    parser.add_argument("--seconds", type=float, default=30.0, help="for how long (30)")
    parser.add_argument("--fill", metavar="DIRECTORY", help=argparse.SUPPRESS)
    parser.add_argument("--serve", metavar="DIRECTORY", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fill:
        fill_database(options)
        return 0
    if options.serve:
        serve(options)
        return 0
    with tempfile.TemporaryDirectory(prefix="dinv-benchmark-") as directory:
        command = [sys.executable, "-m", "benchmarks.server_web"]
        amounts = [
            f"--{name}={getattr(options, name)}" for name in ("machines", "endpoints", "people", "claims")
        ]
        # Not in the server's process: its memory is measured.
        filled = subprocess.run([*command, "--fill", directory, *amounts], stdout=subprocess.PIPE, check=True)
        known = json.loads(filled.stdout)
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        with subprocess.Popen([*command, "--serve", directory, f"--port={port}"]) as server:
            try:
                asyncio.run(measure(url, known, options, server.pid))
            finally:
                server.terminate()
    return 0


def fill_database(options: argparse.Namespace) -> None:
    """Make what is there; print the secrets of those who may come in, and the tokens of programs."""
    from fleet_world import World

    from benchmarks.server_claims import fill
    from dinv.server.database.database import Database
    from dinv.server.people import sessions, tokens

    database = Database(f"sqlite:///{options.fill}/dinv.db")
    database.upgrade()
    world = World(database)
    options.claims += CLIENTS
    actors = fill(world, options)

    def session(actor: Any) -> str:
        return database.write(
            lambda connection: sessions.begin(database, connection, actor.person.id, "127.0.0.1")
        )

    def token(actor: Any) -> str:
        scopes: Any = frozenset({"read", "machines"})
        return tokens.create(database, world.audit, actor, "benchmark", scopes=scopes, lifetime=None)[1]

    known = {
        "sessions": [session(actor) for actor in actors],
        "tokens": [token(actor) for actor in actors[:CLIENTS]],
    }
    print(json.dumps(known), flush=True)


def serve(options: argparse.Namespace) -> None:
    """The server, as `dinv serve` runs it, but for TLS and its workers."""
    import threading

    import uvicorn

    from dinv.server.audit import Audit
    from dinv.server.database.database import Database
    from dinv.server.fleet.service import Fleet
    from dinv.server.people.service import People
    from dinv.server.serving import interpreter
    from dinv.server.serving.connections import Connection
    from dinv.server.settings import Settings
    from dinv.server.web.app import make_app, warm_up
    from dinv.server.web.parts import Parts
    from dinv.server.work.service import Place

    interpreter.prepare()
    database = Database(f"sqlite:///{options.serve}/dinv.db")
    database.upgrade()
    audit = Audit(database)
    settings = Settings(options.serve, public_url=f"http://127.0.0.1:{options.port}")
    fleet = Fleet(database, audit, Place.opened(database, settings).access)
    parts = Parts(settings, database, audit, People(database, audit, settings), fleet, threading.Event())
    app = make_app(parts)
    warm_up(app)
    interpreter.settle()
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=options.port,
        http=Connection,
        log_level="error",
        timeout_keep_alive=30,
    )


async def measure(url: str, known: dict[str, Any], options: argparse.Namespace, server: int) -> None:
    """Be the crowd."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as client:
        await _ready(client)
        idle = running.resident(server)
        took: list[float] = []
        tasks = [asyncio.create_task(_look(client, secret, options, took)) for secret in known["sessions"]]
        begun, computed = time.perf_counter(), running.cpu(server)
        await asyncio.gather(*tasks)
        busy = (running.cpu(server) - computed) / (time.perf_counter() - begun)
        print("| | p50 ms | p95 ms | most ms | count |\n|---|---|---|---|---|")
        _line(f"the page, {options.people} sessions with a stream each", took)

        async def claim(token: str, number: int) -> None:
            headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": f"{token[-8:]}-{number}"}
            answer = await client.post("/api/v1/machines", json={"template": "pooled"}, headers=headers)
            assert answer.status_code == 201, answer.text

        await asyncio.sleep(2)  # until the server has done with the crowd
        # Not counted: connections are made, and each token's first use in a minute is noted.
        await asyncio.gather(*(claim(token, -1) for token in known["tokens"]))
        _line(f"claim by the API, {CLIENTS} clients", await _claims(claim, known["tokens"], options.claims))
        now = running.resident(server)
        print(
            f"\nThe server: {idle / MB:.0f} MB before, {now / MB:.0f} MB after; "
            f"{100 * busy:.0f} % of a processor while people looked"
        )


async def _ready(client: httpx.AsyncClient) -> None:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        try:
            if (await client.get("/readyz")).status_code == 200:
                return
        except httpx.TransportError:
            await asyncio.sleep(0.1)
    raise TimeoutError("the server is not ready")


async def _look(
    client: httpx.AsyncClient, secret: str, options: argparse.Namespace, took: list[float]
) -> None:
    """Somebody with the page open, who looks at it again and again."""
    headers = {"Cookie": f"__Host-dinv={secret}", "Accept": "text/html"}
    stream: asyncio.Task[None] | None = None
    end = time.monotonic() + options.seconds
    await asyncio.sleep(CHANCE.uniform(0, options.every))
    while time.monotonic() < end:
        begun = time.perf_counter()
        answer = await client.get("/", headers=headers)
        took.append(time.perf_counter() - begun)
        assert answer.status_code == 200, answer.text[:300]
        # As a browser does: what is live in a page is asked for when the page is there.
        stream = stream or asyncio.create_task(_stream(client, headers))
        await asyncio.sleep(CHANCE.uniform(0.5, 1.5) * options.every)
    if stream is not None:
        stream.cancel()
        await asyncio.gather(stream, return_exceptions=True)


async def _stream(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    async with client.stream("GET", "/live", headers=headers, timeout=None) as answer:
        async for _ in answer.aiter_bytes():
            pass


async def _claims(
    claim: Callable[[str, int], Awaitable[None]], programs: list[str], count: int
) -> list[float]:
    took: list[float] = []

    async def one(token: str) -> None:
        for number in range(count // len(programs)):
            begun = time.perf_counter()
            await claim(token, number)
            took.append(time.perf_counter() - begun)

    await asyncio.gather(*(one(token) for token in programs))
    return took


def _line(what: str, took: list[float]) -> None:
    took = sorted(took)
    shown = [took[len(took) // 2], took[int(len(took) * 0.95)], took[-1]]
    cells = " | ".join(f"{1000 * seconds:.0f}" for seconds in shown)
    print(f"| {what} | {cells} | {len(took)} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
