"""The docker provisioner: what it puts in, how it waits, whom it lets in."""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Self, cast

import pytest
from own_certificates import Own

from dinv.channel import FileStat
from dinv.errors import (
    AcceptsAnyone,
    CertificateError,
    CertificatesNotTaken,
    ContainersCannotRun,
    DeadlineExceeded,
    EndpointTLSError,
    EndpointUnreachable,
    InputError,
    MachineDied,
    MachineNotReady,
    MachineUnreached,
    MachineUnusable,
    RevocationsLost,
    ServerError,
)
from dinv.images.dch_photon import DchPhotonContract
from dinv.images.dinv import DinvContract
from dinv.progress import Progress
from dinv.provisioners import docker, find, trial
from dinv.provisioners import docker as provisioners_docker
from dinv.provisioners.docker import DockerProvisioner
from dinv.provisioners.engine_options import engine_options
from dinv.store import access_log
from dinv.store.record import MachineConfig
from dinv.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from dinv.channel import File
    from dinv.drivers import Driver
    from dinv.images import ImageContract

FRONT = "/usr/local/lib/dinv/front"
REFUSED = EndpointUnreachable("tcp://h:1", "nothing listens there")


class Daemon:
    """The machine's daemon, its driver and its channel; `answers` to pings with and without a certificate."""

    url = "tcp://127.0.0.1:23761"
    adopted = False
    features: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.answers: list[Exception | None] = []
        self.stranger: Exception | None = EndpointTLSError("tcp://h:1", "wants a certificate")
        self.before: list[Exception | None] = []
        """What strangers get before that."""
        self.exit_status: int | None = None
        self.signals: list[str] = []
        self.restarts: list[list[Exception | None]] = []
        self.files: list[File] = []
        self.ran: list[tuple[str, ...]] = []
        self.unwilling: Exception | None = None
        self.programs: list[str] = []
        self.status = 0
        self.says = b""
        self.directory = ""
        self.has_front = True
        self.why_unreached = ""
        self.opened = self.closed = 0
        self.time_there = ""
        self.with_certificate = True

    def unreached(self) -> str:
        return self.why_unreached

    @property
    def config(self) -> SimpleNamespace:
        return SimpleNamespace(directory=self.directory)

    def system_time(self, *, timeout: float) -> str:
        assert 0 < timeout < 5
        return self.time_there

    def daemon_defaults(self) -> dict[str, list[str]]:
        return {"default-address-pool": ["base=172.18.0.0/20,size=20"]}

    def client(self, *, with_certificate: bool) -> Self:
        self.opened += 1
        self.with_certificate = with_certificate
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed += 1

    def ping(self, *, timeout: float) -> None:
        assert 0 < timeout < 60
        if self.with_certificate:
            error = self.answers.pop(0) if self.answers else None
        else:
            error = self.before.pop(0) if self.before else self.stranger
        if error is not None:
            raise error

    def version(self) -> dict[str, str]:
        return {"Version": "26.1.5"}

    def channel(self) -> Self:
        return self

    def put(self, files: list[File]) -> None:
        self.files = files

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        stdout: object = None,
        stderr: Callable[[bytes], object] = bytes,
    ) -> int:
        if self.unwilling:
            raise self.unwilling
        self.ran.append(tuple(argv))
        stderr(self.says)
        return self.status

    def stat(self, path: str) -> FileStat | None:
        found = FileStat(path, is_directory=False, is_regular=True)
        return found if path in self.programs or (self.has_front and path == FRONT) else None

    def kind(self) -> str:
        return "of a kind"

    @property
    def store(self) -> Store:
        return Store(self.directory)

    def signal_init(self, signal: str) -> None:
        self.signals.append(signal)

    def restart(self, *, timeout: float) -> None:
        self.restarts.append([*self.answers])

    def ended(self) -> int | None:
        return self.exit_status

    def last_log_lines(self, count: int) -> list[str]:
        return ["dockerd: no space left"][:count]


@pytest.fixture
def daemon() -> Daemon:
    return Daemon()


@pytest.fixture
def provisioner(daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DockerProvisioner:
    config = MachineConfig.new(
        name="dev", store_path=str(tmp_path), driver_name="docker", identity="x", created="now"
    )
    os.makedirs(config.directory)
    for name in ("ca", "cert", "key", "server", "server-key"):
        (tmp_path / "machines" / "dev" / f"{name}.pem").write_text(name)
    made = DockerProvisioner(config, cast("Driver", daemon), DinvContract())
    monkeypatch.setattr(made, "_client", daemon.client)
    monkeypatch.setattr(docker, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(docker, "LOOK_EVERY_SECONDS", 0.0)
    return made


def test_it_is_built_in() -> None:
    assert find("docker") is DockerProvisioner
    with pytest.raises(InputError, match="nosuch"):
        find("nosuch")


def test_certificates_and_options_go_in(provisioner: DockerProvisioner, daemon: Daemon) -> None:
    provisioner.config.engine_options.update(engine_options(env=["A=b"], label=["k=v"]))
    provisioner.provision()
    content = {os.path.basename(file.path): file.content for file in daemon.files}
    assert content["ca.pem"] == b"ca"
    assert content["server.pem"] == b"server"
    assert content["server-key.pem"] == b"server-key"
    assert content["dockerd.env"] == b"A=b\n"
    assert b"--label=k=v\n" in content["dockerd.args"]
    assert content["dockerd.defaults"] == b"--default-address-pool=base=172.18.0.0/20,size=20\n"
    assert not [file for file in daemon.files if file.content == b"key"]  # the user's own stays here


def revoke(provisioner: DockerProvisioner, *serials: str) -> None:
    access_log.append(
        provisioner.config.directory,
        [
            access_log.Record(event="revoked", role="client", serial=serial, not_after="2999-01-01T00:00:00Z")
            for serial in serials
        ],
    )


def test_what_was_revoked_goes_in(provisioner: DockerProvisioner, daemon: Daemon) -> None:
    revoke(provisioner, "1f", "2a")
    provisioner.provision()
    content = {os.path.basename(file.path): file.content for file in daemon.files}
    assert content["revoked"] == b"1f\n2a\n"


def test_a_machine_that_would_let_it_in_again_gets_nothing(
    provisioner: DockerProvisioner, daemon: Daemon
) -> None:
    revoke(provisioner, "1f", "2a")
    daemon.has_front = False
    with pytest.raises(RevocationsLost, match=r"2 certificates.*dinv regenerate-certs --client-certs dev"):
        provisioner.provision()
    assert daemon.files == []


def test_a_certificate_that_is_missing_is_named(provisioner: DockerProvisioner) -> None:
    os.unlink(os.path.join(provisioner.config.directory, "server.pem"))
    with pytest.raises(CertificateError, match=r"server\.pem"):
        provisioner.provision()


def test_new_files_are_taken_at_the_contracts_signal(provisioner: DockerProvisioner, daemon: Daemon) -> None:
    provisioner.activate()
    assert daemon.signals == ["SIGHUP"]


def test_a_machine_with_a_front_takes_certificates_up_in_place(
    provisioner: DockerProvisioner, daemon: Daemon
) -> None:
    assert provisioner.rotates_in_place()
    provisioner.activate_certificates()
    provisioner.activate_certificates(starting=True)
    assert daemon.ran == [(FRONT, "reload")] * 2
    assert daemon.signals == []
    assert daemon.opened == 0


def test_a_front_that_does_not_take_them_says_why(provisioner: DockerProvisioner, daemon: Daemon) -> None:
    daemon.status, daemon.says = 1, b"dinv: front: the key is another certificate's\n"
    with pytest.raises(CertificatesNotTaken, match=r"the key is another certificate's\. The former"):
        provisioner.activate_certificates()
    daemon.says = b""
    with pytest.raises(CertificatesNotTaken, match="exit status 1"):
        provisioner.activate_certificates()
    assert daemon.signals == []


def test_a_machine_without_one_is_restarted(provisioner: DockerProvisioner, daemon: Daemon) -> None:
    daemon.has_front = False
    assert not provisioner.rotates_in_place()
    provisioner.activate_certificates()
    assert daemon.signals == ["SIGHUP"]
    assert daemon.ran == []
    provisioner.contract = DchPhotonContract()
    assert not provisioner.rotates_in_place()
    assert provisioner.contract.revocations(["abc"]) is None


@pytest.mark.parametrize(("status", "pending"), [(0, True), (1, False), (127, True)])
def test_options_are_pending_if_the_machine_says_so_or_cannot(
    provisioner: DockerProvisioner, daemon: Daemon, status: int, *, pending: bool
) -> None:
    assert provisioner.pending(), "an older image: nobody can say"
    assert daemon.ran == []
    daemon.programs = ["/usr/local/lib/dinv/pending"]
    daemon.status = status
    assert provisioner.pending() is pending


def test_what_is_revoked_goes_in(provisioner: DockerProvisioner, daemon: Daemon) -> None:
    def revoked() -> bytes:
        provisioner.provision()
        return next(file.content for file in daemon.files if file.path == "/etc/dinv/certs/revoked")

    assert revoked() == b""
    facts = {"role": "client", "not_after": "2099-01-01T00:00:00Z"}
    access_log.append(
        provisioner.config.directory,
        [
            access_log.Record(event="issued", serial="a1", holder="alice", **facts),
            access_log.Record(event="revoked", serial="b2", holder="bob", **facts),
            # Of an earlier CA: a share's connections are cut, the owner's go on.
            access_log.Record(event="ended", serial="c3", holder="carol", **facts),
            access_log.Record(event="ended", serial="d4", holder="", **facts),
            access_log.Record(event="ended", serial="b2", holder="bob", **facts),
        ],
    )
    assert sorted(revoked().split()) == [b"b2", b"c3"]


@pytest.mark.parametrize(
    "answer", [None, EndpointTLSError("tcp://h:1", "for another name"), ServerError("starting", status=503)]
)
def test_a_restart_waits_until_the_daemon_listens(
    provisioner: DockerProvisioner, daemon: Daemon, answer: Exception | None
) -> None:
    provisioner.contract = DchPhotonContract()
    daemon.answers = [REFUSED, DeadlineExceeded("GET /_ping", 5), answer, REFUSED]
    provisioner.activate()
    assert daemon.restarts == [[REFUSED]]
    assert daemon.opened == daemon.closed


@pytest.mark.parametrize("contract", [DinvContract, DchPhotonContract])
def test_one_that_came_up_with_new_files_is_left_alone(
    provisioner: DockerProvisioner, daemon: Daemon, contract: type[ImageContract]
) -> None:
    provisioner.contract = contract()
    daemon.answers = [REFUSED, None]
    provisioner.activate(starting=True)
    assert (daemon.signals, daemon.restarts) == ([], [])
    # One that serves for another address, or does not know the client, has not.
    daemon.answers = [REFUSED, EndpointTLSError("tcp://h:1", "for another name")]
    provisioner.activate(starting=True)
    assert len(daemon.signals) + len(daemon.restarts) == 1


def test_a_daemon_that_ended_is_not_restarted(provisioner: DockerProvisioner, daemon: Daemon) -> None:
    provisioner.contract = DchPhotonContract()
    daemon.answers = [REFUSED] * 3
    daemon.exit_status = 1
    with pytest.raises(MachineDied):
        provisioner.activate()
    assert daemon.restarts == []


def test_it_waits_until_the_daemon_answers(provisioner: DockerProvisioner, daemon: Daemon) -> None:
    daemon.answers = [
        REFUSED,
        EndpointTLSError("tcp://h:1", "hung up"),
        ServerError("starting", status=503),
        DeadlineExceeded("GET /_ping", 5),
    ]
    assert provisioner.health(timeout=60, progress=Progress()) == "26.1.5"
    assert daemon.answers == []
    assert daemon.opened == daemon.closed == 2


def test_a_daemon_that_does_not_answer_is_given_up_with_its_log(
    provisioner: DockerProvisioner, daemon: Daemon
) -> None:
    daemon.answers = [REFUSED] * 10**5
    with pytest.raises(MachineNotReady, match="timeout gives") as caught:
        provisioner.health(timeout=0.02, progress=Progress())
    assert caught.value.reason == "nothing listens there"
    assert caught.value.log == ["dockerd: no space left"]
    assert daemon.opened == daemon.closed == 1


def test_a_daemon_that_listens_and_is_not_reached_is_not_waited_for(
    provisioner: DockerProvisioner, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen twice, since those who forward ports take their time."""
    monkeypatch.setattr(provisioners_docker, "UNREACHED_SECONDS", 0.05)
    monkeypatch.setattr(provisioners_docker, "LOOK_EVERY_SECONDS", 0.01)
    daemon.why_unreached = "it looks like a tunnel"
    daemon.answers = [REFUSED] * 10**5
    with pytest.raises(MachineUnreached, match=r"cannot be reached at tcp://.* it looks like a tunnel"):
        provisioner.health(timeout=60, progress=Progress())
    daemon.answers = [EndpointTLSError("tcp://h:1", "hung up")] * 3
    assert provisioner.health(timeout=60, progress=Progress()) == "26.1.5", "somebody is there"


def test_certificates_that_have_expired_are_not_waited_for(
    provisioner: DockerProvisioner, daemon: Daemon
) -> None:
    directory = provisioner.config.directory
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "cert.pem"), "wb") as file:
        file.write(Own("dev", days=(-20, -1)).pem)
    daemon.answers = [EndpointTLSError("tcp://h:1", "it refused our client certificate: expired")] * 10**5
    with pytest.raises(MachineUnusable, match="dinv regenerate-certs dev"):
        provisioner.health(timeout=60, progress=Progress())
    assert len(daemon.answers) == 10**5 - 1


@pytest.mark.parametrize(("begin", "end"), [(-20, -1), (1, 20)])
def test_a_clock_that_is_wrong_is_not_waited_for_either(
    provisioner: DockerProvisioner, daemon: Daemon, begin: int, end: int
) -> None:
    directory = provisioner.config.directory
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "cert.pem"), "wb") as file:
        file.write(Own("dev", days=(begin, end)).pem)
    daemon.time_there = (datetime.now(UTC) - timedelta(days=10)).isoformat()
    daemon.answers = [EndpointTLSError("tcp://h:1", "it refused our client certificate: expired")] * 10**5
    with pytest.raises(MachineUnusable, match="the clock of this computer is wrong") as caught:
        provisioner.health(timeout=60, progress=Progress())
    assert "regenerate-certs" not in str(caught.value)
    assert len(daemon.answers) == 10**5 - 1


def test_a_daemon_that_ended_is_not_waited_for(provisioner: DockerProvisioner, daemon: Daemon) -> None:
    daemon.answers = [REFUSED] * 3
    daemon.exit_status = 1
    with pytest.raises(MachineDied, match="no space left") as caught:
        provisioner.health(timeout=60, progress=Progress())
    assert caught.value.exit_status == 1
    assert len(daemon.answers) == 2
    assert daemon.opened == daemon.closed


def test_what_an_image_leaves_undone_is_done_after_each_start(
    provisioner: DockerProvisioner, daemon: Daemon
) -> None:
    provisioner.health(timeout=60, progress=Progress())
    assert daemon.ran == []
    provisioner.contract = DchPhotonContract()
    provisioner.health(timeout=60, progress=Progress())
    assert daemon.ran == [tuple(DchPhotonContract.preparation)]
    # Where it cannot be, that is found out by trying.
    daemon.unwilling = ServerError("no exec here", status=500)
    assert provisioner.health(timeout=60, progress=Progress()) == "26.1.5"


def test_a_container_is_tried_once_for_each_kind(
    provisioner: DockerProvisioner, daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.directory = str(tmp_path)
    tried: list[str] = []

    def run(_engine: object, machine: str, _advice: str) -> bool:
        tried.append(machine)
        if len(tried) == 1:
            raise ContainersCannotRun(machine, "no caps", "Do something.")
        return True

    monkeypatch.setattr(trial, "run", run)
    with pytest.raises(ContainersCannotRun, match=r"no caps\. Do something"):
        provisioner.prove(Progress())
    for _ in range(3):
        provisioner.prove(Progress())
    assert tried == ["dev", "dev"]


def test_a_daemon_that_lets_anybody_in_is_refused(provisioner: DockerProvisioner, daemon: Daemon) -> None:
    daemon.stranger = None
    with pytest.raises(AcceptsAnyone, match="certificate"):
        provisioner.health(timeout=60, progress=Progress())


def test_a_daemon_that_says_nothing_to_strangers_has_not_refused_them(
    provisioner: DockerProvisioner, daemon: Daemon
) -> None:
    daemon.stranger = DeadlineExceeded("GET /_ping", 5)
    with pytest.raises(MachineNotReady, match="no answer to a client without a certificate") as caught:
        provisioner.health(timeout=0.02, progress=Progress())
    assert caught.value.seconds == 0.02
    assert daemon.opened == daemon.closed


@pytest.mark.parametrize("stranger", [EndpointTLSError("tcp://h:1", "wants a certificate"), None])
def test_a_daemon_that_stalls_with_a_stranger_is_asked_again(
    provisioner: DockerProvisioner, daemon: Daemon, stranger: Exception | None
) -> None:
    daemon.before = [DeadlineExceeded("GET /_ping", 5)] * 3
    daemon.stranger = stranger
    refuses = stranger is not None
    with contextlib.nullcontext() if refuses else pytest.raises(AcceptsAnyone):
        assert provisioner.health(timeout=60, progress=Progress()) == "26.1.5"
    assert daemon.before == []


def test_a_daemon_that_ends_while_a_stranger_asks_is_not_waited_for(
    provisioner: DockerProvisioner, daemon: Daemon
) -> None:
    daemon.before = [DeadlineExceeded("GET /_ping", 5)] * 3
    daemon.exit_status = 1
    with pytest.raises(MachineDied):
        provisioner.health(timeout=60, progress=Progress())
    assert len(daemon.before) == 2


def test_one_that_is_waited_for_tells_why(provisioner: DockerProvisioner, daemon: Daemon) -> None:
    heard: list[str] = []

    class Listener(Progress):
        def update(self, text: str) -> None:
            heard.append(text)

    daemon.answers = [REFUSED]
    provisioner.health(timeout=60, progress=Listener())
    assert heard
    assert "nothing listens there" in heard[0]


def test_the_variables_clients_reach_it_by(provisioner: DockerProvisioner) -> None:
    provisioner.config.driver["URL"] = Daemon.url
    assert DockerProvisioner.credentials(provisioner.config) == {
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_HOST": "tcp://127.0.0.1:23761",
        "DOCKER_CERT_PATH": provisioner.config.directory,
        "DOCKER_MACHINE_NAME": "dev",
    }
