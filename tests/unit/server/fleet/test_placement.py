"""Where machines go: pure functions."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.server.fleet.placement import Need, Place, obstacle, ranked, reserved

LABELS = st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy"), max_size=2)
TENTHS = st.integers(0, 40).map(lambda tenths: tenths / 10)


@st.composite
def places(draw: st.DrawFn) -> dict[str, Place]:
    """Endpoints of every kind."""
    found = {}
    for number in range(draw(st.integers(0, 5))):
        name = f"e{number}"
        found[name] = Place(
            id=name,
            name=name,
            weight=draw(st.integers(0, 3)),
            max_machines=draw(st.none() | st.integers(0, 6)),
            cpus=draw(st.none() | TENTHS),
            memory=draw(st.none() | st.integers(0, 100)),
            labels=draw(LABELS),
            is_open=draw(st.booleans()),
        )
    return found


NEEDS = st.builds(
    Need,
    cpus=TENTHS,
    memory=st.integers(0, 50),
    labels=LABELS.map(lambda labels: tuple(sorted(labels.items()))),
)


@given(places(), st.lists(NEEDS, max_size=20))
def test_nothing_is_ever_too_full(there: dict[str, Place], needs: list[Need]) -> None:
    for need in needs:
        found = ranked(there.values(), need)
        assert bool(found) is (obstacle(there.values(), need) == "")
        if found:
            there[found[0].id] = found[0].taken(need)
    for place in there.values():
        assert place.is_open or not place.machines
        assert place.weight or not place.machines
        assert place.max_machines is None or place.machines <= place.max_machines
        assert place.cpus is None or place.used_cpus <= place.cpus + 1e-6
        assert place.memory is None or place.used_memory <= place.memory


@given(places(), NEEDS)
def test_only_what_fits_is_chosen_and_the_emptiest_first(there: dict[str, Place], need: Need) -> None:
    found = ranked(there.values(), need)
    for place in found:
        assert all(place.labels.get(name) == value for name, value in need.labels)
    loads = [place.load_with(need) / place.weight for place in found]
    assert loads == sorted(loads)
    left_out = [place for place in there.values() if place not in found]
    assert not any(place.has_room(need) for place in left_out)


@given(places(), NEEDS)
def test_what_is_kept_free_could_be_used(there: dict[str, Place], need: Need) -> None:
    place = reserved(there, need)
    could = [each for each in there.values() if each.is_open and each.weight and each.could_ever(need)]
    assert (place is None) is (not could)
    if place is not None:
        assert place.load_with(need) == min(each.load_with(need) for each in could)


@pytest.mark.parametrize("bounds", [{"max_machines": 40}, {"cpus": 40.0}, {}])
def test_weights_share(bounds: dict[str, float]) -> None:
    there = {name: Place(name, name, weight, **bounds) for name, weight in (("a", 1), ("b", 3))}  # type: ignore[arg-type]
    need = Need(cpus=1.0)
    for _ in range(20):
        best = ranked(there.values(), need)[0]
        there[best.id] = best.taken(need)
    assert {name: place.machines for name, place in there.items()} == {"a": 5, "b": 15}


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (Place("a", "a", cpus=1.0), "an endpoint that is large enough"),
        (Place("a", "a", labels={"zone": "b"}), "an endpoint that is large enough"),
        (Place("a", "a", labels={"zone": "a"}, is_open=False), "an endpoint that answers"),
        (Place("a", "a", 0, labels={"zone": "a"}), "an endpoint that answers"),
        (Place("a", "a", labels={"zone": "a"}, max_machines=1, machines=1), "room on an endpoint"),
        (Place("a", "a", labels={"zone": "a"}), ""),
    ],
)
def test_those_who_wait_are_told_for_what(place: Place, said: str) -> None:
    found = obstacle([place], Need(cpus=2.0, labels=(("zone", "a"),)))
    assert found.startswith(said)
    assert bool(found) is bool(said)


def test_tenths_add_up() -> None:
    place = Place("a", "a", cpus=0.3)
    for _ in range(3):
        assert place.has_room(Need(cpus=0.1))
        place = place.taken(Need(cpus=0.1))
    assert not place.has_room(Need(cpus=0.1))
    assert not replace(place, used_cpus=0.0).has_room(Need(cpus=0.30001))
