"""Options that change after a machine was made: by which means its image takes them, and whether it did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from dinv.channel import FileStat
from dinv.drivers.alteration import RECREATION, RELOAD, RESTART
from dinv.errors import MachineError, MachineNotRunning, OptionError
from dinv.images.dch_photon import DchPhotonContract
from dinv.images.dind import DindContract
from dinv.images.dinv import DinvContract
from dinv.provisioners.docker import DockerProvisioner
from dinv.provisioners.engine_options import engine_options
from dinv.store.record import MachineConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dinv.drivers import Driver
    from dinv.images import ImageContract

LABEL = {"engine_label": ["team=red"]}
MTU = {"engine_opt": ["mtu=1400"]}
PROXY = {"engine_env": ["HTTPS_PROXY=http://p"]}


class Machine:
    """A driver, its channel and what a machine's commands answer."""

    def __init__(self, *, programs: bool = True) -> None:
        self.programs = programs
        self.answer: tuple[int, bytes] = (0, b"")
        self.pids = [b"7"]
        self.daemon_json: bytes | None = None
        self.ran: list[tuple[str, ...]] = []
        self.signals: list[str] = []

    def daemon_defaults(self) -> dict[str, list[str]]:
        return {}

    def channel(self) -> Machine:
        return self

    def stat(self, path: str) -> FileStat | None:
        return FileStat(path, is_directory=False, is_regular=True) if self.programs else None

    def run(
        self,
        argv: Sequence[str],
        *,
        stdout: Callable[[bytes], object],
        stderr: Callable[[bytes], object] = lambda _: None,
        timeout: float,
    ) -> int:
        assert timeout < 60
        self.ran.append(tuple(argv))
        if argv[0] == "cat":
            stdout(self.pids.pop(0) if len(self.pids) > 1 else self.pids[0])
            return 0
        if argv[0] == "head":
            assert argv[1] == "-c"
            assert argv[3] == "/etc/docker/daemon.json"
            if self.daemon_json is None:
                return 1
            stdout(self.daemon_json[: int(argv[2])])
            return 0
        stderr(self.answer[1])
        return self.answer[0]

    def signal_init(self, signal: str) -> None:
        self.signals.append(signal)

    def ended(self) -> int | None:
        return None


def provisioner(contract: ImageContract, machine: Machine | None = None, **options: Any) -> DockerProvisioner:
    config = MachineConfig.new(
        name="dev", store_path="/nonexistent", driver_name="docker", identity="x", created="now"
    )
    config.engine_options.update(engine_options(**options))
    return DockerProvisioner(config, cast("Driver", machine or Machine()), contract)


@pytest.mark.parametrize(
    ("contract", "values", "means"),
    [
        (DinvContract(), LABEL, RELOAD),
        (DinvContract(), {**LABEL, "engine_opt": ["debug"]}, RELOAD),
        (DinvContract(), MTU, RESTART),
        (DinvContract(), PROXY, RESTART),
        (DinvContract(), {**LABEL, **MTU}, RESTART),
        (DinvContract(), {}, ""),
        (DindContract(), LABEL, RECREATION),
        (DindContract(), PROXY, RECREATION),
        (DchPhotonContract(), PROXY, RECREATION),
        (DchPhotonContract(), {"engine_insecure_registry": ["r:5000"]}, RECREATION),
    ],
)
def test_the_means_is_the_images(contract: ImageContract, values: dict[str, Any], means: str) -> None:
    found = provisioner(contract)
    assert found.means(found.changes(values)) == means


def test_an_image_that_has_no_way_to_reload_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    found = provisioner(DinvContract(), Machine(programs=False))
    assert found.means(found.changes(LABEL)) == RESTART
    assert not found.restart_stops
    assert provisioner(DindContract()).restart_stops


def test_an_image_that_cannot_be_given_an_option_says_so() -> None:
    found = provisioner(DchPhotonContract())
    with pytest.raises(OptionError, match="cannot be given to a dch-photon image"):
        found.means(found.changes(LABEL))


def test_the_daemon_is_told_and_says_what_it_does_not_take() -> None:
    machine = Machine()
    found = provisioner(DinvContract(), machine)
    found.reload()
    found.check()
    assert machine.ran == [
        ("/usr/local/lib/dinv/dockerd", "reload"),
        ("/usr/local/lib/dinv/dockerd", "check"),
    ]
    machine.answer = (1, b"dinv: unknown flag: --nosuch\n")
    for ask in (found.reload, found.check):
        with pytest.raises(
            MachineError, match=r'machine "dev" does not take the options: unknown flag: --nosuch$'
        ):
            ask()
    machine.answer = (137, b"")
    with pytest.raises(MachineError, match="exit status 137"):
        found.reload()


def test_an_older_image_is_not_asked() -> None:
    machine = Machine(programs=False)
    provisioner(DinvContract(), machine).check()
    assert machine.ran == []


def test_a_restart_waits_until_the_old_daemon_has_ended() -> None:
    machine = Machine()
    machine.pids = [b"7", b"7", b"7", b""]
    provisioner(DinvContract(), machine).restart()
    assert machine.signals == ["SIGHUP"]
    assert machine.pids == [b""]


def test_a_daemon_that_nobody_can_name_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine()

    def refused(*_: object, **__: object) -> int:
        raise MachineNotRunning("dev")

    monkeypatch.setattr(machine, "run", refused)
    provisioner(DinvContract(), machine).restart()
    assert machine.signals == ["SIGHUP"]


@pytest.mark.parametrize(
    ("content", "setting"),
    [
        # The image's own, as it switches it; and with what dinv or somebody else has besides.
        (b'{"live-restore":false}\n', None),
        (b'{"live-restore":true}\n', None),
        (b'{"live-restore":false,"debug":true}\n', None),
        # Somebody's.
        (b'{ "live-restore":false,"debug":true}\n', False),
        (b'{\n  "debug": true,\n  "live-restore": false\n}\n', False),
        (b'{\n  "live-restore": true\n}\n', True),
        # What the image takes for a setting, and so adds none.
        (b'{"labels":["live-restore"]}', False),
        (b'{"debug":true}', None),
        (b"", None),
        (None, None),
        (b"[" * 60000, None),
        (b'{"debug":true,"live-restore":false}' + b" " * 70000, None),
    ],
)
def test_only_a_setting_of_somebodys_in_the_machine_counts(
    *, content: bytes | None, setting: bool | None
) -> None:
    machine = Machine()
    machine.daemon_json = content
    assert provisioner(DinvContract(), machine).live_restore() is setting


def test_other_images_are_not_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine()
    machine.daemon_json = b'{"live-restore":false}'
    assert provisioner(DindContract(), machine).live_restore() is None
    assert machine.ran == []
    # A plugin's image says where its file is, and no more.
    monkeypatch.setattr(DindContract, "daemon_json", "/etc/docker/daemon.json")
    assert provisioner(DindContract(), machine).live_restore() is False
    for content in (b"[]", b'{"live-restore":"off"}', b'{"live', b"[" * 60000):
        machine.daemon_json = content
        assert provisioner(DindContract(), machine).live_restore() is None


def test_a_machine_that_does_not_answer_has_set_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine()

    def lost(*_: object, **__: object) -> None:
        raise MachineNotRunning("dev")

    monkeypatch.setattr(machine, "run", lost)
    assert provisioner(DinvContract(), machine).live_restore() is None
