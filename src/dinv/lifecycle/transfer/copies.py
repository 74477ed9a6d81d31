"""A machine's directory as bytes, and back: for a program that keeps machines elsewhere than in one store.

An export is for another user, and an import distrusts it. This is for the same owner: a machine whose create
is under way can be packed too, what is unpacked takes the place of what was there, and everything is kept
that leads to the endpoint. So only unpack what nobody else can have written.
"""

from __future__ import annotations

import io
import os

from dinv.errors import ArchiveError
from dinv.lifecycle import transfer
from dinv.store.layout import check_name, writing
from dinv.system import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.store.store import Store


def pack(store: Store, name: str) -> bytes:
    """Return a machine's directory: its record as it is now, keys and certificates.

    Raises MachineNotFound, ConfigError, InputError.
    """
    out = io.BytesIO()
    transfer.write_archive(out, name, transfer.files_of(store, store.load(name)))
    return out.getvalue()


def unpack(store: Store, name: str, data: bytes) -> None:
    """Make the machine's directory what `pack` returned, in one step.

    The caller sees to it that nobody uses the machine meanwhile. Raises ArchiveError, StoreNotWritable.
    """
    check_name(name)
    found, content, _ = transfer.read_archive(io.BytesIO(data), None)
    if found != name or "config.json" not in content:
        raise ArchiveError(f"This is not the directory of machine {name}.")
    directory = store.directory(name)
    mark = f"{name}-{os.urandom(6).hex()}"
    # The names that a removal leaves, so that the next one removes what a kill leaves of these.
    fresh, old = (
        os.path.join(store.machines_directory, f".removed-{which}-{mark}") for which in ("new", "old")
    )
    with writing(directory):
        os.makedirs(store.machines_directory, mode=0o700, exist_ok=True)
        os.mkdir(fresh, 0o700)
        for folder in {os.path.dirname(path) for path in content} - {""}:
            os.mkdir(os.path.join(fresh, folder), 0o700)
        files.write_all(
            (os.path.join(fresh, path), file, transfer.mode(path)) for path, file in content.items()
        )
        files.sync_directory(fresh)
        if os.path.lexists(directory):
            os.rename(directory, old)
        os.rename(fresh, directory)
        files.sync_directory(store.machines_directory)
        files.remove_tree(old)


def forget(store: Store, name: str) -> None:
    """Remove the machine's directory and nothing else; it is fine if there is none."""
    if store.exists(name):
        store.remove(name)
