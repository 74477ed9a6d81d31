"""Adopting: what is put in, what a failure leaves, and what somebody is asked."""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING, Any, ClassVar, cast

import lifecycle_page
import pytest
from fake_driver import FakeDriver, FakeProvisioner, World, install, without_keys
from walk import Walk, at

from dinv import drivers, provisioners
from dinv.channel import File, FileStat
from dinv.cli import main
from dinv.endpoints import contexts
from dinv.errors import DinvError, InputError, Interrupted
from dinv.images.dinv import DinvContract
from dinv.lifecycle import adopt
from dinv.lifecycle.remove import remove
from dinv.machines import Machines
from dinv.progress import Progress
from dinv.states import RUNNING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from walk import Moment

    from dinv.channel import Channel
    from dinv.store.store import Store


@pytest.mark.parametrize(
    ("container", "name"),
    [("photon", "photon"), ("/my_dind", "my-dind"), ("a__b.c", "a-b.c"), ("x" * 99, "x" * 68), ("-a-", "a")],
)
def test_a_name_is_made_of_the_containers(container: str, name: str) -> None:
    assert adopt.name_for(container) == name


def test_one_that_has_none_is_to_be_given_one() -> None:
    with pytest.raises(InputError, match="dinv adopt __ NAME"):
        adopt.name_for("__")


class Files:
    """A container's files."""

    def __init__(self, files: dict[str, tuple[bytes, int]]) -> None:
        self.files = files

    def stat(self, path: str) -> FileStat | None:
        if path not in self.files:
            return None
        return FileStat(path, is_directory=False, is_regular=True, size=len(self.files[path][0]))

    def get_archive(self, path: str) -> Any:
        packed = io.BytesIO()
        content, mode = self.files[path]
        with tarfile.open(fileobj=packed, mode="w") as tar:
            entry = tarfile.TarInfo(path.rpartition("/")[2])
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
        packed.seek(0)
        return packed


def test_what_is_replaced_is_read_first() -> None:
    files = cast(
        "Channel", Files({"/certs/key": (b"secret", 0o400), "/big": (b"x" * (1 << 20) + b"x", 0o644)})
    )
    found = adopt._read(files, "/certs/key")
    assert isinstance(found, File)
    assert (found.path, found.content, found.mode) == ("/certs/key", b"secret", 0o400)
    assert adopt._read(files, "/certs/none") is None
    assert adopt._read(files, "/big") is None


# The transaction


class Container(Files):
    """A container with a daemon of its own, which somebody else has made."""

    current: ClassVar[Container]

    def __init__(self) -> None:
        super().__init__(dict.fromkeys(DinvContract.certificate_paths, (b"their own", 0o600)))
        self.restarts = 0

    def put(self, files: Iterable[File]) -> None:
        self.files.update({file.path: (file.content, file.mode) for file in files})


class AdoptingDriver(FakeDriver):
    """Adopts it."""

    name = "docker"

    def adopt(self, container: str, progress: Progress) -> str:
        self._step("examine")
        self._settle()
        World.current.states[self.config.name] = RUNNING
        return "dinv"

    def channel(self) -> Channel:
        return cast("Channel", Container.current)


class AdoptingProvisioner(FakeProvisioner):
    """Puts its certificates in."""

    def provision(self) -> None:
        super().provision()
        Container.current.put(File(path, b"dinv's") for path in self.contract.certificate_paths)

    def activate(self, *, starting: bool = False) -> None:
        super().activate(starting=starting)
        Container.current.restarts += 1


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = install(monkeypatch, str(tmp_path / "endpoint"))
    without_keys(monkeypatch)
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)  # nothing has to outlast a power cut
    monkeypatch.setitem(drivers._BUILT_IN, "docker", f"{__name__}:AdoptingDriver")
    monkeypatch.setitem(provisioners._BUILT_IN, "docker", f"{__name__}:AdoptingProvisioner")
    Container.current = Container()
    return world


@pytest.fixture
def walk(world: World, monkeypatch: pytest.MonkeyPatch) -> Walk:
    """The steps themselves, and what of the world they come to."""
    return Walk(monkeypatch, world, adopt)


def taken(store: Store) -> None:
    adopt.adopt(store, "photon", Progress(), name="dev").close()


def moments(walk: Walk, store: Store) -> list[Moment]:
    """All that an adoption comes to, at each of which another one can fail or be killed."""
    found = walk.moments(lambda: taken(store))
    assert {f"before {step.name}" for step in adopt.STEPS} <= {label for label, _ in found}
    config = store.load("dev")
    assert (config.unfinished, config.adopting, config.step, config.context) == (False, "", "", "dev")
    assert contexts.read("dev") is not None
    assert {content for content, _ in Container.current.files.values()} == {b"dinv's"}
    remove(store, "dev")
    Container.current = Container()
    return found


@pytest.mark.parametrize("error", [DinvError("broken"), KeyboardInterrupt(), Interrupted(15)], ids=repr)
def test_what_fails_at_any_moment_leaves_the_container_its_own(
    world: World, walk: Walk, store: Store, error: BaseException
) -> None:
    for moment in moments(walk, store):
        with at(moment):
            with pytest.raises(type(error)) as caught:
                walk.fail(lambda: taken(store), moment, error)
            assert caught.value is error
            assert not getattr(error, "__notes__", ())
            assert {content for content, _ in Container.current.files.values()} == {b"their own"}
            assert os.listdir(store.machines_directory) == []
            assert contexts.read("dev") is None
            assert world.open == set()
            Container.current = Container()


def test_certificates_that_cannot_be_put_back_are_told_and_the_record_stays(
    world: World, walk: Walk, store: Store
) -> None:
    broken, failing = DinvError("broken"), ("before serve", 1)
    moments(walk, store)
    with pytest.raises(DinvError, match="broken"):
        walk.fail_twice(
            lambda: taken(store), failing, broken, ("before undo of install", 1), DinvError("gone")
        )
    said = "The container's own certificates could not be put back (gone). Try again: dinv adopt photon dev"
    assert broken.__notes__ == [said]
    assert store.load("dev").adopting == "photon"
    taken(store)
    assert not store.load("dev").unfinished


@pytest.mark.parametrize("then", ["adopt", "rm"])
def test_killed_at_any_moment_it_is_settled_as_the_page_says(
    world: World, walk: Walk, store: Store, then: str
) -> None:
    settled = {row.step: row.settled for row in lifecycle_page.rows("adopt")}
    found = moments(walk, store)
    for moment in found[: found.index(("after ready", 1))]:
        with at(moment):
            walk.kill(lambda: taken(store), moment)
            assert then in settled[walk.steps[moment]]
            if then == "adopt":
                taken(store)
                assert not store.load("dev").unfinished
            remove(store, "dev")
            assert os.listdir(store.machines_directory) == []
            assert contexts.read("dev") is None
            Container.current = Container()


# The command line


@pytest.mark.parametrize(("answer", "status", "asked"), [("n\n", 0, False), ("", 1, False), ("y\n", 0, True)])
def test_somebody_is_asked_first(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    *,
    answer: str,
    status: int,
    asked: bool,
) -> None:
    monkeypatch.setenv("MACHINE_STORAGE_PATH", str(tmp_path / "store"))
    install(monkeypatch, str(tmp_path / "endpoint"))
    monkeypatch.setenv("MACHINE_DRIVER", "fake")
    assert main(["create", "made", "-q"]) == 0
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    calls: list[tuple[str, str]] = []

    def adopt(self: Machines, container: str, name: str = "", **_: Any) -> Any:
        calls.append((container, name))
        return self.get("made")

    monkeypatch.setattr(Machines, "adopt", adopt)
    assert main(["adopt", "photon", "dev"]) == status
    said = capsys.readouterr().out
    assert "refuses its earlier clients" in said
    assert calls == ([("photon", "dev")] if asked else [])
    assert ("dinv env made" in said) == asked
