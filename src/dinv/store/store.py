"""The store: machines on disk, how they are read and replaced, and who may write them now.

Writers hold an advisory lock (`dinv.system.locks`) on `machines/NAME/.lock`. It is inside the directory that
it protects, so that removing a machine leaves no lock behind; a process that gets the lock checks that the
file is still the one in place. The kernel drops the lock when its holder dies, however it dies. Readers take
no lock: config.json is only ever replaced as a whole.
"""

from __future__ import annotations

import os

from dinv.errors import ConfigError, StoreError
from dinv.formats import json_text
from dinv.store.layout import Layout, writing
from dinv.store.record import MachineConfig
from dinv.system.files import sweep, sync_directory, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager


class Store(Layout):
    """The user's machines: their records, and the locks for changing them."""

    def load(self, name: str) -> MachineConfig:
        """Read a machine's config.json. Raises MachineNotFound, ConfigError, ConfigTooNew.

        Raises MachineBusy for a machine that has no record yet because another process is just making it.
        Nothing is written. A caller that uses its certificates calls `Host.finish_certificates` for that.
        """
        path = os.path.join(self.directory(name), "config.json")
        try:
            content = self.content(name)
        except OSError as error:
            raise ConfigError(name, path, error.strerror or str(error)) from error
        try:
            document = json_text.parse(content)
        except ValueError as error:
            raise ConfigError(name, path, f"not valid JSON ({error})") from error
        return MachineConfig.read(document, name=name, path=path, store_path=self.root)

    def changed(self, config: MachineConfig) -> MachineConfig | None:
        """Return the record as it is now, if others have changed it since it was read and are done.

        None if not. For whoever is about to say that something is half done or gone, by two looks: at the
        record, and at who holds the lock or at the endpoint. Between them another process may have finished.
        Raises as `load` does: MachineNotFound for one that was removed.
        """
        if config.name in self.held or self.holder(config.name) is not None:
            return None
        now = self.load(config.name)
        return None if now.document() == config.document() else now

    def save(self, config: MachineConfig) -> None:
        """Replace a machine's config.json. The caller must hold its lock. Raises StoreNotWritable."""
        import json

        directory = self.directory(config.name)
        content = json.dumps(config.shown(), indent=4).encode()
        with writing(directory):
            sweep(directory)
            write(os.path.join(directory, "config.json"), content, mode=0o600)
            sync_directory(directory)

    def lock(self, name: str, doing: str) -> AbstractContextManager[None]:
        """Hold the lock of an existing machine; `doing` is what others are told about it.

        Raises MachineNotFound, or MachineBusy at once if another process has it.
        """
        from dinv.store.claims import locked

        return locked(self, name, doing)

    def claim(self, name: str, doing: str) -> AbstractContextManager[bool]:
        """Claim `name` for a new machine: make its directory and hold its lock.

        Yields whether the directory already contains something, left by a create that was killed. Raises
        MachineExists if there is a machine of this name, ConfigError if there is one that cannot be read,
        MachineBusy, StoreNotWritable, LocksNotKept.
        """
        from dinv.store.claims import claimed

        return claimed(self, name, doing, whole=lambda: not self.load(name).unfinished)

    def abandon(self, name: str) -> None:
        """Remove the directory of a claim if nothing was written to it."""
        import contextlib

        with contextlib.suppress(StoreError), self.lock(name, "removing it"):
            if os.listdir(self.directory(name)) == [".lock"]:
                self.remove(name)
