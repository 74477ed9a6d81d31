"""Calls of step-ca's HTTP API (smallstep/certificates: api/api.go, api/sign.go)."""

from __future__ import annotations

import re

from cryptography.hazmat.primitives import hashes, serialization

from dinv.authorities.http import Server
from dinv.errors import CertificateError
from dinv.pki import pem
from dinv.pki.certificates import load_chain
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from cryptography import x509

    from dinv.authorities.http import Answer

_PAGE = 100  # DefaultProvisionersMax in authority/provisioner/collection.go
_MOST_PAGES = 20
_LONGEST = "Raise maxTLSCertDuration of {provisioner} (`step ca provisioner update NAME --x509-max-dur=...`)"


class StepClient:
    """A step-ca at `url`, known by its root: a file, or one whose SHA-256 is `fingerprint`, in lower case.

    `provisioner` is what messages call the provisioner. Every method raises AuthorityError, with what to
    change there, and CertificateError. Nothing is read or connected to before it is needed.
    """

    def __init__(self, url: str, *, root: str, fingerprint: str, provisioner: str) -> None:
        self._url = url
        self._root = root
        self._fingerprint = fingerprint
        self._provisioner = provisioner
        self._trusted: list[x509.Certificate] = []
        self._opened: Server | None = None

    @property
    def server(self) -> Server:
        """Return its server, which is verified by the root."""
        if self._opened is None:
            text = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in self.roots())
            self._opened = self._open(ca_text=text.decode())
        return self._opened

    def roots(self) -> list[x509.Certificate]:
        """Return the certificates in the file, or the one that the CA has by the fingerprint."""
        if not self._trusted:
            path = self._root
            self._trusted = load_chain(pem.read(path), path) if path else [self._fetched()]
        return self._trusted

    def provisioners(self) -> Iterator[dict[str, Any]]:
        """Yield its JWK provisioners, as in its ca.json."""
        cursor = ""
        for _ in range(_MOST_PAGES):
            answer = self.server.get(f"provisioners?limit={_PAGE}" + (f"&cursor={cursor}" if cursor else ""))
            found = self._good(answer)
            listed = found.get("provisioners")
            for each in listed if isinstance(listed, list) else ():
                if isinstance(each, dict) and str(each.get("type")).upper() == "JWK":
                    yield each
            cursor = str(found.get("nextCursor") or "")
            if not re.fullmatch(r"[0-9a-f]+", cursor):
                return

    def healthy(self) -> None:
        """Raise AuthorityError unless it answers."""
        self._good(self.server.get("health"))

    def sign(self, body: Mapping[str, str]) -> list[x509.Certificate]:
        """Have a request signed: `csr`, `ott`, and perhaps `notAfter`; return the chain."""
        self.server.hide(body["ott"])
        found = self._good(self.server.post("1.0/sign", body))
        texts = found.get("certChain") or [found.get("crt"), found.get("ca")]
        if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
            raise self.server.unusable("there is no chain in it")
        return load_chain("\n".join(texts).encode(), "the chain in step-ca's answer")

    def _open(self, *, ca_text: str = "", verify: bool = True) -> Server:
        return Server(
            "step", self._url, url_option="step-url", ca_option="step-root", ca_text=ca_text, verify=verify
        )

    def _fetched(self) -> x509.Certificate:
        """Fetch the root that has the fingerprint. Who sends it makes no difference: its hash is compared."""
        server = self._open(verify=False)
        answer = server.get(f"root/{self._fingerprint}")
        found = answer.json()
        if not answer.ok:
            advice = "It has no root with this fingerprint: see " + option("step-fingerprint") + "."
            raise answer.refused(server.quoted(str(found.get("message") or "")), advice)
        text = found.get("ca")
        root = load_chain(text.encode() if isinstance(text, str) else b"", "the root that step-ca sent")[0]
        if root.fingerprint(hashes.SHA256()).hex() != self._fingerprint:
            raise CertificateError(
                f"{server.address} sent another root certificate than the one asked for by "
                + option("step-fingerprint")
                + ". Somebody in between may have answered in its place: nothing was sent to it."
            )
        return root

    def _good(self, answer: Answer) -> dict[str, Any]:
        found = answer.json()
        if answer.ok:
            return found
        said = self.server.quoted(str(found.get("message") or ""))
        raise answer.refused(said, self._advice(answer.status, said))

    def _advice(self, status: int, said: str) -> str:
        if status == 401:
            return (
                f"The CA's log says why. It may not know {self._provisioner} or its key; its clock may be "
                f"different from this one; or {self.server.address} is not one of its dnsNames."
            )
        if "maximum certificate duration" in said:
            return _LONGEST.format(provisioner=self._provisioner) + (
                ", or ask for less, by " + option("cert-lifetime") + "."
            )
        if "minimum certificate duration" in said:
            return "Ask for more, by " + option("cert-lifetime") + "."
        if "valid common name" in said:
            return "The signing request has to be made out to the name of whom it is for."
        if status == 403:
            return f"See the policy and the template of {self._provisioner}, and the CA's log."
        return ""
