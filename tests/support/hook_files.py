"""Hooks as a user has them in a store, and what they and dinv have said."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from heard import Heard

from dinv.hooks.events import EVENTS, MACHINE

if TYPE_CHECKING:
    from dinv.store.layout import Layout


class HeardOfHooks(Heard):
    """What hooks printed, too."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, str]] = []

    def hook(self, hook: str, text: str) -> None:
        self.lines.append((hook, text))

    @property
    def texts(self) -> list[str]:
        """The lines, without the names of the hooks."""
        return [text for _, text in self.lines]


def put(store: Layout, name: str, script: str, *, mode: int = 0o755, interpreter: str = "/bin/sh") -> str:
    """Put a hook in the store; return its path."""
    path = os.path.join(store.path, "hooks", name)
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"#!{interpreter}\n{script}\n")
    os.chmod(path, mode)
    return path


def record_all(store: Layout) -> None:
    """Have a hook at each event write what it gets to the file `told` in the store, a line each."""
    for event in EVENTS:
        put(store, event, "cat >> told")


def recorded(store: Layout) -> list[dict[str, Any]]:
    """What those hooks got since the last time."""
    path = os.path.join(store.path, "told")
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        found = [json.loads(line) for line in file]
    os.unlink(path)
    return found


def facts(event: str, **changes: Any) -> dict[str, Any]:
    """Some facts for an event, as `hooks.ask` wants them."""
    machine: dict[str, Any] = {**dict.fromkeys(MACHINE, ""), "name": "dev", "labels": {}}
    return {**dict.fromkeys(EVENTS[event].facts, ""), "machine": machine, **changes}
