"""`ls --filter`: alternatives within a key, all keys together, and nothing that crashes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.errors import InputError
from dinv.listing.filters import Filters
from dinv.states import ERROR, RUNNING, STOPPED, Status
from dinv.store.record import MachineConfig


def machine(
    name: str = "dev", *, driver: str = "docker", labels: object = (), discovery: object = ""
) -> MachineConfig:
    config = MachineConfig.new(name=name, store_path="/s", driver_name=driver, identity="x", created="now")
    config.engine_options["Labels"] = list(labels) if isinstance(labels, tuple) else labels
    config.swarm_options["Discovery"] = discovery
    return config


def takes(config: MachineConfig | None, *words: str, name: str = "dev", **masters: str) -> bool:
    return Filters(words).take_record(name if config is None else config.name, config, masters)


@pytest.mark.parametrize(
    ("words", "taken"),
    [
        ((), True),
        (("driver=docker",), True),
        (("DRIVER=Docker",), True),
        (("driver=none",), False),
        (("driver=none", "driver=docker"), True),
        (("driver=docker", "name=^x"), False),
        (("name=e",), True),
        (("name=^e",), False),
        (("name=^x", "Name=v$"), True),
        (("name=[[a]",), False),
        (("label=a=1",), True),
        (("label=a",), True),
        (("label=bare",), True),
        (("label=bare=",), True),
        (("label=a=2",), False),
        (("label=a=2", "label=a=1"), True),
        (("label=nosuch",), False),
        (("label=",), False),
        (("label=k=V=W",), True),
        (("swarm=boss",), False),
        (("state=Running",), True),
    ],
)
def test_records(words: tuple[str, ...], *, taken: bool) -> None:
    assert takes(machine(labels=("a=1", "bare", "k=v=w")), *words) is taken


def test_a_machine_belongs_to_the_swarm_of_its_master() -> None:
    assert takes(machine(discovery="x"), "swarm=Boss", x="boss")
    assert not takes(machine(discovery="y"), "swarm=boss", x="boss")


def test_states() -> None:
    filters = Filters(["state=running", "state=ERROR"])
    assert filters.need_state
    assert not Filters(["name=x"]).need_state
    taken = {state: filters.take_status(Status(state)) for state in (RUNNING, STOPPED, ERROR)}
    assert taken == {RUNNING: True, STOPPED: False, ERROR: True}


def test_of_a_machine_that_cannot_be_read_only_the_name_is_known() -> None:
    assert takes(None)
    assert takes(None, "name=d")
    assert not takes(None, "name=x")
    assert not takes(None, "driver=docker")
    assert not takes(None, "name=d", "label=a")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("name", "Unsupported filter syntax"),
        ("", "Unsupported filter syntax"),
        ("bogus=1", "Unsupported filter key 'bogus'"),
        ("name=(", "name=( is not a regular expression"),
        ("name=a{99999999999}", "not a regular expression"),
    ],
)
def test_what_is_no_filter(word: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        Filters([word])
    assert said in str(caught.value)


@given(
    st.lists(
        st.one_of(
            st.text(max_size=8),
            st.builds("{}={}".format, st.sampled_from(["label", "name", "driver"]), st.text(max_size=6)),
        )
    ),
    st.one_of(
        st.none(),
        st.integers(),
        st.text(),
        st.lists(st.one_of(st.text(max_size=4), st.none(), st.integers())),
    ),
    st.one_of(st.none(), st.integers(), st.lists(st.text())),
)
def test_nothing_crashes(words: list[str], labels: Any, discovery: Any) -> None:
    try:
        filters = Filters(words)
    except InputError:
        return
    assert filters.take_record("dev", machine(labels=labels, discovery=discovery), {}) in (True, False)
