"""One pool, claimed at the same time by the page, by the API, and by the CLI's driver."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest
import sqlalchemy as sa
from users import eventually
from web_site import Working

import dinv
from dinv.drivers.server import machines as of_the_cli
from dinv.server.database.schema import machines
from dinv.server.web.cookies import SESSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dinv.server.database.database import Database

READY = 6
EACH = 4
"""Of each way: twelve ask for six."""


@pytest.fixture
def site(database: Database) -> Iterator[Working]:
    with Working(database) as made:
        made.world.template(is_default=True, ttl=3600)
        made.world.endpoint()
        yield made


def by_page(site: Working, name: str) -> str:
    headers = {"Accept": "text/html", "Origin": site.url, "Sec-Fetch-Site": "same-origin"}
    cookies = {SESSION: site.world.session(name)}
    with httpx.Client(base_url=site.url, headers=headers, cookies=cookies, timeout=60) as browser:
        answer = browser.post("/machines", data={"template": "docker", "key": name})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].rpartition("/")[2]


def by_api(site: Working, name: str) -> str:
    headers = {"Authorization": f"Bearer {site.world.token(name)}", "Idempotency-Key": name}
    with httpx.Client(base_url=site.url, headers=headers, timeout=60) as program:
        answer = program.post("/api/v1/machines", json={"template": "docker"})
    assert answer.status_code in (201, 202), answer.text
    return str(answer.json()["id"])


def by_cli(site: Working, name: str, directory: Path) -> str:
    store = dinv.open(str(directory / name))
    store.server.log_in(site.url, token=site.world.token(name))
    with store.create("dev", context=False) as made:
        return str(made.config.driver["MachineID"])


def _ready(site: Working) -> int:
    query = sa.select(sa.func.count()).where(machines.c.pooled, machines.c.state == "ready")
    with site.world.database.read() as connection:
        return connection.scalar(query) or 0


def test_each_has_one_of_their_own(site: Working, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_the_cli, "LOOK_SECONDS", 0.05)
    site.world.pool("docker", READY)
    eventually(lambda: _ready(site) == READY, seconds=60)  # it may be the site's worker that makes them
    ways: list[Callable[[str], str]] = [
        lambda name: by_page(site, name),
        lambda name: by_api(site, name),
        lambda name: by_cli(site, name, tmp_path),
    ]
    asking = {f"p{number}": ways[number % 3] for number in range(3 * EACH)}
    for name in asking:
        site.world.person(name)
    together = threading.Barrier(len(asking))

    def ask(name: str) -> tuple[str, str]:
        together.wait(60)
        return name, asking[name](name)

    with ThreadPoolExecutor(len(asking)) as pool:
        got = dict(pool.map(ask, asking))
    assert len(set(got.values())) == len(asking), "somebody has another's machine"
    with site.world.database.read() as connection:
        rows = connection.execute(sa.select(machines).where(machines.c.removed_at.is_(None))).all()
    owners = {row.id: row.owner_id for row in rows}
    mine = {name: site.world.actors[name].person.id for name in asking}
    assert {name: owners[machine] for name, machine in got.items()} == mine
    assert sum(row.pooled for row in rows) == READY
    assert len(rows) == len(asking), "one is nobody's"
    assert len(site.world.audit.entries(action="machine.claim", limit=100)) == READY
    assert site.world.audit.verify()[1] == ""
