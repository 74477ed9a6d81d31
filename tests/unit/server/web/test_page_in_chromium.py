"""The page in a browser: live, by keyboard, without JavaScript, on a phone, for those who cannot see it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from browser import chromium
from known_people import PASSWORD
from web_site import Site

from dinv.server.database.database import Database
from dinv.server.models import Quota

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Page

WAIT = 60_000
"""Milliseconds."""


def visitor(site: Site, browser: Browser, name: str = "", **how: Any) -> Page:
    """A browser of somebody who is signed in; what goes wrong in it fails the test."""
    context: BrowserContext = browser.new_context(base_url=site.url, **how)
    page = context.new_page()
    page.set_default_timeout(WAIT)
    if name:
        page.goto("/sign-in")
        page.fill("#name", name)
        page.fill("#password", PASSWORD)
        page.click("button:has-text('Sign in')")
        page.wait_for_url(f"{site.url}/")
    return page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def site(sqlite_template: Path, tmp_path: Path) -> Iterator[Site]:
    path = tmp_path / "dinv.db"
    path.write_bytes(sqlite_template.read_bytes())
    database = Database(f"sqlite:///{path}")
    with contextlib.closing(database), Site(database) as made:
        world = made.world
        world.template(ttl=3600, is_default=True, title="A Docker host")
        world.template("big", title="A big one", cpus=8.0)
        world.endpoint(max_machines=5)
        world.person("jane", teams=("red",))
        world.person("john", teams=("red",))
        world.person("olga", role="operator")
        yield made


def state(page: Page) -> str:
    return page.inner_text(".head .state")


def test_two_browsers_two_people_one_quota(site: Site, browser: Browser) -> None:
    site.world.fleet.set_quota(site.world.actors["olga"], Quota("team:red", machines=1))
    jane, john = visitor(site, browser, "jane"), visitor(site, browser, "john")
    jane.goto("/")
    john.goto("/")
    jane.click("button.easy")
    jane.wait_for_url("**/machines/*")
    assert state(jane) == "creating"
    john.click("button.easy")
    assert "quota" in john.inner_text("[role=alert]").lower()
    # What a worker does is seen without asking.
    site.world.work()
    jane.wait_for_selector(".head .state.good")
    jane.click("a.button:has-text('Delete')")
    jane.click("text=Delete it")
    jane.wait_for_url("**/?said=removing")
    site.world.work()
    jane.wait_for_selector("text=You have none")
    john.click("button.easy")
    john.wait_for_url("**/machines/*")


def test_by_keyboard(site: Site, browser: Browser) -> None:
    page = visitor(site, browser, "jane")
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(20):
        page.keyboard.press("Tab")
        if "easy" in page.evaluate("document.activeElement.className"):
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/machines/*")


def test_without_javascript(site: Site, browser: Browser) -> None:
    page = visitor(site, browser, "jane", java_script_enabled=False)
    page.goto("/")
    page.click("label:has-text('A big one')")
    page.click("summary")
    page.fill("#machine-name", "mine")
    page.click("button.easy")
    page.wait_for_selector("h1:text-is('mine')")
    site.world.work()
    page.reload()
    assert state(page) == "ready"
    page.fill("#holder", "bo")
    with page.expect_download() as download:
        page.click("text=Download a file for them")
    assert download.value.suggested_filename == "mine.dinv"
    page.reload()
    page.click("summary:has-text('Take away')")
    with page.expect_navigation():
        page.click("button:has-text('Take away')")
    assert "taken away" in page.inner_text("main")
    with page.expect_navigation():
        page.click("text=Stop")
    site.world.work()
    page.reload()
    assert state(page) == "stopped"
    assert not page.is_visible(".js-only >> nth=0") if page.query_selector(".js-only") else True


PAGES = (
    "/",
    "/machines/{machine}",
    "/machines/{machine}/remove",
    "/account",
    "/device",
    "/operate",
    "/operate/machines",
    "/operate/templates",
    "/operate/endpoints",
    "/operate/people",
    "/operate/quotas",
    "/operate/audit",
    "/machines/none",
)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_everybody_can_use_it(site: Site, browser: Browser, scheme: str, width: int) -> None:
    """Axe finds nothing serious, and nothing is wider than the screen."""
    world = site.world
    world.pool("docker", 1)
    olga = world.actors["olga"]
    machine = world.fleet.request(olga, name="mine")
    world.fleet.certificate(olga, machine.id)
    world.fleet.set_quota(olga, Quota("every-user", machines=5, memory=2**33))
    how: dict[str, Any] = {
        "color_scheme": scheme,
        "viewport": {"width": width, "height": 900},
        "bypass_csp": True,
    }
    signed_in = visitor(site, browser, "olga", **how)
    found = [fault for path in PAGES for fault in faults(signed_in, path.format(machine=machine.id))]
    stranger = visitor(site, browser, **how)
    found += [fault for path in ("/sign-in",) for fault in faults(stranger, path)]
    assert found == []


def faults(page: Page, path: str) -> list[str]:
    """What Axe finds serious; of ARIA also what it leaves to the reader (a label allowed for text only)."""
    page.goto(path)
    results = Axe().run(page).response
    undecided = [each for each in results["incomplete"] if each["id"].startswith("aria-")]
    found = [
        f"{path}: {each['id']}: {each['nodes'][0]['html']}"
        for each in [*results["violations"], *undecided]
        if each["impact"] in ("serious", "critical")
    ]
    beyond = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return [*found, f"{path}: {beyond} pixels wider than the screen"] if beyond > 0 else found


def test_nothing_is_refused_by_the_policy(site: Site, browser: Browser) -> None:
    page = visitor(site, browser, "olga")
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    site.world.pool("docker", 1)
    page.goto("/")
    page.click("button.easy")
    page.wait_for_selector("pre[data-follow] >> text=300 False", state="attached")
    page.click("button[data-copy=paste-env]")
    page.wait_for_selector("text=/Copied|Select and copy it/")
    assert said == []
