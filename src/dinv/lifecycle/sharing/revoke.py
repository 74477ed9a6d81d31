"""Taking access away: one certificate is refused from now on, its open connections end, and nobody else's.

The revocation is recorded before the machine is told, and cannot be taken back. From then on it is in
whatever is put into the machine, by provision, upgrade and renewal too. A machine that does not run gets it
at once as well, and refuses the certificate from its next start on, before it serves anybody.

`Dinv.Revoking` in the record shows that the machine may not know yet, and `Dinv.Untold` what no hook knows
of: the next revocation, start, restart, provision or renewal tells them.
"""

from __future__ import annotations

from dinv.errors import CannotRevoke, NotSupported, OwnAccess
from dinv.images import DEFAULT_IMAGE
from dinv.lifecycle import steps
from dinv.lifecycle.changing import changing
from dinv.lifecycle.host import telling
from dinv.lifecycle.opening import check_finished, check_looked_after
from dinv.lifecycle.sharing import held
from dinv.lifecycle.steps import Step, Transaction
from dinv.progress import Progress
from dinv.states import RUNNING
from dinv.store import access_log
from dinv.timeouts import STATE_SECONDS
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.drivers.remote import Remote
    from dinv.lifecycle.host import Host
    from dinv.lifecycle.sharing.held import Access


class Revocation(Transaction):
    """One revocation."""

    kind = "revoke"

    def __init__(self, machine: Host, progress: Progress, *, holder: str = "", serial: str = "") -> None:
        super().__init__(machine, progress)
        self.holder = holder
        self.serial = serial
        self.revoked: list[Access] = []
        self.running = False

    def check(self) -> None:
        """Who is meant has been decided, and the machine can refuse them; nothing was changed."""
        found, _ = held.of(self.machine)
        self.revoked = held.to_revoke(
            self.machine.name,
            found,
            holder=self.holder,
            serial=self.serial,
            others=bool(self.machine.authority().ca_elsewhere),
        )
        if not self.machine.provisioner.rotates_in_place():
            raise self._cannot()
        for holder, serials in self._by_holder():
            telling.ask(self.machine, "pre-revoke", self.progress, holder=holder, serials=serials)

    def _cannot(self) -> CannotRevoke:
        image: str | None = "" if self.machine.contract.certificate_reload else DEFAULT_IMAGE
        return CannotRevoke(self.machine.name, None if self.machine.driver.adopted else image)

    def _by_holder(self) -> list[tuple[str, list[str]]]:
        found: dict[str, list[str]] = {}
        for access in self.revoked:
            found.setdefault(access.holder, []).append(access.serial)
        return list(found.items())

    def record(self) -> None:
        """It is recorded that they are to be refused: from here on it happens, whatever is killed."""
        self.machine.config.revoking = True
        self.machine.config.untold += [access.serial for access in self.revoked]
        self.machine.store.save(self.machine.config)
        access_log.append(
            self.machine.directory,
            [
                access_log.Record(
                    event=access_log.REVOKED,
                    role=access.role,
                    holder=access.holder,
                    serial=access.serial,
                    not_after=access.not_after,
                )
                for access in self.revoked
            ],
        )

    def install(self) -> None:
        """The list of what is refused is in the machine."""
        self.running = self.machine.driver.state(timeout=STATE_SECONDS).state == RUNNING
        self.machine.provisioner.provision()

    def refuse(self) -> None:
        """The machine, if it runs, refuses them, and their open connections have been cut."""
        if self.running:
            self.machine.provisioner.activate_certificates()

    def finish(self) -> None:
        """It is recorded that the machine refuses them; if it does not run, its next start does that."""
        if self.running:
            self.machine.config.revoking = False
            self.machine.store.save(self.machine.config)
        telling.revoked(self.machine, self.progress)


def _not_told(name: str) -> str:
    return (
        "The revocation is recorded, but the machine has not taken it up yet: the certificate may still be "
        "let in. To finish it: " + command("provision", name)
    )


STEPS: tuple[Step[Revocation], ...] = (
    Step("check", Revocation.check),
    Step("record", Revocation.record, final=True),
    Step("install", Revocation.install, note=_not_told),
    Step("refuse", Revocation.refuse, note=_not_told),
    Step("finish", Revocation.finish),
)


def revoke(host: Host, progress: Progress, *, holder: str = "", serial: str = "") -> list[Access]:
    """Refuse all client certificates of `holder`, or the one whose serial number begins with `serial`.

    Returns what was revoked. Raises NobodyOfThatName, AccessOver, OwnAccess, CannotRevoke, NotSupported;
    MachineError if the machine did not take it up, which is then a matter of `provision`.
    """
    if (remote := host.driver.remote()) is not None:
        return _by_its_keeper(host, remote, progress, holder=holder, serial=serial)
    check_looked_after(host)
    with changing(host, "revoking access to it", progress):
        check_finished(host.config, doing="have access revoked")
        settle(host, progress)
        work = Revocation(host, progress, holder=holder, serial=serial)
        with progress.working("Access", "revoking"):
            steps.run(work, STEPS)
        for access in work.revoked:
            when = "" if work.running else ", from its next start on"
            name = f"{access.holder} " if access.holder else ""
            progress.line("Access", f"{name}{access.serial[: held.SHOWN_DIGITS]}", f"revoked{when}")
    return work.revoked


def _by_its_keeper(
    host: Host, remote: Remote, progress: Progress, *, holder: str, serial: str
) -> list[Access]:
    with host.store.lock(host.name, "revoking access to it"):
        found = held.of_remote(host, remote)
        try:
            revoked = held.to_revoke(host.name, found, holder=holder, serial=serial)
        except OwnAccess as error:
            raise NotSupported(
                host.name,
                f'{error.serial} is your own certificate for machine "{host.name}", by which docker and dinv '
                "are let in. Get another, and then this one can be revoked: "
                + command("regenerate-certs", host.name),
            ) from error
        for access in revoked:
            remote.revoke(access.serial)
            name = f"{access.holder} " if access.holder else ""
            progress.line("Access", f"{name}{access.serial[: held.SHOWN_DIGITS]}", "revoked")
    return revoked


def settle(host: Host, progress: Progress | None = None) -> None:
    """Tell the machine, and hooks, of a revocation whose process was killed; it may run or not.

    The caller must hold its lock.
    """
    if host.config.revoking or host.config.untold:
        steps.finish(Revocation(host, progress or Progress()), STEPS)
