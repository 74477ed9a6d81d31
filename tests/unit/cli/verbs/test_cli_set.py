"""`dinv set` on the command line, without an endpoint."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from fake_driver import install, settings_of

from dinv.cli import main
from dinv.lifecycle.change import plan
from dinv.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from fake_driver import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> World:
    """A machine, dev, of the fake driver, with containers in it."""
    monkeypatch.setenv("MACHINE_STORAGE_PATH", str(tmp_path / "store"))
    monkeypatch.setenv("MACHINE_DRIVER", "fake")
    monkeypatch.setattr(plan, "_stops", lambda _machine, means, _options: "recreation" in means)
    world = install(monkeypatch, str(tmp_path / "endpoint"))
    assert main(["create", "dev", "-q"]) == 0
    world.settings["container-dev"] = settings_of(Store().load("dev").driver)
    capsys.readouterr()
    return world


def test_it_says_which_before_it_does_it(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["set", "--memory", "8", "--engine-label", "team=red", "dev"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == 'Machine "dev" was changed.'
    assert "memory: None -> 8" in said[0]
    assert "engine-label: + team=red" in said[1]
    assert said[2:4] == [
        "By update of dev: its container is updated; nothing stops.",
        "By reload of dev: its daemon takes it while it runs; nothing stops, no stream is cut.",
    ]
    config = Store().load("dev")
    assert (config.driver["Memory"], config.engine_options["Labels"]) == (8, ["team=red"])
    assert main(["set", "--memory", "8", "dev"]) == 0
    assert capsys.readouterr().out == 'Machine "dev" has these settings already.\n'


def test_a_dry_run_only_says(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["set", "--dry-run", "--size", "large", "dev"]) == 0
    assert (
        "By recreation of dev: it is made anew with its cache; containers in it stop"
        in capsys.readouterr().out
    )
    assert main(["set", "--dry-run", "--format", "json", "--size", "large", "--memory", "8", "dev"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(each["Option"], each["Means"]) for each in found] == [
        ("memory", "update"),
        ("size", "recreation"),
    ]
    assert found[0]["Done"] == ["recreation"]
    assert found[0]["Stops"]
    assert found[0]["Cuts"]
    assert Store().load("dev").driver["Size"] is None


@pytest.mark.parametrize(("answer", "done"), [("y\n", True), ("no\n", False)])
def test_it_asks_where_containers_stop(
    *,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: str,
    done: bool,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    assert main(["set", "--size", "large", "dev"]) == 0
    assert "Containers in dev will stop. Go on? (y/n): " in capsys.readouterr().out
    assert (Store().load("dev").driver["Size"] == "large") is done


def test_with_nobody_to_ask_it_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main(["set", "--size", "large", "dev"]) == 1
    assert "To do it without being asked: --force" in capsys.readouterr().err
    assert Store().load("dev").driver["Size"] is None
    assert main(["set", "-q", "--force", "--size", "large", "dev"]) == 0
    assert Store().load("dev").driver["Size"] == "large"


def test_flags_that_create_has_and_set_has_not(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["set", "--authority", "local", "dev"]) == 1
    assert "Make it anew with the same images: dinv rm --keep-cache NAME" in capsys.readouterr().err
    assert main(["set", "--engine-label-rm", "none", "dev"]) == 1
    assert '--engine-label-rm "none" is not one of the machine\'s' in capsys.readouterr().err


def test_variables_of_create_change_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_SIZE", "huge")
    monkeypatch.setenv("ENGINE_REGISTRY_MIRROR", "https://m")
    assert main(["set", "--memory", "8", "dev"]) == 0
    config = Store().load("dev")
    assert (config.driver["Size"], config.engine_options["RegistryMirror"]) == (None, [])
