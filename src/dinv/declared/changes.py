"""What would be done about a thing that files ask for, or ask for no more: decided before it is done."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from dinv.declared.wanted import Wanted
    from dinv.drivers import Difference
    from dinv.errors import DinvError
    from dinv.store.lease import Lease
    from dinv.store.record import MachineConfig

NOTHING = "nothing"
CREATE = "create"
CHANGE = "change"
"""By `set`, an image, or certificates: the machine stays what it is."""
REPLACE = "replace"
"""It is removed, and made anew: what is in it is gone."""
REMOVE = "remove"
FAIL = "fail"
"""It cannot be told what to do: the error says why."""

LEASED = "lease"
"""What a difference is changed by, beside what `set` has: its lease is another."""

SIGNS = {NOTHING: " ", CREATE: "+", CHANGE: "~", REPLACE: "-/+", REMOVE: "-", FAIL: "!"}


class Change:
    """What would be done about one thing.

    `kind` is "cache", "machine" or "pool"; `action` one of the constants here. `differences` are the options
    that differ, each with its means. `stops` is whether containers stop. `notes` are remarks for the user,
    `error` is why nothing can be said. `settings`, `image` and `certificates` say by what a machine is
    changed, `lease`, in a tuple, the one it is to have, None for none. `wanted` is what asks for it, None for
    what is to be removed. `record` is the record that the change was decided by, None if there was none.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        action: str,
        *,
        wanted: Wanted | None = None,
        record: MachineConfig | None = None,
        differences: Iterable[Difference] = (),
        settings: Mapping[str, Any] | None = None,
        image: str = "",
        certificates: Mapping[str, Any] | None = None,
        lease: tuple[Lease | None] | None = None,
        stops: bool = False,
        notes: Iterable[str] = (),
        error: DinvError | None = None,
    ) -> None:
        self.kind = kind
        self.name = name
        self.action = action
        self.wanted = wanted
        self.record = record
        self.differences = list(differences)
        self.settings = dict(settings or {})
        self.image = image
        self.certificates = dict(certificates or {})
        self.lease = lease
        self.stops = stops
        self.notes = list(notes)
        self.error = error

    def __bool__(self) -> bool:
        """Whether there is anything to be done."""
        return self.action != NOTHING

    def __repr__(self) -> str:
        return f"<Change {self.action} {self.kind} {self.name}>"

    @property
    def sign(self) -> str:
        """Return the action as terraform shows it."""
        return SIGNS[self.action]

    @property
    def loses(self) -> bool:
        """Whether what is in it is gone afterwards; a cache that is made anew keeps what it has stored."""
        return self.action == REMOVE or (self.action == REPLACE and self.kind != "cache")


class Done:
    """What became of a change: `error` is None if it was done. `left` are remarks of what stays."""

    def __init__(self, change: Change, error: DinvError | None = None, left: Iterable[str] = ()) -> None:
        self.change = change
        self.error = error
        self.left = list(left)

    def __repr__(self) -> str:
        return f"<Done {self.change!r}{' failed' if self.error else ''}>"
