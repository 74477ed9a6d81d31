"""Planning of pools: what is to be made, removed and parked, for any pool and any course of events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dinv.pools import planning
from dinv.pools.planning import (
    CLAIMED,
    CREATING,
    FAILED,
    PARKED,
    READY,
    RELEASING,
    STATES,
    Failures,
    Member,
    Spec,
    generation,
    plan,
)

if TYPE_CHECKING:
    import random

NOW = 1_000_000.0

specs = st.builds(
    Spec,
    size=st.integers(0, 8),
    maximum=st.integers(0, 12),
    generation=st.sampled_from(["a", "b"]),
    one_at_a_time=st.booleans(),
    parked=st.integers(0, 3),
    max_age=st.sampled_from([0.0, 3600.0]),
)


@st.composite
def pools(draw: st.DrawFn) -> list[Member]:
    return [
        Member(
            f"m{number}",
            draw(st.sampled_from(STATES)),
            draw(st.sampled_from(["a", "b", "old"])),
            NOW - draw(st.floats(0, 7200)),
        )
        for number in range(draw(st.integers(0, 14)))
    ]


failures = st.builds(Failures, st.integers(0, 5), st.floats(NOW - 4000, NOW + 4000))


def members(text: str, *, generation: str = "a") -> list[Member]:
    """Members by letters: c creating, r ready, o ready of other options, C claimed, l releasing, f, p."""
    known = {"c": CREATING, "r": READY, "o": READY, "C": CLAIMED, "l": RELEASING, "f": FAILED, "p": PARKED}
    return [
        Member(f"{letter}{number}", known[letter], "old" if letter == "o" else generation, NOW - 100 + number)
        for number, letter in enumerate(text)
    ]


def decided(text: str, size: int, maximum: int = 0, **more: object) -> tuple[int, str]:
    """Return how many are made, and who is removed, as letters."""
    actions = plan(Spec(size, maximum, "a", **more), members(text), now=NOW)  # type: ignore[arg-type]
    return actions.create, "".join(key[0] for key in actions.remove)


@pytest.mark.parametrize(
    ("there", "size", "maximum", "expected"),
    [
        ("", 3, 0, (3, "")),
        ("rc", 3, 0, (1, "")),
        ("rrr", 3, 0, (0, "")),
        ("rrrr", 3, 0, (0, "r")),
        ("rrrc", 3, 0, (0, "")),
        ("CCC", 3, 0, (3, "")),
        ("CCC", 3, 4, (1, "")),
        ("CCCr", 3, 4, (0, "")),
        ("CCCCrr", 3, 4, (0, "rr")),
        ("CCl", 3, 4, (1, "")),
        ("pp", 3, 3, (3, "")),
        ("ooo", 3, 0, (3, "")),
        ("ooorrr", 3, 0, (0, "ooo")),
        ("oooccc", 3, 0, (0, "")),
        ("ooo", 3, 4, (1, "")),
        ("oooc", 3, 4, (0, "")),
        ("ooor", 3, 4, (0, "o")),
        ("oor", 3, 4, (1, "")),
        ("ooo", 3, 3, (0, "oo")),
        ("oll", 3, 3, (0, "")),
        ("occ", 3, 3, (0, "")),
        ("orr", 3, 3, (0, "o")),
        ("o", 1, 1, (0, "o")),
        ("o", 0, 0, (0, "o")),
    ],
)
def test_what_is_made_and_removed(there: str, size: int, maximum: int, expected: tuple[int, str]) -> None:
    assert decided(there, size, maximum) == expected


@pytest.mark.parametrize(
    ("there", "size", "maximum", "expected"),
    [
        ("ooo", 3, 0, (1, "")),
        ("oooc", 3, 0, (0, "")),
        ("ooor", 3, 0, (1, "o")),
        ("o", 3, 0, (2, "")),
        ("ooo", 3, 3, (0, "o")),
        ("ool", 3, 3, (0, "")),
        ("ooc", 3, 3, (0, "")),
        ("oor", 3, 3, (0, "o")),
    ],
)
def test_one_is_replaced_at_a_time(there: str, size: int, maximum: int, expected: tuple[int, str]) -> None:
    assert decided(there, size, maximum, one_at_a_time=True) == expected


def test_the_oldest_are_removed_first() -> None:
    there = [Member("young", READY, "a", NOW - 1), Member("old", READY, "a", NOW - 9)]
    assert plan(Spec(1, 0, "a"), there, now=NOW).remove == ("old",)


def test_old_age_is_another_generation() -> None:
    there = [Member("aged", READY, "a", NOW - 100), Member("young", READY, "a", NOW - 1)]
    spec = Spec(2, 0, "a", max_age=50)
    assert plan(spec, there, now=NOW).create == 1
    assert plan(spec, [*there, Member("new", READY, "a", NOW)], now=NOW).remove == ("aged",)


def test_failed_ones_are_parked_and_the_oldest_of_them_removed() -> None:
    there = members("pppf")
    actions = plan(Spec(0, 0, "a", parked=3), there, now=NOW)
    assert (actions.park, actions.remove) == (("f3",), ("p0",))
    assert plan(Spec(0, 0, "a", parked=0), there, now=NOW).remove == ("p0", "p1", "p2", "f3")


def test_failures_put_creates_off_for_longer_and_longer() -> None:
    spec = Spec(3, 0, "a", first_retry=10, longest_retry=100)
    waits = [plan(spec, (), Failures(count, NOW), NOW).not_before - NOW for count in range(1, 8)]
    assert waits == [10, 20, 40, 80, 100, 100, 100]
    assert planning.retry_seconds(spec, 10**9) == 100


def test_after_failures_one_is_tried() -> None:
    spec = Spec(3, 0, "a", first_retry=10)
    assert plan(spec, (), Failures(1, NOW - 9), NOW).create == 0
    assert plan(spec, (), Failures(1, NOW - 10), NOW).create == 1
    assert plan(spec, members("c"), Failures(1, NOW - 10), NOW).create == 0
    assert plan(spec, (), Failures(0, NOW), NOW).create == 3


def test_a_clock_that_was_set_back_makes_nothing_wait() -> None:
    assert plan(Spec(1, 0, "a"), (), Failures(5, NOW + 10**9), NOW).create == 1


def test_new_options_that_do_not_work_leave_the_old_machines() -> None:
    there, failed = members("ooo"), Failures(1, NOW - 1000)
    assert len(plan(Spec(3, 3, "a"), there, failed, NOW).remove) == 1
    actions = plan(Spec(3, 3, "a"), there[1:], failed, NOW)
    assert (actions.create, actions.remove) == (1, ())
    assert plan(Spec(3, 3, "a"), there[1:], failed.another(NOW), NOW).nothing


@given(specs, pools(), failures, st.booleans())
def test_any_plan_keeps_the_rules(
    spec: Spec,
    there: list[Member],
    failed: Failures,
    paused: bool,  # noqa: FBT001  (hypothesis gives it)
) -> None:
    actions = plan(spec, there, failed, NOW, paused=paused)
    by_key = {member.key: member for member in there}
    count = {state: sum(member.state == state for member in there) for state in STATES}
    if paused:
        assert actions.nothing
        return
    # Nobody's machine is touched, nothing twice, and nothing that is being made or removed.
    touched = [*actions.remove, *actions.park]
    assert len(set(touched)) == len(touched)
    assert {by_key[key].state for key in actions.remove} <= {READY, FAILED, PARKED}
    assert {by_key[key].state for key in actions.park} <= {FAILED}
    # Bounds.
    unclaimed = count[CREATING] + count[READY]
    if spec.maximum and actions.create:
        assert actions.create + unclaimed + count[CLAIMED] + count[RELEASING] <= spec.maximum
    fresh = [member for member in there if member.generation == spec.generation]
    assert actions.create <= max(0, spec.size - sum(member.state == CREATING for member in fresh))
    # Of the parked ones at most so many stay, and all that failed are seen to.
    removed = [by_key[key].state for key in actions.remove]
    assert count[PARKED] + count[FAILED] - removed.count(PARKED) - removed.count(FAILED) <= spec.parked
    assert removed.count(FAILED) + len(actions.park) == count[FAILED]
    # Never below the size where the maximum allows for more, and never emptied where there are several.
    target = min(spec.size, max(0, spec.maximum - count[CLAIMED])) if spec.maximum else spec.size
    left = count[READY] - removed.count(READY)
    if removed.count(READY) and left < target:
        assert spec.maximum
        assert spec.maximum - count[CLAIMED] <= target
        assert left or count[READY] == 1 or spec.one_at_a_time or failed.in_a_row
    if failed.in_a_row:
        assert actions.create <= 1
        assert actions.not_before == 0 or (actions.create == 0 and actions.not_before > NOW)
    if actions.create == 0 and not actions.nothing:
        assert actions.why or actions.park or set(removed) <= {PARKED, FAILED}


class Course:
    """A pool over time: plans are carried out, and what was begun ends in any order, well or badly."""

    def __init__(self, spec: Spec, there: list[Member], order: random.Random, outcomes: list[bool]) -> None:
        self.spec = spec
        self.pool = {member.key: member for member in there}
        self.order = order
        self.outcomes = outcomes
        self.failed = Failures()
        self.now = NOW
        self.made = 0

    def step(self) -> bool:
        """Plan, act and let one thing end; return whether there was anything."""
        actions = plan(self.spec, self.pool.values(), self.failed, self.now)
        self.act(actions)
        underway = [member for member in self.pool.values() if member.state in (CREATING, RELEASING)]
        if underway:
            self.end(self.order.choice(underway))
        self.now = max(self.now + 1, actions.not_before)
        return bool(underway or not actions.nothing or actions.not_before)

    def act(self, actions: planning.Actions) -> None:
        if self.spec.maximum and actions.create:
            busy = sum(member.state not in (PARKED, FAILED) for member in self.pool.values())
            assert busy + actions.create <= self.spec.maximum
        for keys, state in ((actions.remove, RELEASING), (actions.park, PARKED)):
            for key in keys:
                self.pool[key] = self.pool[key]._replace(state=state)
        for _ in range(actions.create):
            self.made += 1
            self.put(Member(f"new{self.made}", CREATING, self.spec.generation, self.now))

    def end(self, member: Member) -> None:
        if member.state == RELEASING:
            del self.pool[member.key]
        elif self.outcomes and not self.outcomes.pop():
            self.put(member._replace(state=FAILED))
            self.failed = self.failed.another(self.now)
        else:
            self.put(member._replace(state=READY, since=self.now))
            self.failed = Failures()

    def put(self, member: Member) -> None:
        self.pool[member.key] = member


@settings(max_examples=60)
@given(
    specs.map(lambda spec: spec._replace(max_age=0.0)),
    pools(),
    st.randoms(use_true_random=False),
    st.lists(st.booleans(), max_size=10),
)
def test_any_pool_comes_to_rest(
    spec: Spec, there: list[Member], order: random.Random, outcomes: list[bool]
) -> None:
    """Whatever succeeds and fails on the way, in whatever order: it ends at its size, of its generation."""
    course = Course(spec, there, order, outcomes)
    assert any(not course.step() for _ in range(300)), sorted(course.pool.values())
    ready = [member for member in course.pool.values() if member.state == READY]
    claimed = sum(member.state == CLAIMED for member in there)
    target = min(spec.size, max(0, spec.maximum - claimed)) if spec.maximum else spec.size
    assert len(ready) == target
    assert {member.generation for member in ready} <= {spec.generation}


def test_a_generation_is_of_what_was_asked() -> None:
    one = generation({"memory": "2g", "label": ["a=1", "b=2"], "cpus": None, "engine_opt": []})
    assert one == generation({"label": ("a=1", "b=2"), "memory": "2g"})
    assert one != generation({"label": ["b=2", "a=1"], "memory": "2g"})
    assert generation({"context": False}) != generation({})
    assert len(one) == 16


def test_a_generation_of_something_else_is_refused() -> None:
    with pytest.raises(TypeError, match="bytes"):
        generation({"key": b"secret"})
