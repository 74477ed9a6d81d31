"""The store on the user's side, and the records in it."""

from __future__ import annotations

import os

from dinv.errors.base import DinvError
from dinv.wording import command, either

_STORAGE_PATH = either("dinv.open(PATH)", "--storage-path")


class StoreError(DinvError):
    """The store on the user's side is missing, unreadable or invalid."""


class MachineNotFound(StoreError):
    """The store has no machine of this name. `alike`: a name that resembles it, or ""."""

    def __init__(self, machine: str, alike: str = "") -> None:
        meant = f'\nDid you mean "{alike}"?' if alike else ""
        super().__init__(
            f'There is no machine "{machine}". '
            + command("ls")
            + " lists the existing ones, "
            + command("create")
            + f" creates one.{meant}"
        )
        self.machine = machine
        self.alike = alike


class MachineExists(StoreError):
    """The store already has a machine of this name."""

    def __init__(self, machine: str) -> None:
        super().__init__(
            f'Machine "{machine}" already exists. '
            "Choose another name, or remove it first: " + command("rm", machine)
        )
        self.machine = machine


class AlreadyInStore(StoreError):
    """The machine to import is already in the store: `machine` is its name there."""

    def __init__(self, machine: str) -> None:
        super().__init__(f'This machine is in the store already, as "{machine}"')
        self.machine = machine


class MachineBusy(StoreError):
    """Another process holds the machine's lock."""

    def __init__(self, machine: str, holder: str = "") -> None:
        what = f" ({holder})" if holder else ""
        said = f'Another dinv is at work on machine "{machine}"{what}. '
        if os.environ.get("DINV_HOOK_MACHINE") == machine:
            hook = os.environ.get("DINV_HOOK", "")
            said += (
                f"It runs the hook {hook}, and waits for that to end: a hook cannot "
                "change the machine that it is about, except at the events ready and removed."
            )
        else:
            said += "Wait until it has finished and try again."
        super().__init__(said)
        self.machine = machine
        self.holder = holder


class ConfigError(StoreError):
    """A machine's config.json is missing, truncated or unreadable."""

    def __init__(self, machine: str, path: str, reason: str, advice: str = "") -> None:
        usual = "Restore the file from a backup, or forget the machine: " + command("rm", "-f", machine)
        super().__init__(f"{path}: {reason}. " + (advice or usual))
        self.machine = machine
        self.path = path
        self.reason = reason


class ConfigTooNew(ConfigError):
    """A machine's config.json was written by a newer version."""

    def __init__(self, machine: str, path: str, found: object, known: int) -> None:
        StoreError.__init__(
            self,
            f"{path}: version {found} is from the future (this dinv knows {known}). "
            f"Upgrade dinv to use this machine.",
        )
        self.machine = machine
        self.path = path
        self.reason = f"config version {found} is newer than {known}"
        self.found = found


class CertificatesTorn(StoreError):
    """A renewal was killed between a client's certificate and its key, and this store cannot be written."""

    def __init__(self, machine: str, directory: str) -> None:
        super().__init__(
            f'The certificates of machine "{machine}" are half replaced in {directory}: a renewal was killed '
            f"there, and the rest cannot be moved into place, since the directory is not writable here. "
            f"To finish it, run this where it is writable: " + command("env", machine)
        )
        self.machine = machine
        self.directory = directory


class StoreNotWritable(StoreError):
    """The store cannot be written to."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"The store cannot be written: {path}: {reason}. Make it writable, or choose another with "
            + _STORAGE_PATH
            + " or MACHINE_STORAGE_PATH."
        )
        self.path = path
        self.reason = reason


class LocksNotKept(StoreError):
    """A file system has no locks, so concurrent writes there would not be safe."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"{path} cannot be locked ({reason}): its file system does not support locks, and without them "
            "two dinv processes would corrupt what they write. Use a local disk ("
            + _STORAGE_PATH
            + " or MACHINE_STORAGE_PATH for the store), or mount it with locks: NFS with version 4, or with "
            "its lock daemon; Lustre with -o flock."
        )
        self.path = path
        self.reason = reason
