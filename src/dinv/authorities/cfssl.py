"""The "cfssl" authority: a server of CloudFlare's cfssl signs, by its JSON API (cfssl: doc/api).

A profile of the server grants its usages to whatever it signs, and the server's default profile signs for
profiles that do not exist: so there is one profile for servers and another for clients, and what they say of
themselves is looked at before a create makes anything. Names are those in the request: `hosts` and `subject`,
which would replace them, are never sent.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from cryptography.hazmat.primitives import serialization

from dinv.authorities import Authority
from dinv.authorities.http import Server
from dinv.declaration import PATH, Option
from dinv.errors import AuthorityError, CertificateError, OptionError
from dinv.formats import json_text
from dinv.pki import pem
from dinv.pki.certificates import load_chain
from dinv.pki.chain import signed_by
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from cryptography import x509

    from dinv.authorities.http import Answer
    from dinv.pki.requests import CertificateRequest, Fault, Role
    from dinv.progress import Progress

_NEEDED = ("cfssl-url", "cfssl-profile", "cfssl-client-profile")
_API = "api/v1/cfssl"
_NOT_FOUND = 404
_KEY_VARIABLE = "DINV_CFSSL_AUTH_KEY"
_USAGES = {"server": "server auth", "client": "client auth"}
_OTHERS = ("any", "code signing", "email protection", "s/mime", "ipsec end system", "ipsec tunnel",
           "ipsec user", "timestamping", "ocsp signing", "microsoft sgc", "netscape sgc")  # fmt: skip
"""Extended usages, as config.ExtKeyUsage of cfssl names them."""

OPTIONS = (
    Option("cfssl-url", "DINV_CFSSL_URL", "URL of the server", metavar="URL"),
    Option(
        "cfssl-profile",
        "DINV_CFSSL_PROFILE",
        'profile that signs the machine\'s certificates, with the usage "server auth"',
        metavar="PROFILE",
    ),
    Option(
        "cfssl-client-profile",
        "DINV_CFSSL_CLIENT_PROFILE",
        'profile that signs its users\' certificates, with "client auth"; it has to be another',
        metavar="PROFILE",
    ),
    Option(
        "cfssl-label",
        "DINV_CFSSL_LABEL",
        "which of the CAs of a multirootca signs",
        metavar="LABEL",
        default="",
    ),
    Option(
        "cfssl-auth-key",
        "DINV_CFSSL_AUTH_KEY",
        "key of profiles that have an auth_key, in hex",
        secret=True,
    ),
    Option(
        "cfssl-ca-cert",
        "DINV_CFSSL_CA_CERT",
        "CA that the server's own TLS certificate is from, if the system does not know it",
        type=PATH,
        metavar="FILE",
    ),
    Option(
        "cfssl-cert",
        "DINV_CFSSL_CERT",
        "client certificate for the server (-mutual-tls-ca)",
        type=PATH,
        metavar="FILE",
    ),
    Option("cfssl-key", "DINV_CFSSL_KEY", "its private key", type=PATH, metavar="FILE"),
    Option(
        "cfssl-anchor",
        "DINV_CFSSL_ANCHOR",
        "root CA that machines and users trust, and the CAs between, if the server signs with another one",
        type=PATH,
        metavar="FILE",
    ),
)


class CfsslAuthority(Authority):
    """Signs with a cfssl server. Without `cfssl-anchor` its CA has to be a root."""

    name = "cfssl"

    def __init__(self, *, machine: str, directory: str, options: Mapping[str, Any]) -> None:
        super().__init__(machine=machine, directory=directory, options=options)
        self._profiles: dict[Role, str] = {
            "server": self._option("cfssl-profile"),
            "client": self._option("cfssl-client-profile"),
        }
        self._opened: Server | None = None
        self._issuers: list[x509.Certificate] | None = None

    @classmethod
    def create_flags(cls) -> Sequence[Option]:
        return OPTIONS

    @property
    def ca_elsewhere(self) -> str:
        return f'kept by the authority "cfssl" ({self._option("cfssl-url")})'

    # At a create

    def check(self) -> None:
        """Check that the server is there, and that both profiles have their one usage. Signs nothing.

        Raises OptionError, CertificateError.
        """
        self._key()
        for role, profile in self._profiles.items():
            facts = self._info(profile)
            if facts is not None:
                self._check_usages(role, facts.get("usages"))
        self._anchors()

    def prepare(self, progress: Progress) -> None:
        """Say whom the machine will let in."""
        names = ", ".join(f'"{each.subject.rfc4514_string()}"' for each in self._anchors())
        progress.note(
            f"Whoever has a client certificate from {names}, or below, can reach {self.machine} too"
        )

    def _check_usages(self, role: Role, usages: object) -> None:
        found = [str(each).lower() for each in usages] if isinstance(usages, list) else []
        granted = [each for each in found if each in (*_USAGES.values(), *_OTHERS)]
        if granted != [_USAGES[role]]:
            has = f"grants {', '.join(granted)}" if granted else "grants no extended usage"
            raise self._error(
                f"would not do for {role}s: {self._named(role)} {has}", self.remedy("usage", role)
            )

    # Signing

    def trust_anchor(self) -> bytes:
        """Return the roots in `cfssl-anchor`, or the server's own CA."""
        return b"".join(_in_pem(each) for each in self._anchors())

    def certificate(self, request: CertificateRequest) -> bytes:
        """Have the profile for the request's side sign; return the certificate, and the CAs known here."""
        wanted = {"certificate_request": request.csr.decode(), "profile": self._profiles[request.role]}
        if self._option("cfssl-label"):
            wanted["label"] = self._option("cfssl-label")
        key = self._key()
        if key is None:
            answer = self._server.post(f"{_API}/sign", wanted)
        else:
            body = json_text.text(wanted).encode()
            token = hmac.new(key, body, hashlib.sha256).digest()
            sealed = {"token": _base64(token), "request": _base64(body)}
            answer = self._server.post(f"{_API}/authsign", sealed)
        leaf = self._certificate(self._result(answer, request.role))
        return leaf + b"".join(map(_in_pem, self._known()))

    def remedy(self, fault: Fault, role: Role) -> str:
        """Return what to change in the server's configuration."""
        profile = self._named(role)
        if fault == "usage":
            return (
                f'Give {profile} "usages": ["digital signature", "{_USAGES[role]}"] in the server\'s '
                f"configuration. If there is no profile of that name, the default one has answered."
            )
        if fault == "root":
            return "Name the root by " + option("cfssl-anchor", "FILE") + "."
        return {
            "lifetime": f'Lifetimes are those of {profile}: "expiry" in the server\'s configuration.',
            "names": f'Names can be limited by "name_whitelist" of {profile}.',
            "holder": "cfssl takes the name in the request as it is: it has to be in that.",
            "dates": f'See "not_before", "not_after" and "backdate" of {profile}.',
        }.get(fault, "")

    def _known(self) -> list[x509.Certificate]:
        """Return the CAs that may be above what the server signs: its own, and those in the file."""
        if self._issuers is None:
            path = self._option("cfssl-anchor")
            found = load_chain(pem.read(path), path) if path else []
            facts = self._info(self._profiles["server"])
            if facts is not None:
                found = [*load_chain(self._certificate(facts), "the server's answer"), *found]
            elif not found:
                raise self._error("does not tell its CA: it has no /info", self.remedy("root", "server"))
            self._issuers = list(dict.fromkeys(found))
        return self._issuers

    def _anchors(self) -> list[x509.Certificate]:
        """Return the roots: those in the file if one is named, and no others."""
        path = self._option("cfssl-anchor")
        found = load_chain(pem.read(path), path) if path else self._known()
        roots = [each for each in found if signed_by(each, each)]
        if roots:
            return roots
        if path:
            raise CertificateError(f"{path} has no root: no certificate in it is signed by itself.")
        raise self._error(
            f'signs with "{found[0].subject.rfc4514_string()}", which is not a root. OpenSSL and '
            f"Python trust roots only",
            self.remedy("root", "server"),
        )

    # The server

    def _info(self, profile: str) -> dict[str, Any] | None:
        """Return what the server says of a profile, and its CA; None if it does not say.

        For a profile that it does not have, that is what it says of its default profile.
        """
        answer = self._server.post(f"{_API}/info", {"label": self._option("cfssl-label"), "profile": profile})
        if answer.status == _NOT_FOUND:  # newer servers have -disable
            return None
        return self._result(answer, "server")

    def _result(self, answer: Answer, role: Role) -> dict[str, Any]:
        """Return the result in an answer's envelope. Raises AuthorityError."""
        body = answer.json()
        result = body.get("result")
        if answer.ok and body.get("success") is True and isinstance(result, dict):
            return result
        if body.get("success") is not False:
            text = answer.body.decode("utf-8", "replace")
            raise self._server.unusable(f"not cfssl's: {self._server.quoted(text)}")
        errors = body.get("errors")
        said = [
            f"{each.get('message')} (code {each.get('code')})"
            for each in (errors if isinstance(errors, list) else ())
            if isinstance(each, dict)
        ]
        words = self._server.quoted("; ".join(said))
        raise answer.refused(words, self._advice(words, role))

    def _advice(self, words: str, role: Role) -> str:
        """Return what to do about what the server said."""
        profile = self._named(role)
        if "authentication required" in words:
            return (
                f"For {role}s, {profile} has an auth_key: put it, in hex, into the variable {_KEY_VARIABLE}."
            )
        if "invalid token" in words:
            return f"The key in {_KEY_VARIABLE} is not the one of {profile}."
        if "no authentication provider" in words:
            return f"For {role}s, {profile} has no auth_key: give it one, or unset {_KEY_VARIABLE}."
        if "whitelist" in words:
            return f'Its "name_whitelist" has to allow the names of machines, for {profile}.'
        return ""

    def _certificate(self, result: Mapping[str, Any]) -> bytes:
        found = result.get("certificate")
        if not isinstance(found, str) or not found.isascii():
            raise self._server.unusable("there is no certificate in it")
        return found.encode().rstrip() + b"\n"

    @property
    def _server(self) -> Server:
        if self._opened is None:
            self._check_options()
            self._opened = Server(
                self.name,
                self._option("cfssl-url"),
                url_option="cfssl-url",
                ca=self._option("cfssl-ca-cert"),
                ca_option="cfssl-ca-cert",
                cert=self._option("cfssl-cert"),
                key=self._option("cfssl-key"),
            )
            self._opened.hide(self._option("cfssl-auth-key"))
        return self._opened

    def _error(self, reason: str, advice: str = "") -> AuthorityError:
        return AuthorityError(self.name, self._server.address, reason, advice)

    # Its options

    def _option(self, name: str) -> str:
        return str(self.options[name.replace("-", "_")] or "")

    def _named(self, role: Role) -> str:
        return f'the profile "{self._profiles[role]}"'

    def _key(self) -> bytes | None:
        """Return the key for authsign, if there is one."""
        text = self._option("cfssl-auth-key").strip()
        try:
            return bytes.fromhex(text) if text else None
        except ValueError:
            raise OptionError("is not in hex", option="cfssl-auth-key") from None

    def _check_options(self) -> None:
        for name in _NEEDED:
            if not self._option(name):
                raise OptionError('is not given, and the authority "cfssl" needs it', option=name)
        if self._profiles["server"] == self._profiles["client"]:
            raise OptionError(
                "is the same as "
                + option("cfssl-profile")
                + ". A profile grants its usages to whatever it signs: whoever has the machine's certificate "
                "could use it as a client's. Have two profiles",
                option="cfssl-client-profile",
            )
        if bool(self._option("cfssl-cert")) != bool(self._option("cfssl-key")):
            given, missing = ("cfssl-cert", "cfssl-key")[:: 1 if self._option("cfssl-cert") else -1]
            raise OptionError(
                "is given without " + option(missing) + ": a certificate and its key go together",
                option=given,
            )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _in_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
