"""What `apply`, `diff` and `delete` would do, and have done, as lines and as records."""

from __future__ import annotations

from dinv.declared.changes import CHANGE, CREATE, FAIL, REMOVE, REPLACE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from dinv.cli.app import App
    from dinv.declared.changes import Change, Done
    from dinv.errors import DinvError

_SAID = {
    CREATE: "is created",
    CHANGE: "is changed",
    REPLACE: "is made anew: what is in it is gone",
    REMOVE: "is removed",
    FAIL: "cannot be compared",
}
_DONE = {
    CREATE: "was created",
    CHANGE: "was changed",
    REPLACE: "was made anew",
    REMOVE: "was removed",
}
_COUNTED = {
    CREATE: "to create",
    CHANGE: "to change",
    REPLACE: "to make anew",
    REMOVE: "to remove",
    FAIL: "cannot be compared",
}


def lines(change: Change) -> list[str]:
    """Return what would be done about one thing, with a sign as terraform has it; nothing if nothing."""
    if not change and not change.notes:
        return []
    said = _SAID.get(change.action, "stays")
    if change.action == REPLACE and change.kind == "cache":
        said = "is made anew, with what it has stored"
    found = [f"{change.sign:<3} {change.kind} {change.name} {said}"]
    found += [
        f"      {difference.option}: {difference.said}  ({difference.means})"
        for difference in change.differences
    ]
    if change.stops and change.action == CHANGE:
        found.append("      containers in it stop, and those with a restart policy are started again")
    return found + [f"      {note}" for note in change.notes]


def summary(changes: Iterable[Change]) -> str:
    """Return how much there is to do, in one line."""
    changes = list(changes)
    counts = [
        f"{number} {said}"
        for action, said in _COUNTED.items()
        if (number := sum(change.action == action for change in changes))
    ]
    return ", ".join(counts) or "Everything is as the files say."


def show(changes: Sequence[Change], say: Callable[[str], None]) -> None:
    """Say what would be done, and how much it is."""
    for change in changes:
        for line in lines(change):
            say(line)
    say(summary(changes))


def record(change: Change, done: Done | None = None) -> dict[str, Any]:
    """`apply`, `diff`, `delete`: one record for each thing."""
    error = done.error if done is not None else change.error
    return {
        "Kind": change.kind,
        "Name": change.name,
        "Action": change.action,
        "Stops": change.stops,
        "Differences": [
            {
                "Option": difference.option,
                "Before": difference.before,
                "After": difference.after,
                "Means": difference.means,
            }
            for difference in change.differences
        ],
        "Error": str(error) if error is not None else "",
    }


COLUMNS = ("Kind", "Name", "Action", "Stops", "Error")


def tell(app: App, change: Change, error: DinvError, *, alone: bool) -> None:
    """Show an error of a change. Many name an image or an endpoint, and not the machine."""
    named = alone or f'"{change.name}"' in error.text
    about = "" if named else f"{change.kind} {change.name}"
    app.voice.tell(error, getattr(error, "__notes__", ()), about=about)


def report(app: App, done: Sequence[Done]) -> int:
    """Say what became of changes; return the exit status: 1 if one of them failed."""
    failed = [each for each in done if each.error is not None]
    for each in failed:
        if each.error is not None:
            tell(app, each.change, each.error, alone=len(done) == 1)
    progress = app.progress()
    for each in done:
        for left in each.left:
            progress.note(left)
    carried = [each.change for each in done if each.change.action in _DONE and each.error is None]
    for change in carried:
        progress.note(f'{change.kind.capitalize()} "{change.name}" {_DONE[change.action]}.')
    if failed:
        progress.note(f"{len(carried)} done, {len(failed)} failed")
    return 1 if failed else 0
