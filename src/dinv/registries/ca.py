"""CAs of private registries, for a machine's daemon to trust.

They are kept in the machine's directory in the store, so that they are installed again whenever the machine
is recreated, and go into `/etc/docker/certs.d/HOST/ca.crt`, where dockerd reads them at each pull (moby:
registry/registry.go). On a VCH that was twelve manual steps (vic#6282).
"""

from __future__ import annotations

import os
import re

from dinv.channel import File
from dinv.errors import OptionError
from dinv.system import files, home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FOLDER = "registry-ca"
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*(:\d{1,5})?|\[[0-9a-fA-F:]+\](:\d{1,5})?")


def read(given: Iterable[str]) -> dict[str, bytes]:
    """Return the PEM certificates named by `HOST=FILE` texts, by registry host. Raises OptionError."""
    found = {}
    for text in given:
        host, equals, path = text.partition("=")
        if not equals or not _HOST.fullmatch(host) or not path:
            raise _refused(text, "is not HOST=FILE, such as registry.test:5000=ca.crt")
        try:
            found[host] = files.read(home.expanded(path))
        except OSError as error:
            raise _refused(text, f": {path}: {error.strerror}") from error
        if b"-----BEGIN CERTIFICATE-----" not in found[host]:
            raise _refused(text, f": {path} holds no certificate in PEM")
        if b"PRIVATE KEY" in found[host]:
            raise _refused(text, f": {path} holds a private key, which a machine must not get")
    return found


def _refused(text: str, why: str) -> OptionError:
    return OptionError(why, option="registry-ca", value=text)


def keep(directory: str, certificates: Mapping[str, bytes]) -> None:
    """Write the certificates to a machine's directory. The caller must hold its lock. Raises OSError."""
    folder = os.path.join(directory, _FOLDER)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    files.write_all((os.path.join(folder, f"{host}.crt"), pem, 0o644) for host, pem in certificates.items())


def machine_files(directory: str) -> list[File]:
    """Return the files for a machine, from what its directory holds. Raises OSError."""
    folder = os.path.join(directory, _FOLDER)
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".crt"))
    except FileNotFoundError:
        return []
    return [
        File(
            f"/etc/docker/certs.d/{name.removesuffix('.crt')}/ca.crt", files.read(os.path.join(folder, name))
        )
        for name in names
    ]
