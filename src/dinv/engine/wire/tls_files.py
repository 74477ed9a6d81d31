"""The files that TLS uses."""

from __future__ import annotations

import os

from dinv.pki.client_files import NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self


class TLSFiles:
    """The files of TLS, as in docker's DOCKER_CERT_PATH: ca.pem, cert.pem, key.pem; each may be None.

    `verify=False` is docker's `--tls`: the server is not verified. `ca_text` is the CA itself, PEM, in place
    of a file. `only_looks` says that the connection is no use of a machine: it only asks whether it answers.
    """

    __slots__ = ("ca", "ca_text", "cert", "key", "only_looks", "verify")

    def __init__(
        self,
        ca: str | None = None,
        cert: str | None = None,
        key: str | None = None,
        *,
        verify: bool = True,
        ca_text: str = "",
        only_looks: bool = False,
    ) -> None:
        self.ca = ca
        self.cert = cert
        self.key = key
        self.verify = verify
        self.ca_text = ca_text
        self.only_looks = only_looks

    @classmethod
    def of_directory(cls, directory: str, *, only_looks: bool = False) -> Self:
        """Return all three, in a directory such as DOCKER_CERT_PATH."""
        return cls(*(os.path.join(directory, name) for name in NAMES), only_looks=only_looks)
