"""What was done about machines whose time is limited, and how it was to be done."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from dinv.errors import DinvError

REMOVED, STOPPED, WARNED, KEPT = "removed", "stopped", "warned", "kept"
TTL, IDLE, LEFT = "ttl", "idle", "left"
"""Why: the end of its lease; nobody has used it; the run that it was made for is gone."""


class Reaped:
    """What `Machines.reap` did about one machine with a lease, or with `dry_run` would do.

    `action` is "removed", "stopped", "warned" (hooks were told that its end is near) or "kept". `why` is
    "ttl", "idle", "left" (by a run that was killed), or "" for what is kept, and `reason` says more. `known`:
    it is a machine of this store. `expires` is the end of its lease: RFC 3339, UTC, "" for none. `left` has a
    line for each thing that stays. `error` is why it failed, or None.
    """

    def __init__(
        self,
        name: str,
        action: str = KEPT,
        *,
        endpoint: str = "",
        why: str = "",
        reason: str = "",
        expires: str = "",
        left: Sequence[str] = (),
        known: bool = True,
        error: DinvError | None = None,
    ) -> None:
        self.name = name
        self.action = action
        self.endpoint = endpoint
        self.why = why
        self.reason = reason
        self.expires = expires
        self.left = list(left)
        self.known = known
        self.error = error

    def __repr__(self) -> str:
        return f"<Reaped {self.name} {self.action} {self.error or self.reason}>"


class Terms:
    """How it is done: `dry_run` only says; `warn_before`: seconds before an end at which hooks are told."""

    def __init__(self, *, dry_run: bool = False, warn_before: int | None = None) -> None:
        self.dry_run = dry_run
        self.warn_before = warn_before
