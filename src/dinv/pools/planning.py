"""What a pool needs now: how many machines to make, which to remove, which to park. Nothing is done here.

One function, `plan`, of what there is; it asks nobody and keeps nothing, so that the command line's
reconciler and the server's have the same rules:

- What is being made counts, so that two looks at a pool do not make two machines where one is missing.
- `size` is the number of machines that nobody has claimed. `maximum` bounds these and the claimed ones
  together; parked ones are stopped and do not count.
- A machine of another generation or image, or older than `max_age`, is replaced, claimed ones never. Its
  replacement comes first where `maximum` leaves room for it. Where it does not, one of the old ones stays
  for as long as no new one is ready, unless it is the only one.
- After a failure nothing is made for a while, twice as long after each further one, and then one machine
  at a time until one succeeds.
- What failed is parked for inspection; of these the latest `parked` are kept.
- Nothing is made, removed or parked while the pool is paused.

Times are in seconds since the epoch, by one clock; one that was set back makes nothing wait longer.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

CREATING = "creating"
READY = "ready"
CLAIMED = "claimed"
RELEASING = "releasing"
FAILED = "failed"
PARKED = "parked"
STATES = (CREATING, READY, CLAIMED, RELEASING, FAILED, PARKED)

FIRST_RETRY_SECONDS = 15.0
"""How long nothing is made after a first failure."""
LONGEST_RETRY_SECONDS = 900.0
PARKED_KEPT = 3
"""How many failed machines are kept for inspection by default."""


class Spec(NamedTuple):
    """What a pool is to be. `maximum` 0: no bound; `max_age`, in seconds, 0: machines do not grow too old."""

    size: int
    maximum: int = 0
    generation: str = ""
    one_at_a_time: bool = False
    """Whether at most one machine at a time is replaced by one of a new generation."""
    parked: int = PARKED_KEPT
    max_age: float = 0.0
    first_retry: float = FIRST_RETRY_SECONDS
    longest_retry: float = LONGEST_RETRY_SECONDS


class Member(NamedTuple):
    """A machine of a pool; `since` is when it came into its state."""

    key: str
    state: str
    generation: str = ""
    since: float = 0.0


class Failures(NamedTuple):
    """How many creates have failed since the last one that succeeded, and when the last of them did."""

    in_a_row: int = 0
    last: float = 0.0

    def another(self, now: float) -> Failures:
        """Return them with one more."""
        return Failures(self.in_a_row + 1, now)


class Actions(NamedTuple):
    """What to do now. `remove` and `park` are keys of members, in the order in which to do it."""

    create: int = 0
    remove: tuple[str, ...] = ()
    park: tuple[str, ...] = ()
    not_before: float = 0.0
    """When to try to make machines again; 0 if nothing is put off."""
    why: tuple[str, ...] = ()
    """Reasons, for the user: of what is done, and of what is not done though something is missing."""

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.create or self.remove or self.park)


def retry_seconds(spec: Spec, count: int) -> float:
    """Return how long nothing is made after `count` failures in a row."""
    if count <= 0:
        return 0.0
    # 2**40 is more than any bound: an exponent of thousands would be an overflow.
    return min(spec.longest_retry, spec.first_retry * 2.0 ** min(count - 1, 40))


def not_before(spec: Spec, failures: Failures, now: float) -> float:
    """Return when machines may be made again; 0 if they may be made now."""
    if not failures.in_a_row or failures.last > now:
        return 0.0
    due = failures.last + retry_seconds(spec, failures.in_a_row)
    return due if due > now else 0.0


def is_current(spec: Spec, member: Member, now: float) -> bool:
    """Return whether an unclaimed machine is one of those that are wanted now."""
    if member.generation != spec.generation:
        return False
    return not (spec.max_age and member.state == READY and now - member.since > spec.max_age)


def plan(
    spec: Spec,
    members: Iterable[Member],
    failures: Failures = Failures(),  # noqa: B008  (it cannot be changed)
    now: float = 0.0,
    *,
    paused: bool = False,
) -> Actions:
    """Return what to do about a pool. Doing it, and planning again, ends with nothing to do."""
    if paused:
        return Actions(why=("it is paused",))
    there = _Census(spec, sorted(members, key=lambda member: (member.since, member.key)), now)
    why = [there.bounded] if there.bounded else []
    # The oldest go first, those of another generation before all others.
    surplus = max(0, len(there.ready) - there.target)
    remove = [*there.stale, *there.current][:surplus]
    if surplus:
        why.append(f"there are {len(there.ready)} machines for {there.target}")
    old = len(there.stale[surplus:])
    park, unparked = _parking(spec, there.failed)
    waits = not_before(spec, failures, now)
    if there.wanted and waits:
        why.append(
            "the last create failed"
            if failures.in_a_row == 1
            else f"the last {failures.in_a_row} creates failed"
        )
        return Actions(0, (*unparked, *_keys(remove)), park, waits, tuple(why))
    if old and there.wanted:
        why.append(f"{old} of other options, of another image, or too old are to be replaced")
    create = _creates(spec, there, failures)
    if spec.maximum:
        room = max(0, spec.maximum - there.counted)
        if create > room:
            why.append(f"there is room for {room} more of at most {spec.maximum}")
        create = min(create, room)
        if not room and not remove and not there.busy:
            remove = there.stale[surplus:][
                : _making_room(there, old, gently=spec.one_at_a_time or failures.in_a_row > 0)
            ]
    return Actions(create, (*unparked, *_keys(remove)), park, 0.0, tuple(why))


class _Census:
    """The machines of a pool, counted; `members` from the oldest on."""

    def __init__(self, spec: Spec, members: Sequence[Member], now: float) -> None:
        self.ready = [member for member in members if member.state == READY]
        self.current = [member for member in self.ready if is_current(spec, member, now)]
        self.stale = [member for member in self.ready if not is_current(spec, member, now)]
        self.failed = [member for member in members if member.state in (FAILED, PARKED)]
        creating = [member for member in members if member.state == CREATING]
        self.creating = len(creating)
        claimed = sum(member.state == CLAIMED for member in members)
        leaving = sum(member.state in (RELEASING, FAILED) for member in members)
        self.busy = bool(creating or leaving)
        self.counted = len(creating) + len(self.ready) + claimed + leaving
        self.target = spec.size
        self.bounded = ""
        if spec.maximum and spec.maximum - claimed < spec.size:
            self.target = max(0, spec.maximum - claimed)
            self.bounded = f"{claimed} of at most {spec.maximum} machines are claimed"
        coming = sum(member.generation == spec.generation for member in creating)
        self.wanted = max(0, self.target - len(self.current) - coming)
        """How many of this generation are neither there nor coming."""
        self.missing = max(0, self.target - len(self.ready) - len(creating))
        """The same of any: those of another generation fill the pool until their turn comes."""


def _creates(spec: Spec, there: _Census, failures: Failures) -> int:
    create = there.wanted
    if spec.one_at_a_time and create > there.missing:
        create = there.missing or (0 if there.creating else 1)
    return min(create, max(0, 1 - there.creating)) if failures.in_a_row else create


def _making_room(there: _Census, old: int, *, gently: bool) -> int:
    """Return how many old machines to remove before there are others: the maximum leaves no room for these.

    One of several stays until there is another that can be claimed. With `gently` it is one: the others stay
    if none can be made with the new options.
    """
    if gently:
        return min(1, there.wanted, old)
    return min(there.wanted, old if there.current or old == 1 else old - 1)


def _parking(spec: Spec, failed: Sequence[Member]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return whom to park and whom to remove, of those that failed, now or earlier."""
    surplus = max(0, len(failed) - max(0, spec.parked))
    park = [member for member in failed[surplus:] if member.state == FAILED]
    return _keys(park), _keys(failed[:surplus])


def _keys(members: Iterable[Member]) -> tuple[str, ...]:
    return tuple(member.key for member in members)


def generation(options: Mapping[str, object]) -> str:
    """Return a hash of options, by keyword: 16 hex digits.

    It does not depend on the order of keys, nor on options that are None or an empty list or mapping; the
    order of a list counts. Values are texts, numbers, booleans, None, and lists and mappings of these; raises
    TypeError.
    """
    given = {key: _canonical(value) for key, value in options.items()}
    document = {key: value for key, value in given.items() if value not in (None, [], {})}
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _canonical(value: object) -> object:
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if hasattr(value, "items"):
        return {str(key): _canonical(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_canonical(each) for each in value]
    raise TypeError(f"an option of a pool cannot be a {type(value).__name__}")
