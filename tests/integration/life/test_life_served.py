"""A newcomer: `dinv serve`, the button in Chromium, docker, `dinv login`; the endpoint is as empty after."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from browser import chromium
from free_port import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness import Dinv
    from playwright.sync_api import Page

PASSWORD = "correct horse battery"
WAIT = 60_000
"""Milliseconds."""


class Served:
    """A server in a process of its own. `said` is what it has printed."""

    def __init__(self, log: Path, port: int) -> None:
        self.url = f"https://127.0.0.1:{port}"
        self._log = log
        self._file = log.open("w")
        command = [sys.executable, "-m", "dinv", "serve", "--listen", f"127.0.0.1:{port}"]
        self.process = subprocess.Popen(command, stdout=self._file, stderr=subprocess.STDOUT)

    def wait_for(self, pattern: str) -> str:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            found = re.search(pattern, self._log.read_text())
            if found:
                return found[0]
            assert self.process.poll() is None, self._log.read_text()
            time.sleep(0.1)
        pytest.fail(f"the server has not said {pattern}:\n{self._log.read_text()}")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(60)
        finally:
            self.process.kill()
            self.process.wait()
            self._file.close()


@pytest.fixture
def served(user_environment: None, machine_image: str, tmp_path: Path) -> Iterator[Served]:
    server = Served(tmp_path / "server.log", free_port())
    try:
        yield server
    finally:
        server.stop()


def state(page: Page) -> str:
    return page.inner_text(".head .state")


def press(page: Page) -> None:
    page.click("text=Give me a Docker host")
    page.wait_for_url("**/machines/*")
    end = time.monotonic() + WAIT / 1000
    while (found := state(page)) != "ready":
        assert found != "failed", page.inner_text("main")
        assert time.monotonic() < end, page.inner_text("main")
        time.sleep(0.2)


def test_a_newcomer_has_a_docker_host_by_the_button(served: Served, tmp_path: Path, dinv: Dinv) -> None:
    link = served.wait_for(r"https://\S+/first/\S+")
    with chromium() as browser:
        page = browser.new_context(ignore_https_errors=True, accept_downloads=True).new_page()
        troubles: list[str] = []
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda said: troubles.append(said.text) if said.type == "error" else None)
        page.goto(link)
        page.fill("#name", "olga")
        page.fill("#password", PASSWORD)
        page.click("text=Begin")
        press(page)
        name = page.inner_text("h1")
        with page.expect_download() as download:
            page.click("text=Download the docker context")
        context = tmp_path / "context.dinv"
        download.value.save_as(context)
        docker(["context", "import", name, str(context)])
        assert docker(["--context", name, "ps", "--quiet"]).stdout == ""

        # Taken away, docker is refused within seconds.
        page.reload()
        page.click("summary:has-text('Take away')")
        page.click("button:has-text('Take away')")
        end = time.monotonic() + 60
        while docker(["--context", name, "ps"], check=False).returncode == 0:
            assert time.monotonic() < end, "it is still let in"
            time.sleep(0.5)

        # The command line comes in by the same door.
        log_in(page, served, tmp_path / "client")
        client = ["-s", str(tmp_path / "client")]
        assert dinv(*client, "url", name).stdout.startswith("tcp://")
        assert dinv(*client, "ssh", name, "echo $((6 * 7))").stdout == "42\n"
        dinv(*client, "create", "dev")
        environment = dinv(*client, "env", "dev").stdout
        assert "DOCKER_TLS_VERIFY" in environment
        dinv(*client, "rm", "-y", "dev")

        page.goto(served.url)
        page.click(f"a.button:has-text('Delete {name}')")
        page.click("text=Delete it")
        page.wait_for_selector("text=You have none", timeout=WAIT)
        # Machines come and go on networks of this computer, and the browser begins its streams anew.
        assert [each for each in troubles if "NETWORK_CHANGED" not in each and each != "[object Event]"] == []


def log_in(page: Page, served: Served, store: Path) -> None:
    ca = served.wait_for(r"/\S+/ca\.pem")
    words = ["-s", str(store), "login", served.url, "--ca", ca]
    with subprocess.Popen(
        [sys.executable, "-m", "dinv", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as login:
        try:
            assert login.stdout is not None
            said = login.stdout.readline()
            found = re.search(r"https://\S+", said)
            assert found is not None, said
            page.goto(found[0])
            page.click("text=It was me")
            assert login.wait(60) == 0, login.stdout.read()
        finally:
            # It waits for the page as long as it may, and the end of the block for it.
            login.kill()


def docker(words: list[str], *, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *words], capture_output=True, text=True, timeout=60, check=check)
