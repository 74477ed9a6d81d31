"""`use`: a machine's context is the docker CLI's current one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fake_driver import install, write_certificates

from dinv.endpoints import contexts
from dinv.errors import ContextTaken, MachineNotRunning, NotSupported
from dinv.machine import Machine
from dinv.progress import Progress
from dinv.shells import use
from dinv.store.record import READY, MachineConfig

if TYPE_CHECKING:
    from pathlib import Path

    from dinv.store.store import Store


class Told(Progress):
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []

    def line(self, label: str, text: str, state: str = "") -> None:
        self.lines.append(f"{label} {text} {state}")

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture
def machine(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    install(monkeypatch, str(tmp_path / "endpoint"))
    config = MachineConfig.new(
        name="dev", store_path=store.path, driver_name="fake", identity="x", created="now"
    )
    config.driver.update(URL="tcp://127.0.0.1:1000", IPAddress="127.0.0.1", Port=1000, Container="dinv-dev")
    config.ours["Phase"] = READY
    with store.claim("dev", "creating it"):
        store.save(config)
    write_certificates(config.directory)
    return Machine.recorded(store.load("dev"), store)


def test_its_context_is_made_and_is_the_current_one(machine: Machine, store: Store) -> None:
    progress = Told()
    use.use(machine, progress)
    assert contexts.current() == "dev"
    context = contexts.read("dev")
    assert context is not None
    assert context.host == machine.url
    assert store.load("dev").ours["Context"] == "dev", "rm has to know of it"
    assert progress.lines == ["Context dev is what docker uses now: tcp://127.0.0.1:1000"]
    assert not progress.warnings
    use.use(machine, progress)
    use.unset(progress)
    assert contexts.current() == "default"


@pytest.mark.parametrize("variable", ["DOCKER_HOST", "DOCKER_CONTEXT"])
def test_what_comes_before_it_is_told(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "tcp://h:2375")
    progress = Told()
    use.use(machine, progress)
    assert progress.warnings == [f"{variable} is set, and comes before it in this shell: unset {variable}"]


def test_a_context_of_somebody_else_stays(machine: Machine) -> None:
    contexts.write("dev", host="tcp://h:1", description="", owner="somebody", ca=b"c", cert=b"c", key=b"k")
    with pytest.raises(ContextTaken):
        use.use(machine, Told())
    assert contexts.current() == "default"


def test_one_without_an_address_or_tls_is_refused(machine: Machine) -> None:
    machine.config.driver["TLS"] = False
    with pytest.raises(NotSupported, match="eval \\$\\(dinv env dev\\)"):
        use.use(machine, Told())
    machine.config.driver["URL"] = ""
    with pytest.raises(MachineNotRunning):
        use.use(machine, Told())
    assert contexts.current() == "default"
