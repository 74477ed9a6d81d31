"""Which files TLS goes by."""

from __future__ import annotations


class TLSFiles:
    """The files of TLS, as in docker's DOCKER_CERT_PATH: ca.pem, cert.pem, key.pem; each may be None.

    `verify=False` is docker's `--tls`: the server may be anybody.
    """

    __slots__ = ("ca", "cert", "key", "verify")

    def __init__(
        self, ca: str | None = None, cert: str | None = None, key: str | None = None, *, verify: bool = True
    ) -> None:
        self.ca = ca
        self.cert = cert
        self.key = key
        self.verify = verify
