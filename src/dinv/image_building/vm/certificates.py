"""The disk that brings a virtual machine its certificates, signed by a CA that signs nothing else.

The CA's key is never written: whoever wants other certificates makes another disk.
"""

from __future__ import annotations

import contextlib
import os
from typing import NamedTuple

from dinv.errors import InputError
from dinv.formats.host_port import of_url
from dinv.image_building.vm import ext4
from dinv.images import find
from dinv.pki import client_files
from dinv.system import files, scratch
from dinv.system.deadline import Deadline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LABEL = "DINV"
"""The label by which `images/vm/init` finds the disk."""
CONTRACT = "dinv"
"""The image contract whose files are written, unless another is named."""
_CONFIG = "/etc/dinv/"
_SIZE = 4 * 1024 * 1024
_SECONDS = 60.0


class Made(NamedTuple):
    """A disk that is complete and not in its place yet; the client's ca.pem, cert.pem and key.pem."""

    disk: str
    client: str
    path: str

    def place(self) -> None:
        """Put the disk in its place, unless something is there. Raises InputError."""
        try:
            data = files.read(self.disk)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(descriptor, "wb") as file:
                file.write(data)
        except OSError as error:
            raise InputError(f"{self.path} cannot be written: {error.strerror}") from error


@contextlib.contextmanager
def made(
    path: str, machine: str, url: str, *, names: Iterable[str] = (), contract: str = CONTRACT
) -> Iterator[Made]:
    """Make keys, certificates and the disk, for a daemon that clients reach at `url`.

    `names` are further names and addresses in its certificate. Raises InputError, ProgramMissing,
    CertificateError, ImageExportError.
    """
    from dinv.authorities.local import LocalAuthority
    from dinv.pki.certificates import issue

    host = (of_url(url) or ("", 0))[0]
    if not url.startswith("tcp://") or not host:
        raise InputError(f'"{url}" is not the URL of a Docker daemon with TLS, such as tcp://HOST:2376')
    if os.path.lexists(path):
        raise InputError(f"{path} is there already, and might be a disk in use. Remove it, or name another.")
    ext4.program("mke2fs", "a disk with certificates")
    with scratch.directory("dinv-certificates-") as directory:
        keys, given, client = (os.path.join(directory, name) for name in ("keys", "given", "client"))
        for place in (keys, given, client):
            os.mkdir(place, 0o700)
        authority = LocalAuthority(machine=machine, directory=keys, options={})
        issue(authority, machine=machine, directory=keys, names=[host, *names])
        for name in client_files.NAMES:
            os.rename(os.path.join(keys, name), os.path.join(client, name))
        _write_given(given, machine, keys, os.path.join(client, "ca.pem"), contract)
        disk = os.path.join(directory, "disk")
        ext4.make_small(disk, given, size=_SIZE, label=LABEL, deadline=Deadline(_SECONDS))
        yield Made(disk, client, path)


def _write_given(directory: str, machine: str, keys: str, ca: str, contract: str) -> None:
    """Write what goes to /etc/dinv in the machine."""
    found = find(contract).files(
        ca=files.read(ca),
        certificate=files.read(os.path.join(keys, "server.pem")),
        key=files.read(os.path.join(keys, "server-key.pem")),
        options={},
        driver_name="none",
    )
    for file in found:
        if not file.path.startswith(_CONFIG):
            raise InputError(f"Images of the contract {contract} take no certificates in {_CONFIG}")
        path = os.path.join(directory, file.path.removeprefix(_CONFIG))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        files.write(path, file.content, mode=file.mode)
    files.write(os.path.join(directory, "hostname"), f"{machine}\n".encode(), mode=0o644)
