"""The create transaction: a machine at its end, or nothing; whatever happens, at whatever step."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import lifecycle_page
import pytest
from fake_driver import FakeDriver, FakeProvisioner, install, without_keys
from shared_ca import shared_options
from walk import Walk, at

from dinv.endpoints import contexts
from dinv.errors import (
    CacheError,
    CacheNotFound,
    CertificateError,
    ContextTaken,
    EndpointUnreachable,
    InputError,
    Interrupted,
    MachineBusy,
    MachineDied,
    MachineExists,
    PreCreateCheckFailed,
)
from dinv.lifecycle import create as create_module
from dinv.lifecycle.create import STEPS, CreateOptions, create
from dinv.lifecycle.create.addresses import ADDRESSES_TO_TRY
from dinv.lifecycle.host import certificates, context
from dinv.lifecycle.provision import provision
from dinv.lifecycle.remove import remove
from dinv.progress import Progress
from dinv.registries.cache_record import REMOVING, CacheRecord, Registry
from dinv.registries.cache_store import CacheStore
from dinv.states import STOPPED
from dinv.store.record import READY
from dinv.store.store import Store
from dinv.timeouts import SERVE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

    from fake_driver import World
    from walk import Moment

    from dinv.lifecycle.host import Host

KNOWN = [
    "configure",
    "check",
    "save",
    "saved",
    "prepare",
    "certificates",
    "create volume",
    "create container",
    "created",
    "save",
    "saved",
    "provision",
    "start",
    "refresh",
    "health",
    "context",
    "context written",
    "save",
    "saved",
]
"""What a create whose address is known before the start comes to, in this order."""

FIRST = [
    *KNOWN[: KNOWN.index("created") + 1],
    "start",
    "save",
    "saved",
    "provision",
    *KNOWN[KNOWN.index("refresh") :],
]
"""Where it is started while its certificates are being made."""

UNKNOWN = [
    *KNOWN[: KNOWN.index("provision")],
    "start",
    "refresh",
    "certificates",
    "provision",
    *KNOWN[KNOWN.index("health") :],
]

KINDS = ["published", "own-address", "started-first", "in-cluster"]
ERRORS: list[BaseException] = [
    MachineDied("dev", 1, ["x"]),
    KeyboardInterrupt(),
    Interrupted(15),
    OSError(5, "I/O"),
]


@pytest.fixture
def world(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> World:
    """What no driver does is a step too. No keys are made, and nothing has to outlast a power cut."""
    world = install(monkeypatch, str(tmp_path / "endpoint"))
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    without_keys(monkeypatch)

    def stepped(owner: type | ModuleType, method: str, before: str, after: str = "") -> None:
        real: Callable[..., Any] = getattr(owner, method)

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            world.step(before)
            result = real(*args, **kwargs)
            if after:
                world.step(after)
            return result

        monkeypatch.setattr(owner, method, wrapper)

    stepped(Store, "save", "save", "saved")
    stepped(certificates, "issue", "certificates")
    stepped(context, "put", "context", "context written")
    return world


@pytest.fixture
def walk(world: World, monkeypatch: pytest.MonkeyPatch) -> Walk:
    """The steps themselves, and what of the world they come to."""
    return Walk(monkeypatch, world, create_module)


def kind_of(world: World, known: str) -> None:
    """Whether the address is known before the start, whether that waits for certificates, and a cluster."""
    world.address_known = known != "own-address"
    world.takes_files_running = known == "started-first"
    world.members = {} if known == "in-cluster" else None


def options(**changes: Any) -> CreateOptions:
    return CreateOptions(driver="fake", **changes)


def make(store: Store, **changes: Any) -> Host:
    return create(store, "dev", options(**changes), Progress())


def moments(walk: Walk, store: Store) -> list[Moment]:
    """All that a create comes to, at each of which another one can fail or be killed."""
    found = walk.moments(lambda: make(store).close())
    remove(store, "dev")
    assert {f"before {step.name}" for step in STEPS if step.when is None} <= {label for label, _ in found}
    return found


def fail(walk: Walk, store: Store, at: Moment, error: BaseException, **changes: Any) -> list[str]:
    """Raise `error` at this moment of a create, once; returns the notes that it has got."""
    with pytest.raises(type(error)) as caught:
        walk.fail(lambda: make(store, **changes).close(), at, error)
    assert caught.value is error
    notes = list(getattr(error, "__notes__", ()))
    vars(error).pop("__notes__", None)
    return notes


def after(found: list[Moment], step: str) -> list[Moment]:
    """The moments after a step that is none beside others, up to the last."""
    return found[found.index((f"after {step}", 1)) :]


def nothing_left(world: World, store: Store) -> None:
    assert world.things() == {}
    assert store.names() == []
    assert os.listdir(store.machines_directory) == []
    assert contexts.read("dev") is None


def whole(world: World, store: Store) -> None:
    config = store.load("dev")
    assert config.ours["Phase"] == READY
    things = ("container-dev", "volume-dev", *(["member-dev"] if world.members is not None else []))
    assert world.things() == dict.fromkeys(things, config.identity)
    context = contexts.read("dev")
    assert context is not None
    assert context.owner == config.identity
    assert context.host == config.driver["URL"]


def but_certificates(steps: list[str]) -> list[str]:
    """They are made while the image is fetched: their step may come a little earlier or later."""
    return [step for step in steps if step != "certificates"]


# At its end


def test_a_create_goes_step_by_step(world: World, store: Store) -> None:
    with make(store) as machine:
        assert but_certificates(world.steps) == but_certificates(KNOWN)
        assert world.steps.index("saved") < world.steps.index("certificates") < world.steps.index("provision")
        assert machine.config.ours["DockerVersion"] == "26.1.5"
        assert machine.has_context
    whole(world, store)
    assert world.open == set()


def test_a_machine_whose_address_comes_with_the_start_waits_for_its_certificates(
    world: World, store: Store
) -> None:
    world.address_known = False
    make(store, timeout=33).close()
    assert but_certificates(world.steps) == but_certificates(UNKNOWN)
    assert world.steps.index("refresh") < len(world.steps) - world.steps[::-1].index("certificates")
    config = store.load("dev")
    assert config.driver["URL"] == "tcp://10.0.0.9:1000"
    assert config.driver["Environment"] == {"DINV_WAIT_FOR_CERTS": "33"}


def test_a_machine_whose_address_is_known_does_not_wait(world: World, store: Store) -> None:
    make(store).close()
    assert store.load("dev").driver["Environment"] == {}


def test_where_files_can_be_put_into_it_running_it_starts_while_certificates_are_made(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.takes_files_running = True
    started = threading.Event()
    real = certificates.issue

    def after_the_start(machine: Host, progress: Progress | None = None) -> None:
        assert started.wait(20)
        real(machine, progress=progress)

    monkeypatch.setattr(certificates, "issue", after_the_start)
    world.at = lambda step: started.set() if step == "start" else None
    make(store, timeout=33).close()
    assert but_certificates(world.steps) == but_certificates(FIRST)
    assert store.load("dev").driver["Environment"] == {"DINV_WAIT_FOR_CERTS": "33"}
    whole(world, store)


@pytest.mark.parametrize(("status", "expected"), [(None, EndpointUnreachable), (2, MachineDied)])
def test_a_machine_that_ends_before_it_has_its_certificates_is_said_to_have_ended(
    world: World,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    status: int | None,
    expected: type[Exception],
) -> None:
    """What an endpoint says of files for one that has ended tells nobody why."""
    kind_of(world, "started-first")

    def stopped(_provisioner: FakeProvisioner) -> None:
        raise EndpointUnreachable("unix:///fake", "it has been stopped")

    monkeypatch.setattr(FakeProvisioner, "provision", stopped)
    monkeypatch.setattr(FakeDriver, "ended", lambda _driver: status)
    with pytest.raises(expected):
        make(store)
    nothing_left(world, store)


def test_an_image_that_cannot_wait_has_its_certificates_before_the_start(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.takes_files_running = True
    monkeypatch.setattr("dinv.images.dinv.DinvContract.waits_for_certificates", False)
    make(store).close()
    assert but_certificates(world.steps) == but_certificates(KNOWN)


def test_options_are_kept_in_the_record(world: World, store: Store) -> None:
    make(
        store,
        driver_values={"size": "3"},
        provisioner_values={"engine_label": ("a=b",)},
        tls_sans=iter(["dev.test"]),
    ).close()
    config = store.load("dev")
    assert config.driver["Size"] == "3"
    assert config.engine_options["Labels"] == ["a=b"]
    assert config.auth_options["ServerCertSANs"] == ["dev.test"]


def test_without_a_context_none_is_written(world: World, store: Store) -> None:
    machine = make(store, context=False)
    machine.close()
    assert contexts.read("dev") is None
    assert not machine.has_context


def test_somebody_elses_context_is_left_and_told(
    world: World, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    contexts.write("dev", host="tcp://h:1", description="", owner="other", ca=b"", cert=b"", key=b"")
    warned: list[str] = []

    class Listener(Progress):
        def warn(self, text: str) -> None:
            warned.append(text)

    machine = create(store, "dev", options(), Listener())
    machine.close()
    assert not machine.has_context
    found = contexts.read("dev")
    assert found is not None
    assert found.owner == "other"
    assert len(warned) == 1
    assert str(ContextTaken("dev", "")).partition("(")[0].strip() in warned[0]


@pytest.mark.parametrize("first", [False, True])
def test_a_port_that_somebody_else_was_faster_with_is_given_up(
    world: World, store: Store, *, first: bool
) -> None:
    world.takes_files_running = first
    world.ports_taken = 2
    make(store).close()
    assert store.load("dev").driver["URL"] == "tcp://127.0.0.1:1002"
    assert world.steps.count("create container") == 3
    assert world.steps.count("provision") == (1 if first else 3)
    whole(world, store)


@pytest.mark.parametrize("first", [False, True])
def test_an_address_that_somebody_else_was_faster_with_is_in_no_certificate(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch, *, first: bool
) -> None:
    named: list[list[str]] = []
    real = certificates.issue

    def issue(machine: Host, progress: Progress | None = None) -> None:
        named.append(machine.driver.addresses())
        real(machine, progress=progress)

    monkeypatch.setattr(certificates, "issue", issue)
    world.takes_files_running = first
    world.ports_taken, world.moves_address = 2, True
    make(store).close()
    assert store.load("dev").driver["URL"] == "tcp://10.213.0.2:1000"
    assert named[-1] == ["10.213.0.2"]
    assert world.steps[::-1].index("provision") < world.steps[::-1].index("certificates")
    whole(world, store)


def test_when_port_after_port_is_taken_it_gives_up(world: World, store: Store) -> None:
    world.ports_taken = 10**6
    with pytest.raises(PreCreateCheckFailed, match="with publish"):
        make(store)
    assert world.steps.count("start") == ADDRESSES_TO_TRY
    nothing_left(world, store)


# What never begins


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_every_wait_has_an_end(timeout: float) -> None:
    with pytest.raises(InputError, match="timeout"):
        CreateOptions(timeout=timeout)


def test_the_least_that_has_to_be_said() -> None:
    least = CreateOptions()
    assert (least.driver, least.timeout, least.keep_on_failure, least.context) == (
        "docker",
        SERVE_SECONDS,
        False,
        True,
    )


def test_a_bad_name_touches_nothing(world: World, store: Store) -> None:
    with pytest.raises(InputError):
        create(store, "no/name", options(), Progress())
    assert not os.path.exists(store.path)


def test_an_unknown_driver_touches_nothing(world: World, store: Store) -> None:
    with pytest.raises(InputError, match="nosuch"):
        create(store, "dev", CreateOptions(driver="nosuch"), Progress())
    assert store.names() == []


def test_a_machine_that_is_there_is_not_touched(world: World, store: Store) -> None:
    make(store).close()
    before = world.things(), store.load("dev").document()
    world.steps.clear()
    with pytest.raises(MachineExists):
        make(store)
    assert world.steps == []
    assert before == (world.things(), store.load("dev").document())


def test_a_machine_somebody_is_at_work_on_is_not_touched(world: World, store: Store) -> None:
    with store.claim("dev", "creating it"), pytest.raises(MachineBusy):
        make(store)
    assert world.steps == []


# Failing at each step


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("known", KINDS)
def test_a_failure_at_any_moment_leaves_nothing(
    world: World, walk: Walk, store: Store, known: str, error: BaseException
) -> None:
    kind_of(world, known)
    for moment in moments(walk, store):
        with at(moment):
            assert fail(walk, store, moment, error) == []
            nothing_left(world, store)
            assert world.open == set()
    make(store).close()
    whole(world, store)


def test_the_record_is_not_saved_while_certificates_are_staged_beside_it(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To save is to sweep: it would take away what the other thread has not moved into its place yet."""
    created, saved = threading.Event(), threading.Event()
    staged_still_there: list[bool] = []
    real = certificates.issue

    def slow(machine: Host, progress: Progress | None = None) -> None:
        staged = os.path.join(machine.directory, ".key.pem.00.dinv-tmp")
        with open(staged, "wb"):
            pass
        assert created.wait(20)
        saved.wait(0.2)
        staged_still_there.append(os.path.exists(staged))
        real(machine, progress=progress)

    def watch(step: str) -> None:
        if step == "created":
            created.set()
        elif step == "saved" and created.is_set():
            saved.set()

    monkeypatch.setattr(certificates, "issue", slow)
    world.at = watch
    make(store).close()
    assert staged_still_there == [True]


def test_certificates_that_cannot_be_made_leave_nothing(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_machine: Host, progress: Progress | None = None) -> None:
        raise CertificateError("no entropy")

    monkeypatch.setattr(certificates, "issue", broken)
    with pytest.raises(CertificateError, match="entropy"):
        make(store)
    assert "start" not in world.steps
    nothing_left(world, store)


@pytest.mark.parametrize("error", ERRORS[:3], ids=lambda error: type(error).__name__)
def test_what_is_kept_on_failure_can_be_removed(
    world: World, walk: Walk, store: Store, error: BaseException
) -> None:
    world.address_known = False
    found = moments(walk, store)
    recorded = after(found, "record")
    for moment in found:
        with at(moment):
            world.steps.clear()
            notes = fail(walk, store, moment, error, keep_on_failure=True)
            assert world.open == set()
            if moment in recorded:
                assert "remove" not in world.steps
                assert store.names() == ["dev"]
                assert "dinv rm -y dev" in "".join(notes)
                assert remove(store, "dev") == []
            else:
                assert notes == []
            nothing_left(world, store)


@pytest.mark.parametrize(
    "second", [EndpointUnreachable("unix:///fake", "gone"), KeyboardInterrupt(), OSError(5, "I/O")]
)
@pytest.mark.parametrize("known", KINDS)
def test_an_undo_that_fails_leaves_the_record_and_says_how_to_finish(
    *,
    world: World,
    walk: Walk,
    store: Store,
    known: str,
    second: BaseException,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind_of(world, known)
    found = moments(walk, store)

    def broken(_driver: FakeDriver, *, keep_cache: bool = False) -> list[str]:
        raise second

    for moment in after(found, "record")[1:]:
        with at(moment):
            with monkeypatch.context() as patched:
                patched.setattr(FakeDriver, "remove", broken)
                notes = fail(walk, store, moment, MachineDied("dev", 1, []))
            why = f" ({second})" if isinstance(second, EndpointUnreachable) else ""
            assert notes == [f"What was made could not all be removed{why}. Finish it: dinv rm -y dev"]
            assert set(world.things().values()) <= {store.load("dev").identity}
            assert world.open == set()
            assert remove(store, "dev") == []
            nothing_left(world, store)


def test_a_store_that_fails_in_the_undo_does_not_hide_the_first_error(
    world: World, walk: Walk, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_store: Store, _name: str) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Store, "remove", broken)
    notes = fail(walk, store, ("check", 1), PreCreateCheckFailed("no such network"))
    assert any("dinv rm" in note for note in notes)


# A CA of the user's own


def test_a_ca_of_the_users_own_is_made_once_all_checks_are_done(
    world: World, store: Store, tmp_path: Path
) -> None:
    there: list[tuple[str, bool]] = []
    world.at = lambda step: there.append((step, (tmp_path / "pki").exists()))
    with make(store, authority="shared", authority_values=shared_options(tmp_path / "pki")) as machine:
        assert machine.config.ours["Authority"] == "shared"
    assert dict(reversed(there))["check"] is False
    assert dict(there)["prepare"] is True
    ca = (tmp_path / "pki" / "ca.pem").read_bytes()
    with create(
        store,
        "two",
        options(authority="shared", authority_values=shared_options(tmp_path / "pki")),
        Progress(),
    ) as another:
        assert another.config.auth_options["CaCertPath"] == str(tmp_path / "pki" / "ca.pem")
    assert (tmp_path / "pki" / "ca.pem").read_bytes() == ca


def test_a_ca_that_cannot_be_used_is_said_before_the_endpoint_is_asked(
    world: World, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").touch()
    with pytest.raises(CertificateError, match="is there, but not its key"):
        make(store, authority="shared", authority_values=shared_options(tmp_path))
    assert world.steps == []
    nothing_left(world, store)


def test_it_is_made_for_nobody_whose_create_cannot_be(
    world: World, walk: Walk, store: Store, tmp_path: Path
) -> None:
    asked = {"authority": "shared", "authority_values": shared_options(tmp_path / "pki")}
    fail(walk, store, ("check", 1), PreCreateCheckFailed("no"), **asked)
    assert not (tmp_path / "pki").exists()


# Killed at each moment


@pytest.mark.parametrize("known", KINDS)
@pytest.mark.parametrize("then", ["create", "provision", "rm"])
def test_a_kill_at_any_moment_is_finished_as_the_page_says(
    world: World, walk: Walk, store: Store, then: str, known: str
) -> None:
    kind_of(world, known)
    settled = {row.step: row.settled for row in lifecycle_page.rows("create")}
    found = moments(walk, store)
    if then == "create":
        # Once it is recorded as ready there is nothing to finish any more.
        found = found[: found.index(("saved", sum(label == "saved" for label, _ in found)))]
    found = [moment for moment in found if then in settled[walk.steps[moment]]]
    assert len(found) > 5
    for moment in found:
        with at(moment):
            walk.kill(lambda: make(store), moment)
            assert store.names() == ["dev"]
            if then == "create":
                make(store).close()
                whole(world, store)
            elif then == "provision":
                # With the docker context that it was to have.
                world.states["dev"] = STOPPED
                provision(store, "dev", Progress())
                whole(world, store)
            remove(store, "dev")
            nothing_left(world, store)
            assert world.open == set()


def test_a_sweep_that_cannot_reach_the_endpoint_keeps_the_record(
    world: World, walk: Walk, store: Store
) -> None:
    walk.kill(lambda: make(store), ("before serve", 1))
    left = store.load("dev").document()

    def gone(_step: str) -> None:
        raise EndpointUnreachable("unix:///fake", "gone")

    world.at = gone
    with pytest.raises(EndpointUnreachable):
        make(store)
    assert store.load("dev").document() == left
    assert world.open == set()


def test_the_record_says_how_far_a_create_has_come(world: World, walk: Walk, store: Store) -> None:
    """Up to the last time that it was saved; said in a trace where it is swept up."""
    said: list[str] = []
    walk.kill(lambda: make(store), ("before serve", 1))
    assert store.load("dev").ours["Step"] == "keep"
    create(store, "dev", options(), Progress(), trace=said.append).close()
    assert said == ["the create of dev that was interrupted had come to: keep"]
    assert "Step" not in store.load("dev").ours


@pytest.mark.parametrize("removed", [True, False])
def test_a_cache_that_is_removed_before_the_machine_is_recorded_is_missed(
    world: World, store: Store, *, removed: bool
) -> None:
    """Whoever removes it does not see yet that this machine uses it."""
    caches = CacheStore(store.path)
    record = CacheRecord.new(
        "hub",
        identity="hub",
        created="",
        endpoint={"URL": "unix:///fake"},
        registries=[Registry("docker.io", "https://registry-1.docker.io", 5000)],
    )
    record["Host"], record["Phase"] = "10.0.0.9", READY
    with caches.claim("hub", "creating it"):
        caches.save(record)

    def remove_cache(step: str) -> None:
        if step == "check" and removed:
            caches.remove("hub")
        elif step == "check":
            record["Phase"] = REMOVING
            caches.save(record)

    world.at = remove_cache
    with pytest.raises(CacheNotFound if removed else CacheError):
        make(store, registry_cache="hub")
    assert (store.names(), world.things()) == ([], {})
