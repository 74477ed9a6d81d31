"""The examples of docs/hooks.md, run as they are in examples/hooks, by dinv."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import threading
from typing import TYPE_CHECKING, Any

import pytest
from fake_driver import install
from harness import CHECKOUT
from hook_files import HeardOfHooks, facts

import dinv
from dinv import hooks
from dinv.errors import HookRefused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dinv.machines import Machines
    from dinv.store.store import Store


@pytest.fixture
def machines(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    install(monkeypatch, str(tmp_path / "endpoint"))
    os.makedirs(store.path, mode=0o700)
    return dinv.open(store.path)


def use(store: Store, example: str, *events: str) -> None:
    for event in events:
        directory = os.path.join(store.path, "hooks", f"{event}.d")
        os.makedirs(directory, mode=0o755)
        shutil.copy(os.path.join(CHECKOUT, "examples", "hooks", example), directory)


def keep(store: Store, name: str, text: str) -> None:
    with open(os.path.join(store.path, "hooks", name), "w", encoding="utf-8") as file:
        file.write(text)


def make(machines: Machines, name: str = "dev", **options: Any) -> HeardOfHooks:
    heard = HeardOfHooks()
    machines.create(name, driver="fake", context=False, progress=heard, **options).close()
    return heard


@pytest.fixture
def chat() -> Iterator[tuple[str, list[Any]]]:
    said: list[Any] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["Content-Type"] == "application/json"
            said.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hooks/xyz", said
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_chat_hears_of_machines(store: Store, machines: Machines, chat: tuple[str, list[Any]]) -> None:
    url, said = chat
    use(store, "chat", "ready", "removed", "near-expiry", "revoked", "renewed")
    keep(store, "chat.url", f"{url}\n")
    assert make(machines).warnings == []
    machines.remove("dev")
    for event in ("near-expiry", "revoked", "renewed"):
        told = facts(event, **{name: name for name in hooks.EVENTS[event].facts})
        hooks.tell(store, event, told, HeardOfHooks())
    assert said == [
        {"text": "dev is ready at tcp://127.0.0.1:1000"},
        {"text": "dev is gone"},
        {"text": "the role certificate of dev ends at not_after"},
        {"text": "holder can no longer use dev"},
        {"text": "dev: renewed"},
    ]


def test_a_chat_that_is_down_is_a_warning(store: Store, machines: Machines) -> None:
    use(store, "chat", "ready")
    keep(store, "chat.url", "http://127.0.0.1:9/nobody")
    heard = make(machines)
    assert "ready.d/chat has ended with exit status 1" in heard.warnings[0]
    assert any("refused" in text.lower() for text in heard.texts)


def test_an_inventory_has_what_there_is(store: Store, machines: Machines) -> None:
    use(store, "inventory", "ready", "removed")

    def inventory() -> Any:
        with open(os.path.join(store.path, "inventory.json"), encoding="utf-8") as file:
            return json.load(file)

    names = [f"m{number}" for number in range(4)]
    threads = [threading.Thread(target=make, args=(dinv.open(store.path), name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = inventory()
    assert sorted(found) == names
    assert found["m0"]["url"] == machines.get("m0").url
    machines.remove("m1")
    assert sorted(inventory()) == ["m0", "m2", "m3"]


@pytest.mark.parametrize(
    "name", ["dev.example.com", "example.com", "*.lab.example.com", "10.9.8.7", "fd00::7"]
)
def test_names_in_the_domain_pass(store: Store, machines: Machines, name: str) -> None:
    use(store, "domain", "pre-issue")
    keep(store, "domain.txt", "example.com\n")
    make(machines, tls_san=[name])


@pytest.mark.parametrize("name", ["dev.example.org", "badexample.com", "example.com.evil.net", "*", "*.com"])
def test_names_outside_are_refused(store: Store, machines: Machines, name: str) -> None:
    use(store, "domain", "pre-issue")
    keep(store, "domain.txt", "example.com\n")
    with pytest.raises(HookRefused, match=r"is not in example\.com") as caught:
        hooks.ask(store, "pre-issue", facts("pre-issue", names=["localhost", name]), HeardOfHooks())
    assert name in str(caught.value)


def test_a_domain_that_is_not_said_refuses_all(store: Store, machines: Machines) -> None:
    use(store, "domain", "pre-issue")
    with pytest.raises(HookRefused, match=r"domain\.txt"):
        make(machines)
    assert machines.names() == []
