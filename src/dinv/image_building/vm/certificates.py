"""What brings a virtual machine its certificates: a disk or user data. Their CA signs nothing else.

Its key is not kept: whoever wants other certificates makes another disk.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import NamedTuple

from dinv.channel import File
from dinv.errors import InputError
from dinv.formats.host_port import of_url
from dinv.image_building.vm import ext4
from dinv.images import find
from dinv.pki import client_files
from dinv.system import files, scratch
from dinv.system.deadline import Deadline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

LABEL = "DINV"
"""The label by which `images/vm/init` finds the disk."""
CONTRACT = "dinv"
"""The image contract whose files are written, unless another is named."""
USER_DATA = "dinv"
"""The directory of LinuxKit's /run/config that user data are for."""
_CONFIG = "/etc/dinv/"
_SIZE = 4 * 1024 * 1024
_SECONDS = 60.0


class Made(NamedTuple):
    """A file that is complete and not in its place yet, and the client's ca.pem, cert.pem and key.pem."""

    complete: str
    client: str
    path: str

    def place(self) -> None:
        """Put the file in its place, unless something is there. Raises InputError."""
        try:
            data = files.read(self.complete)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(descriptor, "wb") as file:
                file.write(data)
        except OSError as error:
            raise InputError(f"{self.path} cannot be written: {error.strerror}") from error


@contextlib.contextmanager
def made(
    path: str,
    machine: str,
    url: str,
    *,
    format: str = "certificates",  # noqa: A002 - the option's name
    names: Iterable[str] = (),
    contract: str = CONTRACT,
) -> Iterator[Made]:
    """Make keys, certificates and what brings them, for a daemon that clients reach at `url`.

    `format` is one of CERTIFICATE_FORMATS; `names` are further names and addresses in its certificate. Raises
    InputError, ProgramMissing, CertificateError, ImageExportError.
    """
    from dinv.authorities.local import LocalAuthority
    from dinv.pki.certificates import issue

    host = (of_url(url) or ("", 0))[0]
    if not url.startswith("tcp://") or not host:
        raise InputError(f'"{url}" is not the URL of a Docker daemon with TLS, such as tcp://HOST:2376')
    if os.path.lexists(path):
        raise InputError(f"{path} is there already, and might be a disk in use. Remove it, or name another.")
    if format != "userdata":
        ext4.program("mke2fs", "a disk with certificates")
    with scratch.directory("dinv-certificates-") as directory:
        keys, client = (os.path.join(directory, name) for name in ("keys", "client"))
        for place in (keys, client):
            os.mkdir(place, 0o700)
        authority = LocalAuthority(machine=machine, directory=keys, options={})
        issue(authority, machine=machine, directory=keys, names=[host, *names])
        for name in client_files.NAMES:
            os.rename(os.path.join(keys, name), os.path.join(client, name))
        given = _given(machine, keys, os.path.join(client, "ca.pem"), contract)
        complete = os.path.join(directory, "complete")
        if format == "userdata":
            files.write(complete, user_data(given), mode=0o600)
        else:
            _write_disk(complete, directory, given)
        yield Made(complete, client, path)


def _given(machine: str, keys: str, ca: str, contract: str) -> dict[str, File]:
    """Return what goes to /etc/dinv in the machine, by its path there."""
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
    found.append(File(f"{_CONFIG}hostname", f"{machine}\n".encode()))
    return {file.path.removeprefix(_CONFIG): file for file in found}


def _write_disk(path: str, scratch_directory: str, given: Mapping[str, File]) -> None:
    directory = os.path.join(scratch_directory, "given")
    for name, file in given.items():
        place = os.path.join(directory, name)
        os.makedirs(os.path.dirname(place), 0o700, exist_ok=True)
        files.write(place, file.content, mode=file.mode)
    ext4.make_small(path, directory, size=_SIZE, label=LABEL, deadline=Deadline(_SECONDS))


def user_data(given: Mapping[str, File]) -> bytes:
    """Return the user data from which LinuxKit's package metadata writes the files, below /run/config/dinv.

    Its format: linuxkit, docs/metadata.md and pkg/metadata/main.go.
    """
    top: dict[str, Any] = {"entries": {}}
    for name, file in given.items():
        *directories, base = name.split("/")
        here = top
        for directory in directories:
            here = here["entries"].setdefault(directory, {"perm": "0700", "entries": {}})
        here["entries"][base] = {"perm": f"{file.mode:04o}", "content": file.content.decode()}
    return f"{json.dumps({USER_DATA: top}, indent=1)}\n".encode()
