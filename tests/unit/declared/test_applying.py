"""Files applied to a store, with machines of the fake driver: planned, carried out, failed, and killed."""

from __future__ import annotations

import concurrent.futures
import json
import os
import time
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest
from declared_world import HEAD, actions, apply, means, planned
from fake_driver import World
from forks import forking

from dinv.cli import main
from dinv.declared import carrying, pooled
from dinv.declared.changes import CHANGE, CREATE, FAIL, NOTHING, REMOVE, REPLACE
from dinv.declared.kinds import fleet
from dinv.declared.planning import order
from dinv.declared.reading import read
from dinv.declared.wanted import of
from dinv.drivers.alteration import RECREATION, RELOAD
from dinv.errors import DeclarationError, DinvError, MachineError
from dinv.machines import Machines
from dinv.progress import Progress
from dinv.registries.cache_store import CacheStore
from dinv.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


ONE = "machines:\n  dev: {size: small, engine-label: {team: red}, cache-mark: [a]}\n"


def test_it_is_made_once_and_then_stays(machines: Machines, world: World) -> None:
    assert apply(machines, ONE) == [(CREATE, "dev", "")]
    config = Store().load("dev")
    assert config.driver["Size"] == "small"
    assert config.engine_options["Labels"] == ["team=red"]
    assert config.applied["File"] == "shop"
    assert config.applied["Options"] == {
        "size": "small", "engine_label": ["team=red"], "cache_mark": ["a"],
    }  # fmt: skip
    world.steps = []
    assert apply(machines, ONE) == [(NOTHING, "dev", "")]
    assert set(world.steps) <= {"state", "check options"}


def test_what_can_be_changed_in_place_is(machines: Machines, world: World) -> None:
    apply(machines, ONE)
    text = "machines:\n  dev: {size: small, engine-label: {team: blue, site: x}, cache-mark: [a]}\n"
    (change,) = planned(machines, text)
    assert (change.action, means(change), change.stops) == (CHANGE, {"engine-label": RELOAD}, False)
    assert apply(machines, text) == [(CHANGE, "dev", "")]
    assert Store().load("dev").engine_options["Labels"] == ["team=blue", "site=x"]
    assert actions(planned(machines, text)) == {"dev": NOTHING}
    assert "reload" in world.steps
    assert "remove" not in world.steps


def test_what_the_file_says_no_more_is_taken_back(machines: Machines) -> None:
    apply(machines, "machines:\n  dev: {engine-label: {team: red, site: x}, engine-opt: [mtu=1400]}\n")
    with machines.get("dev") as machine:
        machine.change(engine_label=["by=hand"])
    text = "machines:\n  dev: {engine-label: {site: x}}\n"
    (change,) = planned(machines, text)
    said = {each.option: each.said for each in change.differences}
    assert said == {"engine-label": "- team=red", "engine-opt": "- mtu=1400"}
    assert apply(machines, text) == [(CHANGE, "dev", "")]
    options = Store().load("dev").engine_options
    assert (options["Labels"], options["ArbitraryFlags"]) == (["site=x", "by=hand"], [])


def test_what_was_changed_by_hand_is_changed_back(machines: Machines) -> None:
    apply(machines, ONE)
    with machines.get("dev") as machine:
        machine.change(size="large", engine_label=["team=green"], force=True)
    (change,) = planned(machines, ONE)
    assert change.stops
    assert means(change) == {"size": RECREATION, "engine-label": RELOAD}
    assert apply(machines, ONE) == [(CHANGE, "dev", "")]
    assert Store().load("dev").driver["Size"] == "small"


def test_what_was_taken_away_by_hand_already_is_no_error(machines: Machines) -> None:
    apply(machines, ONE)
    with machines.get("dev") as machine:
        machine.change(engine_label_rm=["team"])
    text = "machines:\n  dev: {size: small, cache-mark: [a]}\n"
    assert actions(planned(machines, text)) == {"dev": NOTHING}
    assert apply(machines, text) == [(NOTHING, "dev", "")]
    assert "engine_label" not in Store().load("dev").applied["Options"]


def test_what_cannot_be_changed_takes_a_new_machine(machines: Machines, world: World) -> None:
    apply(machines, ONE)
    before = Store().load("dev").identity
    text = ONE.replace("[a]", "[b]")
    (change,) = planned(machines, text)
    assert (change.action, change.loses) == (REPLACE, True)
    assert means(change) == {"cache-mark": "replacement"}
    assert apply(machines, text) == [(REPLACE, "dev", "")]
    config = Store().load("dev")
    assert config.identity != before
    assert config.driver["Marks"] == ["b"]
    assert set(world.things().values()) == {config.identity}


def test_options_of_the_create_alone_are_no_difference(machines: Machines) -> None:
    apply(machines, ONE)
    assert actions(planned(machines, ONE.replace("size:", "timeout: 30, context: false, size:"))) == {
        "dev": NOTHING,
    }


def test_what_others_have_made_is_not_touched(machines: Machines) -> None:
    machines.create("dev", size="large").close()
    with pytest.raises(DeclarationError) as caught:
        planned(machines, ONE)
    assert str(caught.value).startswith(
        "line 4, column 3: machines.dev is there already, and it was not made by a file. Choose"
    )
    apply(machines, "machines: {other: {}}")
    with pytest.raises(
        DeclarationError, match=r'machines\.other is there already, and the file "shop" has made'
    ):
        planned(machines, "machines: {other: {}}", head="apiVersion: dinv/v1\nname: another\n")
    assert [change.name for change in planned(machines, "", prune=True)] == ["other"]


@pytest.mark.parametrize(("kind", "make"), [("machines", Store), ("caches", CacheStore)])
def test_what_another_apply_is_just_making_is_not_somebody_elses(
    machines: Machines, kind: str, make: type[Store | CacheStore]
) -> None:
    text = f"{kind}: {{dev: {{}}}}\n"
    with make(machines.path).claim("dev", "creating it"):
        (change,) = planned(machines, text)
    assert (change.action, change.error) == ("create", None)
    assert "another dinv is at work on it (creating it" in change.notes[0]
    os.makedirs(make(machines.path).directory("dev"), exist_ok=True)
    (change,) = planned(machines, text)
    assert (change.action, change.notes) == ("create", []), "killed before there was a record"


def test_it_is_taken_over_where_that_is_said(machines: Machines) -> None:
    machines.create("dev", size="large").close()
    (change,) = planned(machines, ONE, take_over=True)
    assert (change.action, change.stops) == (CHANGE, True)
    assert change.notes == ["is taken as it is: cache-mark cannot be compared"]
    assert apply(machines, ONE, take_over=True) == [(CHANGE, "dev", "")]
    config = Store().load("dev")
    assert (config.driver["Size"], config.applied["File"]) == ("small", "shop")
    assert actions(planned(machines, ONE)) == {"dev": NOTHING}


def test_only_what_the_file_has_made_is_pruned_and_only_if_asked(machines: Machines) -> None:
    machines.create("hand").close()
    apply(machines, "machines: {a: , b: }")
    assert apply(machines, "machines: {a: }") == [(NOTHING, "a", "")]
    assert apply(machines, "machines: {a: }", prune=True) == [(NOTHING, "a", ""), (REMOVE, "b", "")]
    assert Store().names() == ["a", "hand"]
    document = read(HEAD, kinds=[fleet()], variables={})
    done = machines.declared.apply(machines.declared.removal([document]))
    assert [(each.change.name, each.error) for each in done] == [("a", None)]
    assert Store().names() == ["hand"]


def _made_again(machines: Machines) -> None:
    Machines().remove("dev")
    machines.create("dev").close()


def _taken_over(machines: Machines) -> None:
    other = read(HEAD.replace("shop", "office") + ONE, kinds=[fleet(os.environ)], variables=os.environ)
    done = machines.declared.apply(machines.declared.plan([other], take_over=True))
    assert [each.error for each in done] == [None]


@pytest.mark.parametrize("meanwhile", [_made_again, _taken_over])
@pytest.mark.parametrize("text", [ONE.replace("[a]", "[b]"), "machines: {}\n"])
def test_only_the_machine_that_was_planned_for_is_removed(
    machines: Machines, text: str, meanwhile: Callable[[Machines], None]
) -> None:
    """Between the plan and its "y" anything can have become of the name."""
    apply(machines, ONE)
    changes = planned(machines, text, prune=True)
    assert [change.action for change in changes] in ([REPLACE], [REMOVE])
    meanwhile(machines)
    before = Store().load("dev").identity
    (done,) = machines.declared.apply(changes)
    assert "Begin again" in str(done.error)
    assert Store().load("dev").identity == before


def test_what_is_gone_by_then_is_removed_or_made(machines: Machines) -> None:
    apply(machines, ONE + "pools:\n  ci: {size: 0}\n")
    removed = planned(machines, "machines: {}\n", prune=True)
    replaced = planned(machines, ONE.replace("[a]", "[b]"))
    assert sorted(change.action for change in [*removed, *replaced]) == [REMOVE, REMOVE, REPLACE]
    Machines().remove("dev")
    Machines().pools.remove("ci")
    assert [each.error for each in machines.declared.apply(removed)] == [None, None]
    assert [each.error for each in machines.declared.apply(replaced)] == [None]
    assert Store().load("dev").driver["Marks"] == ["b"]


def test_one_that_fails_stops_no_other_but_those_that_need_it(machines: Machines, world: World) -> None:
    failing = {"check": 1}

    def fail(step: str) -> None:
        if failing.get(step):
            failing[step] -= 1
            raise MachineError("a", "it does not work")

    world.at = fail
    machines_of = "machines:\n  a: \n  b: {endpoint: a}\n  c: \n"
    monkey = read(HEAD + machines_of.replace("{endpoint: a}", ""), kinds=[fleet(os.environ)], variables={})
    declared = machines.declared
    declared.parallel = 1
    done = declared.apply(declared.plan([monkey]))
    assert [type(each.error).__name__ for each in done] == ["MachineError", "NoneType", "NoneType"]
    world.at = lambda _step: None
    assert apply(machines, "machines: {a: , b: , c: }") == [
        (CREATE, "a", ""), (NOTHING, "b", ""), (NOTHING, "c", ""),
    ]  # fmt: skip


def test_what_needs_what(tmp_path: Path) -> None:
    text = (
        "caches: {hub: {}}\n"
        "machines:\n"
        "  w1: {driver: docker, provisioner: swarm, join: m, registry-cache: hub}\n"
        "  w2: {driver: docker, provisioner: swarm, join: m}\n"
        "  m: {driver: docker, provisioner: swarm, join: elsewhere}\n"
    )
    found = of([read(HEAD + text, kinds=[fleet()], variables={})], str(tmp_path))
    needs = {name: {other for _, other in others} for (_, name), others in order(found).items()}
    assert needs == {"hub": set(), "w1": {"hub", "m"}, "w2": {"m", "w1"}, "m": set()}


def test_circles_end(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    from dinv.declared import carrying

    def each_other(_wanted: object) -> dict[tuple[str, str], set[tuple[str, str]]]:
        return {("machine", "a"): {("machine", "b")}, ("machine", "b"): {("machine", "a")}}

    monkeypatch.setattr(carrying, "order", each_other)
    assert apply(machines, "machines: {a: , b: }") == [(CREATE, "a", "DinvError"), (CREATE, "b", "DinvError")]


def test_an_endpoint_that_does_not_answer_is_told_of_its_machine(machines: Machines, world: World) -> None:
    apply(machines, "machines: {a: {size: s}, b: {size: s}}")

    def fail(step: str) -> None:
        if step == "state":
            world.at = lambda _step: None
            raise MachineError("a", "nobody answers")

    world.at = fail
    declared = machines.declared
    declared.parallel = 1
    changes = declared.plan([read(HEAD + "machines: {a: {size: s}, b: {size: t}}", kinds=[fleet(os.environ)],
                                  variables={})])  # fmt: skip
    assert actions(changes) == {"a": FAIL, "b": CHANGE}
    done = declared.apply(changes)
    assert [str(each.error or "") for each in done] == ["nobody answers", ""]


BEFORE = "machines:\n  a: {engine-label: {x: 1}}\n  b: {cache-mark: [a]}\n  d: {}\n"
AFTER = "machines:\n  a: {engine-label: {x: 2}}\n  b: {cache-mark: [b]}\n  c: {size: s}\n"


def test_killed_anywhere_the_next_goes_on(
    machines: Machines, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each step of the endpoint's, in a process that is gone: afterwards all is as the file says."""
    number, reached = 0, True
    while reached:
        store = tmp_path / f"store{number}"
        monkeypatch.setenv("MACHINE_STORAGE_PATH", str(store))
        World.current = world = World(str(tmp_path / f"endpoint{number}"))
        world.settings = defaultdict(dict)
        here = Machines()
        apply(here, BEFORE)
        reached = killed_at_step(here, world, number)
        done = apply(here, AFTER, prune=True)
        assert [error for _, _, error in done if error] == [], number
        assert actions(planned(here, AFTER, prune=True)) == dict.fromkeys("abc", NOTHING), number
        loaded = {name: Store().load(name) for name in Store().names()}
        assert sorted(loaded) == ["a", "b", "c"]
        things = {f"{kind}-{name}": config.identity for name, config in loaded.items()
                  for kind in ("container", "volume")}  # fmt: skip
        assert world.things() == things, number
        assert loaded["a"].engine_options["Labels"] == ["x=2"]
        assert loaded["b"].driver["Marks"] == ["b"]
        number += 3
    assert number > 27


def killed_at_step(machines: Machines, world: World, number: int) -> bool:
    """Apply in a process that is killed at this step; return whether it came to it."""
    with forking():
        child = os.fork()
    if not child:
        try:
            left = [number]

            def count(_step: str) -> None:
                left[0] -= 1
                if left[0] < 0:
                    os._exit(77)

            world.at = count
            machines.declared.apply(planned(machines, AFTER, prune=True))
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, 77)
    # The fake endpoint's states are in memory, those of the process that is gone with it.
    for name in ("a", "b", "c", "d"):
        if f"container-{name}" in world.things():
            world.states.setdefault(name, "Running")
    return code == 77


def test_two_files_are_one_where_they_have_one_name(machines: Machines) -> None:
    documents = [
        read(HEAD + f"machines: {{{name}: }}", kinds=[fleet(os.environ)], variables={}) for name in "ab"
    ]
    declared = machines.declared
    declared.apply(declared.plan(documents, prune=True))
    assert Store().names() == ["a", "b"]
    with pytest.raises(DeclarationError, match=r"machines\.a stands in shop as well"):
        declared.plan([documents[0], documents[0]])


# On the command line


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: World) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "dinv.yaml"
    path.write_text(HEAD + ONE)
    return path


def test_diff_has_the_exit_status_of_kubectls(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff"]) == 1
    assert capsys.readouterr().out == "+   machine dev is created\n1 to create\n"
    assert main(["apply", "-q"]) == 0
    assert main(["diff"]) == 0
    assert capsys.readouterr().out == "Everything is as the files say.\n"
    file.write_text(HEAD + ONE.replace("red", "blue"))
    assert main(["diff", "--format", "json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert found["Differences"] == [
        {"Option": "engine-label", "Before": ["team=red"], "After": ["team=blue"], "Means": "reload"}
    ]
    file.write_text(HEAD + "machines: [")
    assert main(["diff"]) == 2
    assert main(["diff", "-f", "gone.yaml"]) == 2
    assert main(["diff", "--bogus"]) == 2
    assert "dinv.yaml, line 3" in capsys.readouterr().err


def test_where_no_file_is_named_and_none_is_there(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.unlink()
    assert main(["diff"]) == 2
    assert "There is no dinv.yaml here. Name a file: --file FILE" in capsys.readouterr().err


def test_apply_asks_before_something_is_lost(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["apply"]) == 0
    assert 'Machine "dev" was created.' in capsys.readouterr().out
    before = Store().load("dev").identity
    file.write_text(HEAD + ONE.replace("[a]", "[b]"))
    answers = iter(["n", "y"])
    questions: list[str] = []

    def answer(question: str) -> str:
        questions.append(question)
        return next(answers)

    monkeypatch.setattr("builtins.input", answer)
    assert main(["apply"]) == 0
    assert Store().load("dev").identity == before
    said = capsys.readouterr().out
    assert "-/+ machine dev is made anew: what is in it is gone" in said
    assert questions == ["What is in dev will be gone. Go on? (y/n): "]
    assert main(["apply", "--dry-run"]) == 0
    assert main(["apply"]) == 0
    assert Store().load("dev").identity != before
    file.write_text(HEAD)
    capsys.readouterr()
    assert main(["apply", "--prune", "-y", "--format", "json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["Kind"], found["Name"], found["Action"]) == ("machine", "dev", "remove")
    assert Store().names() == []


def test_delete_removes_what_the_file_has_made(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["create", "hand", "-q"])
    main(["apply", "-q"])
    assert main(["delete", "-y"]) == 0
    assert 'Machine "dev" was removed.' in capsys.readouterr().out
    assert Store().names() == ["hand"]
    assert main(["delete", "-y"]) == 0
    assert "There is nothing that shop has made." in capsys.readouterr().out


def test_config_prints_the_canonical_form(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIZE", "x$y")
    file.write_text(
        HEAD + 'defaults: {size: "${SIZE}", engine-env: {TOKEN: s3cr3t}}\n'
        "machines: {dev: {engine-label: [a=b]}, b: }\n"
    )
    assert main(["config", "-f", "dinv.yaml"]) == 0
    canonical = capsys.readouterr().out
    assert "s3cr3t" not in canonical
    assert "size: x$$y" in canonical
    file.write_text(canonical)
    monkeypatch.setenv("TOKEN", "s3cr3t")
    assert main(["config", "-f", "dinv.yaml"]) == 0
    assert capsys.readouterr().out == canonical
    assert main(["config", "-f", "dinv.yaml", "dev"]) == 1


def test_the_schema_is_printed(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["apply", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out)["$id"] == "urn:dinv:schema:v1:fleet"


def test_without_pyyaml_it_is_said_what_to_install(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    for name in list(sys.modules):
        if name.startswith(("dinv.declared", "dinv.formats.strict_yaml")) or name == "yaml":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert main(["apply"]) == 1
    assert "PyYAML, which is not installed. Install it" in capsys.readouterr().err


def test_secrets_are_neither_shown_nor_recorded(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSWORD", "s3cr3t")
    text = 'machines: {dev: {engine-env: {PROXY: "${PASSWORD}"}}}\n'
    file.write_text(HEAD + text)
    assert main(["apply", "-y"]) == 0
    monkeypatch.setenv("PASSWORD", "an0ther")
    assert main(["diff"]) == 1
    assert main(["diff", "--format", "json"]) == 1
    said = capsys.readouterr()
    assert "s3cr3t" not in said.out + said.err
    assert "an0ther" not in said.out + said.err
    assert Store().load("dev").applied["Options"] == {"engine_env": ["PROXY"]}


def test_a_pool_is_made_changed_and_removed(machines: Machines, world: World) -> None:
    text = "defaults: {context: false}\npools:\n  ci: {size: 2, max: 5, cache-mark: [a]}\n"
    assert apply(machines, text) == [(CREATE, "ci", "")]
    status = machines.pools.get("ci")
    assert (status.ready, status.pool.maximum) == (2, 5)
    assert actions(planned(machines, text)) == {"ci": NOTHING}

    more = text.replace("size: 2", "size: 3").replace("[a]", "[b]")
    (change,) = planned(machines, more)
    assert {each.option: each.said for each in change.differences} == {
        "size": "2 -> 3",
        "cache-mark": "a -> b",
    }
    assert apply(machines, more) == [(CHANGE, "ci", "")]
    status = machines.pools.get("ci")
    assert (status.ready, status.stale) == (3, 0)

    plain = "pools: {ci: }"
    (change,) = planned(machines, plain)
    assert {each.option for each in change.differences} == {"size", "max", "cache-mark"}
    assert apply(machines, plain) == [(CHANGE, "ci", "")]
    assert "cache_mark" not in machines.pools.get("ci").pool.options

    with pytest.raises(DeclarationError, match=r"pools\.ci is there already"):
        planned(machines, plain, head="apiVersion: dinv/v1\nname: another\n")
    assert apply(machines, "", prune=True) == [(REMOVE, "ci", "")]
    assert machines.pools.names() == []


def test_the_endpoint_of_a_pool_is_compared_by_the_words_of_the_file(machines: Machines) -> None:
    """The pool has recorded what they meant when it was made."""
    text = "pools:\n  ci: {driver: docker, size: 0, endpoint: 'one:2375'}\n"
    assert apply(machines, text) == [(CREATE, "ci", "")]
    assert machines.pools.get("ci").pool.options["endpoint"] == "tcp://one:2375"
    assert apply(machines, text) == [(NOTHING, "ci", "")]
    assert apply(machines, text.replace("size: 0", "size: 0, memory: 1g")) == [(CHANGE, "ci", "")]
    assert machines.pools.get("ci").pool.options["endpoint"] == "tcp://one:2375"
    (change,) = planned(machines, text.replace("one", "two"))
    assert means(change) == {"endpoint": pooled.REPLACED, "memory": pooled.REPLACED}
    assert apply(machines, text.replace("one", "two")) == [(CHANGE, "ci", "")]
    assert machines.pools.get("ci").pool.options["endpoint"] == "tcp://two:2375"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("size: 3, max: 2", "cannot have at most 2"),
        ("size: 2000", "is not a whole number from 0 to 1000"),
        ("parallel: 0", "is not a whole number from 1 to 64"),
        ("max-age: 5s", "is less than a minute"),
    ],
)
def test_numbers_that_a_pool_cannot_have_are_told_before(
    machines: Machines, world: World, options: str, said: str
) -> None:
    (change,) = planned(machines, f"pools:\n  ci: {{{options}}}\n")
    assert (change.action, said in str(change.error)) == (FAIL, True)
    assert world.steps == []


def test_what_is_wrong_with_a_pool_has_its_place(machines: Machines) -> None:
    with pytest.raises(DeclarationError, match=r'line 4, column 8: pools\.ci has no key "sise"'):
        planned(machines, "pools:\n  ci: {sise: 3}\n")
    with pytest.raises(
        DeclarationError, match=r"pools\.ci\.size = '3' is not|is a text, and has to be a number"
    ):
        planned(machines, 'pools:\n  ci: {size: "3"}\n')


def test_a_cache_that_is_to_come_does_not_keep_a_machine_from_being_compared(machines: Machines) -> None:
    apply(machines, "machines: {dev: {size: s}}")
    changes = planned(machines, "caches: {hub: {}}\nmachines: {dev: {size: s, registry-cache: hub}}")
    assert actions(changes) == {"hub": CREATE, "dev": CHANGE}
    assert means(changes[1]) == {"registry-cache": RELOAD}
    (change,) = planned(machines, "machines: {dev: {size: s, registry-cache: hub}}")
    assert change.action == FAIL
    assert 'no registry cache "hub"' in str(change.error)


def test_certificates_are_made_for_more_names_and_not_for_fewer(machines: Machines) -> None:
    apply(machines, "machines: {dev: {tls-san: [a.example]}}")
    (change,) = planned(machines, "machines: {dev: {tls-san: [a.example, b.example], cert-lifetime: 30d}}")
    assert (change.action, means(change)) == (
        CHANGE, {"tls-san": "new certificates", "cert-lifetime": "new certificates"},
    )  # fmt: skip
    assert change.certificates == {"tls_sans": ["a.example", "b.example"], "cert_lifetime": 30 * 86400}
    (change,) = planned(machines, "machines: {dev: }")
    assert change.action == NOTHING
    assert change.notes == ["tls-san stays as it was: it goes with a machine made anew"]


def test_another_image_is_an_upgrade(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    from fake_driver import FakeDriver

    from dinv.declared import carrying
    from dinv.drivers import Flag

    flags = FakeDriver.create_flags()
    monkeypatch.setattr(FakeDriver, "create_flags", lambda: (*flags, Flag("image", "", "the image")))
    upgraded = []
    monkeypatch.setattr(
        carrying, "upgrade", lambda _store, name, _progress, **more: upgraded.append((name, more))
    )
    apply(machines, "machines: {dev: {image: a}}")
    (change,) = planned(machines, "machines: {dev: {image: b}}")
    assert (change.action, change.image, change.stops) == (CHANGE, "b", True)
    assert apply(machines, "machines: {dev: {image: b}}") == [(CHANGE, "dev", "")]
    assert [(name, more["image"]) for name, more in upgraded] == [("dev", "b")]
    assert actions(planned(machines, "machines: {dev: {image: b}}")) == {"dev": NOTHING}


@pytest.mark.parametrize("parallel", [1, 2])
def test_an_interruption_says_what_was_done_and_what_was_not(
    machines: Machines, world: World, monkeypatch: pytest.MonkeyPatch, parallel: int
) -> None:
    told: list[str] = []

    class Told(Progress):
        def warn(self, text: str) -> None:
            told.append(text)

    def interrupted(*_arguments: object, **_options: object) -> object:
        monkeypatch.setattr(carrying, "wait", concurrent.futures.wait)
        raise KeyboardInterrupt

    declared = machines.declared
    declared.parallel = parallel
    changes = planned(machines, "machines: {m1: , m2: , m3: , m4: }")

    def slow(step: str) -> None:
        if step == "check":
            time.sleep(0.05)

    world.at = slow
    monkeypatch.setattr(carrying, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        declared.apply(changes, progress=lambda _name: Told())
    names = ["m1", "m2", "m3", "m4"]
    made, left = names[:parallel], names[parallel:]
    assert told == ["Finishing what is under way. Once more to break it off"]
    assert caught.value.__notes__ == [
        "Done: " + ", ".join(f"machine {name}" for name in made),
        "Not begun: " + ", ".join(f"machine {name}" for name in left),
        "The same command goes on where this one has ended.",
    ]
    assert Store().names() == made
    removal = declared.removal([read(HEAD + "machines: {}\n", kinds=[fleet(os.environ)], variables={})])
    monkeypatch.setattr(carrying, "remove", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        declared.apply(removal, progress=lambda _name: Told())
    assert caught.value.__notes__[0].startswith("Broken off: machine m1")
    assert len(told) == 2


def test_an_error_that_names_no_machine_is_told_with_it(
    world: World, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(step: str) -> None:
        if step == "check":
            raise DinvError("There is no such image")

    def fail_to_tell(step: str) -> None:
        if step == "state":
            raise DinvError("Nobody answers")

    world.at = fail
    file.write_text(HEAD + "machines: {m1: , m2: }\n")
    assert main(["apply"]) == 1
    err = capsys.readouterr().err
    assert "machine m1: There is no such image" in err
    assert "machine m2: There is no such image" in err
    world.at = lambda _step: None
    assert main(["apply"]) == 0
    lines = capsys.readouterr().out.splitlines()
    begun = sorted(line.split()[1] for line in lines if line.startswith("Certificates"))
    assert begun == ["m1:", "m2:"]
    world.at = fail_to_tell
    file.write_text(HEAD + "machines: {m1: {size: s}, m2: {size: s}}\n")
    assert main(["diff"]) == 2
    shown = capsys.readouterr()
    assert shown.out.splitlines()[-1] == "2 cannot be compared"
    assert "machine m1: Nobody answers" in shown.err
    world.at = lambda _step: None
    file.write_text(HEAD + "pools: {ci: {size: 1}}\n")
    assert main(["apply"]) == 0
    assert "Pool         ci: ci-" in capsys.readouterr().out


def test_an_empty_word_for_the_endpoint_of_a_pool_is_none(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `${TEAM_ENDPOINT:-}` is where the variable is not set: it was found when the pool was made."""
    text = "pools:\n  ci: {driver: docker, size: 0, endpoint: '%s'}\n"
    monkeypatch.setenv("DOCKER_HOST", "tcp://one:2375")
    assert apply(machines, text % "") == [(CREATE, "ci", "")]
    assert machines.pools.get("ci").pool.options["endpoint"] == "tcp://one:2375"
    assert apply(machines, text % "") == [(NOTHING, "ci", "")]
    assert apply(machines, text % "two:2375") == [(CHANGE, "ci", "")]
    assert machines.pools.get("ci").pool.options["endpoint"] == "tcp://two:2375"
