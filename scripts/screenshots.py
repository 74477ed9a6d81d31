#!/usr/bin/env python3
"""Take the pictures of the server's page that README.md and docs/server.md show, by Chromium, light and dark.

    scripts/screenshots.py

The page is the real one; its team and machines are the tests' world (tests/support), so it takes no engine.
With Debian's Chromium and the tests' packages. A picture is docs/page-NAME.png, or docs/page-NAME-dark.png.
"""

from __future__ import annotations

import os
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from sqlalchemy import Connection
    from web_site import Site

CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DOCS = os.path.join(CHECKOUT, "docs")
GIB = 2**30
SIZES = {"home": (1080, 790), "machine": (1080, 760)}
ADDRESS = "https://dinv.example.com"
"""Shown in the place of this server's own."""
MOST_BYTES = 150_000
_ADDRESSED = """([own, shown]) => {
  for (const code of document.querySelectorAll("code"))
    code.textContent = code.textContent.replace(own, shown);
}"""


def path_of(name: str, scheme: str) -> str:
    """Return where a picture is."""
    return os.path.join(DOCS, f"page-{name}{'-dark' if scheme == 'dark' else ''}.png")


def main() -> int:
    """Take all of them; returns the exit status."""
    sys.path.insert(0, os.path.join(CHECKOUT, "tests", "support"))
    from browser import chromium
    from web_site import Site

    from dinv.server.database.database import Database

    with tempfile.TemporaryDirectory() as scratch:
        database = Database(f"sqlite:///{scratch}/dinv.db")
        database.upgrade()
        with Site(database) as site, chromium() as browser:
            paths = {"home": "/", "machine": f"/machines/{a_team(site)}"}
            for scheme in ("light", "dark"):
                for name, path in paths.items():
                    take(site, browser, name, path, scheme)
    return 0


def take(site: Site, browser: Browser, name: str, path: str, scheme: Any) -> None:
    """Take a picture of a page."""
    from known_people import PASSWORD

    width, height = SIZES[name]
    size: Any = {"width": width, "height": height}
    page = browser.new_context(base_url=site.url, color_scheme=scheme, viewport=size).new_page()
    page.goto("/sign-in")
    page.fill("#name", "ana")
    page.fill("#password", PASSWORD)
    page.click("button:has-text('Sign in')")
    page.goto(path, wait_until="load")
    page.evaluate(_ADDRESSED, [site.url, ADDRESS])
    picture = path_of(name, scheme)
    page.screenshot(path=picture, animations="disabled")
    page.context.close()
    print(f"{os.path.relpath(picture, CHECKOUT)}: {os.path.getsize(picture)} bytes")  # noqa: T201


def a_team(site: Site) -> str:
    """Make templates, an endpoint and ana's machines; return the id of one that is ready."""
    from dinv.server.models import Quota

    world = site.world
    docker: Any = {"title": "A Docker host", "description": "Right for nearly everything", "is_default": True}
    world.template(**docker, ttl=8 * 3600, cpus=2.0, memory=4 * GIB, cache=20 * GIB, pool_size=2)
    big: Any = {"title": "A big one", "description": "For builds that take long"}
    world.template("big", **big, ttl=4 * 3600, cpus=8.0, memory=32 * GIB)
    world.endpoint("rack-1", max_machines=40, cpus=64.0, memory=256 * GIB)
    ana = world.person("ana", teams=("web",))
    olga = world.person("olga", role="operator")
    world.fleet.set_quota(olga, Quota("every-user", machines=5, cpus=16.0, memory=64 * GIB, hours=200))
    for name in ("night-tests", "build-arm", "dev"):
        world.fleet.request(ana, "docker", name)
        world.work()
    world.pool("docker", 1)
    _so(site, "dev", hours=5.2, cache_used=int(3.4 * GIB))
    _so(site, "build-arm", hours=7.9, state="creating", docker_version="")
    _so(site, "night-tests", hours=59, state="stopped", cache_used=int(11.8 * GIB))
    dev = world.fleet.machine(ana, "dev")
    _noted(site, dev.id, "Image dinv:latest is on rack-1", "Certificates issued", "Docker 28.2.2 answers")
    return dev.id


def _so(site: Site, name: str, *, hours: float, **columns: Any) -> None:
    """Let a machine be as it would be after a while."""
    from dinv.server.database.schema import machines

    values = {
        "expires_at": datetime.now(UTC) + timedelta(hours=hours, seconds=30),
        "docker_version": "28.2.2",
        "created_at": datetime.now(UTC) - timedelta(hours=2.8),
        "url": "tcp://10.0.0.7:23811",
        **columns,
    }
    changed = machines.update().where(machines.c.name == name).values(values)
    site.world.database.write(lambda connection: connection.execute(changed))


def _noted(site: Site, machine_id: str, *texts: str) -> None:
    """Let some have happened to a machine."""
    from dinv.server.fleet.events import note

    def work(connection: Connection) -> None:
        for text in texts:
            note(connection, machine_id, "progress", text, datetime.now(UTC))

    site.world.database.write(work)


if __name__ == "__main__":
    sys.exit(main())
