"""Machines whose time is limited, and commands that machines are made around."""

from __future__ import annotations

from dinv.errors.base import DinvError
from dinv.errors.local import LocalError
from dinv.errors.machine import MachineError
from dinv.wording import command, either, option


class NoLease(MachineError):
    """The machine has no lease that could be extended.

    `reason` says why, if it is not for want of one; `unused` is the time for which it may be unused, for
    people, if that is all that ends it.
    """

    def __init__(self, machine: str, reason: str = "", *, unused: str = "") -> None:
        if reason:
            super().__init__(machine, f'Machine "{machine}" can have no lease: {reason}.')
        else:
            lacks = (
                f"has no time that ends: it ends when it is unused for {unused}"
                if unused
                else ("has no lease, so nothing ends it")
            )
            super().__init__(
                machine, f'Machine "{machine}" {lacks}. To give it one: ' + either("give=True", "--give")
            )
        self.reason = reason
        self.unused = unused


class CacheOfRunBusy(DinvError):
    """The cache that a run wants to keep is another run's at the moment. `cache` is its name."""

    def __init__(self, cache: str, holder: str, waited: float) -> None:
        after = f" after {waited:g} s" if waited else ""
        super().__init__(
            f"Cache {cache} is still in use by another run{after} ({holder}): two daemons on one image store "
            "destroy it. Wait for it longer, "
            + option("cache-wait", "DURATION")
            + ", or name another: "
            + option("keep-cache", "NAME")
        )
        self.cache = cache


class CommandMissing(LocalError):
    """There is no program of this name to make a machine for; nothing was made."""

    exit_code = 127

    def __init__(self, program: str) -> None:
        super().__init__(f"There is no program {program} on this computer to run. No machine was made.")
        self.program = program


class CommandNotExecutable(LocalError):
    """The program to make a machine for cannot be run. `path` is its path, `why` continues the sentence."""

    exit_code = 126

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path} cannot be run: it " + why + ".")
        self.path = path
        self.why = why


class RunLeft(MachineError):
    """The machine of a run could not be removed when its command had ended, and stays for the moment."""

    def __init__(self, machine: str, why: str) -> None:
        super().__init__(
            machine,
            f'Machine "{machine}" stays for now: {why}. The next '
            + command("run")
            + " or "
            + command("reap")
            + " removes it, or: "
            + command("rm", "-y", machine),
        )
