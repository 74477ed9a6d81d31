"""Hooks: programs of the user's, told of what happens to a machine, and asked before some of it.

A hook is an executable in the store, or an entry point of an installed package (`finding.py`). It is a
process of its own, gets one JSON document on its standard input (`events.py`), and has a deadline
(`running.py`). At an event that asks, a hook that does not end with exit status 0 refuses
what is about to happen, whatever the reason: what cannot be asked does not agree. At the others there is a
warning, and what has happened stands.

Without hooks, an event costs a look at one directory and, once a process, at the names of the entry points of
the packages installed.
"""

from __future__ import annotations

from dinv.errors import DinvError, HookRefused
from dinv.hooks.events import EVENTS, document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dinv.hooks.finding import Hook
    from dinv.progress import Progress
    from dinv.store.layout import Layout

__all__ = ["EVENTS", "Refused", "ask", "tell"]


class Refused(Exception):
    """Raised by a hook of a package to refuse what it is asked about; the user is told its message."""


def ask(store: Layout, event: str, facts: dict[str, Any], progress: Progress) -> None:
    """Ask the hooks for an event that can be refused, one after the other; return if none refuses.

    `facts` are those of `EVENTS[event].facts`, and `machine` (`lifecycle.host.telling`). Raises HookRefused,
    and InputError if the store's configuration of hooks cannot be used.
    """
    told = document(store.path, event, facts)
    for hook in _hooks(store, event):
        reason, said = _run(hook, store, told, progress)
        if reason:
            raise HookRefused(hook.name, event, reason, said, hook.place)


def tell(store: Layout, event: str, facts: dict[str, Any], progress: Progress) -> None:
    """Tell the hooks for an event that has happened. What is wrong with a hook is a warning.

    `facts` are as for `ask`.
    """
    told = document(store.path, event, facts)
    try:
        for hook in _hooks(store, event):
            reason, _ = _run(hook, store, told, progress)
            if reason:
                progress.warn(
                    f"The hook {hook.name} {reason}. What it was told of has happened and stands. Repair or "
                    f"remove it: {hook.place}"
                )
    except DinvError as error:
        progress.warn(error.text)


def _hooks(store: Layout, event: str) -> list[Hook]:
    from dinv.hooks import finding

    return finding.hooks(store.path, event)


def _run(hook: Hook, store: Layout, told: dict[str, Any], progress: Progress) -> tuple[str, list[str]]:
    from dinv.hooks import running

    reason = hook.problem
    return (reason, []) if reason else running.run(hook, store.path, told, progress)
