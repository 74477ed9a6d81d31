"""What a service does for the machines that it looks after, where dinv does it itself for its own."""

from __future__ import annotations

from abc import ABC, abstractmethod


class Given:
    """Access that was given: where the machine is, and PEM; `serial` in hex, `not_after` in RFC 3339."""

    def __init__(self, url: str, ca: bytes, certificate: bytes, *, serial: str, not_after: str) -> None:
        self.url = url
        self.ca = ca
        self.certificate = certificate
        self.serial = serial
        self.not_after = not_after


class Held:
    """A certificate that was given there: times in RFC 3339, UTC, "" for none; `holder` is "" for the owner.

    `serial` is in lower-case hex without leading zeros.
    """

    def __init__(
        self, serial: str, holder: str, *, given: str, by: str, not_after: str, revoked: str = ""
    ) -> None:
        self.serial = serial
        self.holder = holder
        self.given = given
        self.by = by
        self.not_after = not_after
        self.revoked = revoked


class Remote(ABC):
    """One machine of such a service. Nothing of it is asked before the first call."""

    @abstractmethod
    def certify(self) -> None:
        """Replace the client's certificate and key by new ones. Raises CertificateError."""

    @abstractmethod
    def share(self, holder: str, csr: bytes, lifetime: int | None) -> Given:
        """Have somebody else's signing request certified, for `lifetime` seconds, or as is usual there."""

    @abstractmethod
    def held(self) -> list[Held]:
        """Return the certificates that were given for it, the owner's among them, the latest first."""

    @abstractmethod
    def revoke(self, serial: str) -> None:
        """Have one refused from now on."""

    @abstractmethod
    def extend(self, seconds: int) -> str:
        """Keep it for so long from now; record and return its end, RFC 3339: it may be less, or more."""
