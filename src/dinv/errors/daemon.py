"""The Docker daemon in a machine, seen from here."""

from __future__ import annotations

from dinv.errors.machine import MachineError
from dinv.wording import command, option


class MachineDied(MachineError):
    """The machine's daemon has ended. `log` has the last lines of its log."""

    def __init__(self, machine: str, exit_status: int, log: list[str]) -> None:
        tail = "".join(f"\n  {line}" for line in log)
        super().__init__(
            machine,
            f'The Docker daemon of machine "{machine}" ended with status {exit_status}. '
            f"Its last lines:{tail}",
        )
        self.exit_status = exit_status
        self.log = log


class MachineNotReady(MachineError):
    """The machine's daemon did not answer in time. `log` has the last lines of its log."""

    def __init__(self, machine: str, url: str, seconds: float, reason: str, log: list[str]) -> None:
        tail = "".join(f"\n  {line}" for line in log)
        said = f" Its last lines:{tail}" if log else ""
        super().__init__(
            machine,
            f'The Docker daemon of machine "{machine}" did not answer at {url} within {seconds:g} s '
            f"({reason}). " + option("timeout") + f" gives it longer.{said}",
        )
        self.url = url
        self.seconds = seconds
        self.reason = reason
        self.log = log


class MachineUnreached(MachineError):
    """The machine's daemon listens, but cannot be reached from here. `reason` says why, and what to do."""

    def __init__(self, machine: str, url: str, reason: str) -> None:
        super().__init__(
            machine, f'Machine "{machine}" is running, but cannot be reached at {url}: ' + reason + "."
        )
        self.url = url
        self.reason = reason


class MachineUnusable(MachineError):
    """Clients cannot use its daemon: it does not answer as it should, or a file they need is missing.

    `reason` says why, `hint` what to do about it, or is ""; `connection` is whether connecting with its
    certificates failed, for whatever reason.
    """

    def __init__(
        self, machine: str, url: str, reason: str, hint: str = "", *, connection: bool = False
    ) -> None:
        where = f" at {url}" if url else ""
        super().__init__(
            machine,
            f'Machine "{machine}" cannot be used{where}: ' + reason + ("\n" + hint if hint else ""),
        )
        self.url = url
        self.reason = reason
        self.hint = hint
        self.connection = connection


class CertificatesNotTaken(MachineError):
    """The machine did not take up new certificates or revocations; the former ones are in use.

    `reason` is what the machine says about it.
    """

    def __init__(self, machine: str, reason: str) -> None:
        reason = reason.splitlines()[-1].removeprefix("dinv: ").removeprefix("front: ").rstrip(".")
        super().__init__(
            machine,
            f'Machine "{machine}" does not take up its new certificates: {reason}. The former '
            "ones are in use. What its front says: " + command("logs", machine),
        )
        self.reason = reason


class AcceptsAnyone(MachineError):
    """The machine's daemon lets clients in that show no certificate."""

    def __init__(self, machine: str, url: str, known: str = "") -> None:
        super().__init__(
            machine,
            f'Machine "{machine}" answers at {url} to a client without a certificate, so anybody who '
            f"reaches it would own it. Its image does not verify clients: use another image."
            f"{f' {known}.' if known else ''}",
        )
        self.url = url


class ContainersCannotRun(MachineError):
    """The machine's daemon answers, but no container starts in it. `reason` is the daemon's message."""

    def __init__(self, machine: str, reason: str, advice: str) -> None:
        super().__init__(
            machine,
            f'The Docker daemon of machine "{machine}" answers, but no container runs in it: '
            f"{reason.rstrip('.')}. " + advice,
        )
        self.reason = reason
