"""What people do: claims, creates, extends, stops, shares and deletes, by programs and in browsers.

Each does one thing after the other, with time to think between them, until the time is over.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    import random
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable

    from benchmarks.soak.team import Somebody

THINKS = (3.0, 15.0)
"""Seconds, at least and at most."""
ACTIONS_OF_CONNECTION = 20
"""A client is a new one then: connections come and go."""
WAITS_SECONDS = 60.0
"""How long a stream is followed at most."""
TIMEOUT = 60.0
TEMPLATES = ("", "", "pooled", "pooled", "idle", "stops")
EXPECTED = frozenset({200, 201, 202, 204, 303, 304, 404, 409, 410, 412})
"""404: it was reaped meanwhile. 409: its state does not allow it, or the quota does not."""
FROM_ENDPOINT = frozenset({502, 503, 504})
"""Answers to what needs an endpoint at once, or waits for what is done there: one that hangs keeps both."""


class Crowd:
    """Counts the answers: by what was asked and by status, the slowest of each, and what was wrong."""

    def __init__(self, url: str, tls: ssl.SSLContext, seconds: float, dice: random.Random) -> None:
        self._url = url
        self._tls = tls
        self._end = time.monotonic() + seconds
        self._dice = dice
        self.answers: Counter[tuple[str, int]] = Counter()
        self.slowest: dict[str, float] = {}
        self.wrong: Counter[str] = Counter()

    async def live(self, people: list[Somebody], operator: Somebody) -> None:
        """Be all of them; every third one sits at a browser."""
        tasks = [self._operate(operator)]
        for number, somebody in enumerate(people):
            tasks.append(self._browse(somebody) if number % 3 == 0 else self._program(somebody))
        await asyncio.gather(*tasks)

    # By programs

    async def _program(self, somebody: Somebody) -> None:
        async def act(client: httpx.AsyncClient) -> None:
            answer = await self._ask(client, "list", "GET", "/api/v1/machines")
            mine = answer.json()["machines"] if answer and answer.status_code == 200 else []
            chosen = self._dice.choice(mine) if mine else None
            if chosen is None or (len(mine) < 4 and self._dice.random() < 0.4):
                await self._create(client)
            else:
                await self._change(client, chosen)

        await self._repeat(act, {"Authorization": f"Bearer {somebody.token}"})

    async def _create(self, client: httpx.AsyncClient) -> None:
        answer = await self._ask(
            client,
            "create",
            "POST",
            "/api/v1/machines",
            json={"template": self._dice.choice(TEMPLATES)},
            headers={"Idempotency-Key": self._dice.randbytes(12).hex()},
        )
        if answer is None or answer.status_code not in (201, 202):
            return
        path = answer.headers["Location"]
        if answer.status_code == 202:
            await self._follow(client, "events", f"{path}/events/stream", WAITS_SECONDS, until="settled")
        await self._ask(client, "certificate", "POST", f"{path}/certificate", json={}, endpoint=True)

    async def _change(self, client: httpx.AsyncClient, machine: dict[str, Any]) -> None:
        path = f"/api/v1/machines/{machine['id']}"
        verb = self._dice.choice(
            ["extend", "extend", "delete", "delete", "stop", "start", "restart", "look", "share", "log"]
        )
        if verb == "extend":
            await self._ask(client, verb, "POST", f"{path}/extend", json={"by": "10m"})
        elif verb == "delete":
            await self._ask(client, verb, "DELETE", path)
        elif verb == "look":
            await self._ask(client, verb, "GET", path)
            await self._ask(client, verb, "GET", f"{path}/events")
        elif verb == "log":
            await self._ask(client, verb, "GET", f"{path}/log", endpoint=True)
        elif verb == "share":
            wanted = {"holder": "colleague", "ttl": "1h"}
            answer = await self._ask(client, verb, "POST", f"{path}/shares", json=wanted, endpoint=True)
            if answer and answer.status_code == 201:
                await self._ask(client, "revoke", "DELETE", f"{path}/shares/{answer.json()['serial']}")
        else:
            await self._ask(client, verb, "POST", f"{path}/{verb}")

    # In browsers

    async def _browse(self, somebody: Somebody) -> None:
        async def act(client: httpx.AsyncClient) -> None:
            await self._ask(client, "page", "GET", "/")
            open_page = asyncio.create_task(
                self._follow(client, "live", "/live", self._dice.uniform(10.0, WAITS_SECONDS))
            )
            form = {"template": self._dice.choice(TEMPLATES), "key": self._dice.randbytes(8).hex()}
            answer = await self._ask(client, "button", "POST", "/machines", data=form)
            if answer and answer.status_code == 303:
                path = answer.headers["Location"].partition("?")[0]
                await self._ask(client, "machine's page", "GET", path)
                await self._follow(client, "machine's live", f"{path}/live", self._dice.uniform(1.0, 20.0))
                await self._ask(client, "extend on page", "POST", f"{path}/extend", data={"by": "15m"})
                await self._ask(client, "page", "GET", "/")
                if self._dice.random() < 0.8:
                    await self._ask(client, "remove on page", "POST", f"{path}/remove", data={})
            await open_page

        headers = {"Cookie": f"__Host-dinv={somebody.session}", "Accept": "text/html", "Origin": self._url}
        await self._repeat(act, headers)

    async def _operate(self, operator: Somebody) -> None:
        pages = ("/operate", "/operate/machines", "/operate/endpoints", "/operate/audit", "/metrics")

        async def act(client: httpx.AsyncClient) -> None:
            await self._ask(client, "operator's page", "GET", self._dice.choice(pages))

        headers = {"Cookie": f"__Host-dinv={operator.session}", "Accept": "text/html", "Origin": self._url}
        await self._repeat(act, headers)

    # One request

    async def _repeat(
        self, act: Callable[[httpx.AsyncClient], Awaitable[None]], headers: dict[str, str]
    ) -> None:
        await asyncio.sleep(min(self._dice.uniform(0.0, THINKS[1]), self._left()))
        while self._left() > 0:
            async with self.client(headers) as client:
                for _ in range(ACTIONS_OF_CONNECTION):
                    if self._left() <= 0:
                        return
                    await act(client)
                    await asyncio.sleep(max(0.0, min(self._dice.uniform(*THINKS), self._left())))

    def _left(self) -> float:
        return self._end - time.monotonic()

    @asynccontextmanager
    async def client(self, headers: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
        """Connections of their own, closed afterwards."""
        async with httpx.AsyncClient(
            base_url=self._url, verify=self._tls, headers=headers, timeout=TIMEOUT
        ) as client:
            yield client

    async def _ask(
        self,
        client: httpx.AsyncClient,
        what: str,
        method: str,
        path: str,
        *,
        endpoint: bool = False,
        **given: Any,
    ) -> httpx.Response | None:
        begun = time.monotonic()
        try:
            answer = await client.request(method, path, **given)
        except httpx.HTTPError as error:
            self.wrong[f"{what}: {type(error).__name__}"] += 1
            return None
        self.slowest[what] = max(self.slowest.get(what, 0.0), time.monotonic() - begun)
        self.answers[what, answer.status_code] += 1
        if answer.status_code not in EXPECTED and not (endpoint and answer.status_code in FROM_ENDPOINT):
            self.wrong[f"{what}: {answer.status_code} {answer.text[:200]}"] += 1
        return answer

    async def _follow(
        self, client: httpx.AsyncClient, what: str, path: str, seconds: float, *, until: str = ""
    ) -> None:
        """Read a stream of events for so long, or until an event of this name; then hang up."""
        end = min(seconds, self._left())
        if end <= 0:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(end):
                await self._read(client, what, path, until)

    async def _read(self, client: httpx.AsyncClient, what: str, path: str, until: str) -> None:
        try:
            async with client.stream("GET", path, timeout=None) as answer:
                self.answers[what, answer.status_code] += 1
                if answer.status_code not in EXPECTED:
                    self.wrong[f"{what}: {answer.status_code}"] += 1
                async for line in answer.aiter_lines():
                    if until and line == f"event: {until}":
                        return
        except httpx.HTTPError as error:
            self.wrong[f"{what}: {type(error).__name__}"] += 1
