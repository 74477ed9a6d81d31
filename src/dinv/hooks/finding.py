"""Which hooks there are: executables in the store, and entry points of installed packages.

In the store, for an event such as pre-issue:

    hooks/pre-issue        a program, as git has its hooks
    hooks/pre-issue.d/*    programs in the order of their names, as run-parts(8) has them: names of letters,
                           digits, - and _, so that what editors and packages leave is skipped: x~, x.old

A file that is not executable is skipped, as git does. Whatever else is in the directory is not looked at:
what a hook needs may lie there. A program that somebody else could have put there or changed is not skipped,
but refused: it would run with the user's rights.

In packages: entry points of the group `dinv.hooks`, named EVENT or EVENT.NAME. They come after those of the
store, in the order of their names.
"""

from __future__ import annotations

import os
import stat

from dinv import plugins
from dinv.hooks.events import EVENTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "dinv.hooks"
"""The group of entry points."""
_WRITABLE = stat.S_IWGRP | stat.S_IWOTH

_points: list[EntryPoint] | None = None
_damaged: list[plugins.Plugin] = []
"""Packages that may have hooks, but whose list of entry points cannot be read."""


class Hook:
    """One hook. `name` is what messages call it, such as pre-issue.d/domain; `event` what it is for.

    `place` is where to find it: a path, or a package. `problem` continues the sentence "The hook NAME ...",
    if it must not be run. `entry` is the "module:attribute" of one that a package has, "" for a file.
    """

    def __init__(self, name: str, event: str, place: str, *, problem: str = "", entry: str = "") -> None:
        self.name = name
        self.event = event
        self.place = place
        self.problem = problem
        self.entry = entry


def hooks(store: str, event: str) -> list[Hook]:
    """Return the hooks for an event, in their order."""
    return [*_in_store(store, event), *(hook for hook in _in_packages() if hook.event == event)]


def installed(store: str) -> list[plugins.Plugin]:
    """Return all hooks, and what was probably meant as one, with the reason why it is not used.

    Those of packages are loaded, to see if that works.
    """
    found = [
        plugins.Plugin(hook.name, "hook", hook.place, hook.problem)
        for event in EVENTS
        for hook in _in_store(store, event)
    ]
    found += _skipped(store)
    found += [plugins.from_package(point.name, "hook", point, _unfit(point)) for point in _entry_points()]
    return [*found, *_damaged]


def _unfit(point: EntryPoint) -> str:
    """Return why an entry point is not a hook, or cannot be called; "" if it can."""
    event = point.name.partition(".")[0]
    if event not in EVENTS:
        return _no_event(event)
    found, problem = plugins.attempt(point)
    if not problem and not callable(found):
        return f"is {point.value}, which cannot be called"
    return problem


def _in_store(store: str, event: str) -> list[Hook]:
    directory = os.path.join(store, "hooks")
    found = []
    for name in [event, *(os.path.join(f"{event}.d", name) for name in _names(directory, f"{event}.d"))]:
        path = os.path.join(directory, name)
        if _is_program(path):
            found.append(Hook(name, event, path, problem=_unsafe(path)))
    return found


def _names(directory: str, folder: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(os.path.join(directory, folder)) if _is_plain(name))
    except OSError:  # most stores have none
        return []


def _is_plain(name: str) -> bool:
    return name.isascii() and name.replace("-", "").replace("_", "").isalnum()


def _is_program(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)


def _unsafe(path: str) -> str:
    """Return why a program must not be run: somebody else could have changed it, or put it there."""
    me = os.geteuid()
    try:
        real = os.path.realpath(path, strict=True)
        places = [real, *_above(real), *_above(os.path.abspath(path))]
        for place in dict.fromkeys(places):
            found = os.stat(place)
            if found.st_uid not in (0, me):
                return f"is refused: {place} belongs to another user (uid {found.st_uid})"
            sticky = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
            if found.st_mode & _WRITABLE and not sticky:
                return f"is refused: others may write to {place} (chmod go-w {place})"
    except OSError as error:
        return f"is refused: {error.filename or path}: {error.strerror}"
    return ""


def _above(path: str) -> list[str]:
    """Return the directories above `path`."""
    found = []
    while (parent := os.path.dirname(path)) != path:
        found.append(parent)
        path = parent
    return found


def _skipped(store: str) -> list[plugins.Plugin]:
    directory = os.path.join(store, "hooks")
    found = []
    for event in EVENTS:
        for name in [event, *(os.path.join(f"{event}.d", name) for name in _names(directory, f"{event}.d"))]:
            path = os.path.join(directory, name)
            if os.path.isfile(path) and not os.access(path, os.X_OK):
                found.append(
                    plugins.Plugin(name, "hook", path, f"not used: not executable (chmod +x {path})")
                )
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return found
    for name in names:
        path = os.path.join(directory, name)
        event = name.removesuffix(".d") if os.path.isdir(path) else name
        if event not in EVENTS and _is_plain(event) and (name != event or _is_program(path)):
            found.append(plugins.Plugin(name, "hook", path, _no_event(event)))
    return found


def _no_event(name: str) -> str:
    from dinv.suggestions import did_you_mean

    return f"not used: there is no event {name}. {did_you_mean(name, list(EVENTS))}".rstrip()


def _in_packages() -> list[Hook]:
    found = []
    for point in _entry_points():
        event = point.name.partition(".")[0]
        if event in EVENTS:
            found.append(Hook(point.name, event, plugins.package(point), entry=point.value))
    # What cannot be asked refuses: it may be a hook for any event.
    for damaged in _damaged:
        problem = f"is refused: {damaged.problem.removeprefix('not used: ')}"
        found += [Hook(damaged.name, event, damaged.source, problem=problem) for event in EVENTS]
    return found


def _entry_points() -> list[EntryPoint]:
    """Return those of the group, looked up once a process; quick if there are none, as is usual."""
    global _points, _damaged  # noqa: PLW0603  (a cache)
    if _points is None:
        points: list[EntryPoint] = []
        _damaged = []
        if plugins.mentioned(GROUP):
            points, _damaged = plugins.scan(GROUP, "hook")
        _points = sorted(points, key=lambda point: (point.name, point.value))
    return _points
