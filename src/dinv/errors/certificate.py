"""Keys and certificates, and the authorities that sign them."""

from __future__ import annotations

from dinv.errors.base import DinvError


class CertificateError(DinvError):
    """A key or a certificate cannot be created, read or used."""


class AuthorityError(CertificateError):
    """An authority that is a server or another program did not sign.

    `authority` is its name as in `--authority`; `address` its URL, or the command that was run; `reason`
    says what happened: it continues `The authority "vault" at https://...` or `The authority "exec" (sign)`.
    """

    def __init__(self, authority: str, address: str, reason: str, advice: str = "") -> None:
        where = f"at {address}" if "://" in address else f"({address})"
        said = f'The authority "{authority}" {where} {reason}'
        # What a program said may be several lines.
        end = "" if reason.endswith("\n") else " " if reason.endswith((".", "!", "?")) else ". "
        super().__init__(said + end + advice if advice else said.rstrip("\n"))
        self.authority = authority
        self.address = address
        self.reason = reason


class AuthorityUnreachable(AuthorityError):
    """There was no answer: nothing listens, the TLS handshake failed, or the time was up."""


class AuthorityRefused(AuthorityError):
    """It answered, and does not sign. `status` is its HTTP status or, of a command, its exit status."""

    def __init__(self, authority: str, address: str, reason: str, advice: str = "", *, status: int) -> None:
        super().__init__(authority, address, reason, advice)
        self.status = status


class ChainRefused(CertificateError):
    """What an authority signed is not what it was asked for, and was not stored.

    `role` is "server" or "client"; `fault` says in one word what is wrong, as in dinv.pki.requests.Fault;
    `reason` says it in words; `remedy` is what to change at the authority, or "".
    """

    def __init__(self, role: str, fault: str, reason: str, remedy: str = "") -> None:
        said = (
            f"The {role} certificate that the authority signed cannot be used: {reason}. It was not stored."
        )
        super().__init__(said + " " + remedy if remedy else said)
        self.role = role
        self.fault = fault
        self.reason = reason
        self.remedy = remedy
