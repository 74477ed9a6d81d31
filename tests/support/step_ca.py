"""A stand-in for step-ca: what its API checks and grants, as its source has it. It is not a step-ca.

There is no step-ca in a package registry, so dinv has not been tried with a real one. This follows
smallstep/certificates, in authority/ and authority/provisioner/ if nothing else is said: api/sign.go and
api/api.go (paths, bodies, statuses), authorize.go (a token is good once, and not from before the start),
jwk.go (issuer, audience, leeway of a minute, subject), collection.go (the provisioner is found by name and
`kid`; audiences are compared without ports), sign_options.go (common name, alternative names, lifetimes),
claims.go and config/config.go (5 minutes to 24 hours, backdated by one), errs/error.go (what of an error a
client is told).

Templates are functions here, from a token's claims to usages, names and subject.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import http.server
import ipaddress
import json
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from jwk import thumbprint, unpadded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jwk import Key

    Template = Callable[[dict[str, Any]], dict[str, Any]]

_USAGES = {"serverAuth": ExtendedKeyUsageOID.SERVER_AUTH, "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH}
_SEE_LOG = "Please see the certificate authority logs for more info."
_UNAUTHORIZED = f"The request lacked necessary authorization to be completed. {_SEE_LOG}"
_FORBIDDEN = "The request was forbidden by the certificate authority: {}."
_LEEWAY = 60
_BACKDATE = dt.timedelta(minutes=1)


class Refused(Exception):
    def __init__(self, status: int, message: str, log: str) -> None:
        super().__init__(log)
        self.status = status
        self.message = message


def default_template(token: dict[str, Any]) -> dict[str, Any]:
    """step-ca's own: both usages, and the subject as a name where the token has none."""
    return {
        "subject": token["sub"],
        "sans": token.get("sans") or [token["sub"]],
        "extKeyUsage": ["serverAuth", "clientAuth"],
    }


def documented_template(token: dict[str, Any]) -> dict[str, Any]:
    """That of docs/authorities.md. Go's `eq` fails where the claim is missing."""
    if not isinstance(token.get("dinv_role"), str):
        raise Refused(
            403, _FORBIDDEN.format("error signing certificate"), "incompatible types for comparison"
        )
    server = token["dinv_role"] == "server"
    names = {"sans": token.get("sans") or [token["sub"]]} if server else {}
    return {"subject": token["sub"], "extKeyUsage": ["serverAuth" if server else "clientAuth"], **names}


def differs(what: str, got: object, want: object) -> Refused:
    said = f"certificate request does not contain the valid {what} - got {got}, want {want}"
    return Refused(403, _FORBIDDEN.format(said), said)


_KEY_USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


def key_usage(*names: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in names for name in _KEY_USAGES})


class StepCA:
    """A CA with a root, an intermediate and one JWK provisioner. `log` is why it refused."""

    def __init__(self, *, template: Template = documented_template, key: Key | None = None) -> None:
        self.template = template
        self.longest = dt.timedelta(hours=24)
        self.shortest = dt.timedelta(minutes=5)
        self.name = "dinv"
        self.key: Key = key or ec.generate_private_key(ec.SECP256R1())
        self.kid = thumbprint(self.key)
        self.log: list[str] = []
        self.used: set[str] = set()
        self.dns_names = ["127.0.0.1"]
        self.clock_ahead = 0.0
        self.start = time.time() - 1
        self.answer: tuple[int, bytes] | None = None
        self.url = ""
        self._root_key, self._key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        root_name, name = (
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Test {kind} CA")])
            for kind in ("Root", "Intermediate")
        )
        self.root = self._ca(root_name, self._root_key, root_name, 1)
        self.intermediate = self._ca(name, self._key, root_name, 0)

    @property
    def fingerprint(self) -> str:
        return self.root.fingerprint(hashes.SHA256()).hex()

    @property
    def root_pem(self) -> str:
        return pem(self.root)

    def _ca(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, issuer: x509.Name, length: int
    ) -> x509.Certificate:
        return self._certificate(
            name,
            key.public_key(),
            issuer,
            dt.timedelta(days=10),
            self._root_key,
            [
                (x509.BasicConstraints(ca=True, path_length=length), True),
                (key_usage("key_cert_sign", "crl_sign"), True),
            ],
        )

    def _certificate(  # noqa: PLR0917
        self,
        name: x509.Name,
        key: Any,
        issuer: x509.Name,
        lasting: dt.timedelta,
        signer: ec.EllipticCurvePrivateKey,
        extensions: list[tuple[x509.ExtensionType, bool]],
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATE)
            .not_valid_after(now + lasting)
        )
        extensions = [
            *extensions,
            (x509.SubjectKeyIdentifier.from_public_key(key), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False),
        ]
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(signer, hashes.SHA256())

    # What it checks

    def sign(self, body: dict[str, Any]) -> dict[str, Any]:
        csr = x509.load_pem_x509_csr(body["csr"].encode())
        if not csr.is_signature_valid:
            raise Refused(400, "The request could not be completed: invalid csr.", "invalid csr")
        claims = self._authorized(body["ott"])
        name = csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        if name and name[0].value != claims["sub"]:
            raise differs("common name", name[0].value, claims["sub"])
        self._check_names(csr, claims.get("sans") or [claims["sub"]])
        lasting = self._lasting(str(body.get("notAfter") or ""))
        made = self.template(claims)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, made["subject"])])
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (key_usage("digital_signature"), True),
            (x509.ExtendedKeyUsage([_USAGES[each] for each in made["extKeyUsage"]]), False),
        ]
        if made.get("sans"):
            extensions.append(
                (x509.SubjectAlternativeName([general_name(each) for each in made["sans"]]), False)
            )
        leaf = self._certificate(
            subject, csr.public_key(), self.intermediate.subject, lasting, self._key, extensions
        )
        return {
            "crt": pem(leaf),
            "ca": pem(self.intermediate),
            "certChain": [pem(leaf), pem(self.intermediate)],
        }

    def _authorized(self, token: str) -> dict[str, Any]:
        try:
            head, payload, signature = token.split(".")
            header, claims = (json.loads(unpadded(part)) for part in (head, payload))
        except ValueError as error:
            raise self._unauthorized(f"error parsing token: {error}") from error
        now = time.time() + self.clock_ahead
        if claims.get("iat", now) < self.start:
            raise self._unauthorized("token issued before the bootstrap of certificate authority")
        audiences = {f"https://{name}{path}" for name in self.dns_names for path in ("/1.0/sign", "/sign")}
        asked = claims.get("aud")
        given = {without_port(each) for each in ([asked] if isinstance(asked, str) else asked or [])}
        if not given & audiences:
            raise self._unauthorized(f"provisioner not found or invalid audience ({asked})")
        if (claims.get("iss"), header.get("kid")) != (self.name, self.kid):
            raise self._unauthorized("provisioner not found")
        if claims.get("jti") in self.used:
            raise self._unauthorized("token already used")
        self.used.add(claims.get("jti"))
        try:
            self._verify(header.get("alg"), f"{head}.{payload}".encode(), unpadded(signature))
        except (InvalidSignature, ValueError) as error:
            raise self._unauthorized("error parsing jwk claims") from error
        if claims.get("nbf", now) > now + _LEEWAY or claims.get("exp", now) < now - _LEEWAY:
            raise self._unauthorized("invalid jwk claims")
        if claims.get("iat", now) > now + _LEEWAY:
            raise self._unauthorized("token used before issued")
        if not claims.get("sub"):
            raise self._unauthorized("jwk token subject cannot be empty")
        checked: dict[str, Any] = claims
        return checked

    def _unauthorized(self, log: str) -> Refused:
        return Refused(401, _UNAUTHORIZED, log)

    def _verify(self, algorithm: object, data: bytes, signature: bytes) -> None:
        key = self.key.public_key()
        if isinstance(key, ec.EllipticCurvePublicKey):
            wanted, digest = {256: ("ES256", hashes.SHA256()), 384: ("ES384", hashes.SHA384())}[key.key_size]
            half = key.key_size // 8
            if len(signature) != 2 * half:
                raise InvalidSignature
            pair = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
            key.verify(encode_dss_signature(*pair), data, ec.ECDSA(digest))
        elif isinstance(key, rsa.RSAPublicKey):
            wanted = "RS256"
            key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
        else:
            wanted = "EdDSA"
            key.verify(signature, data)
        if algorithm != wanted:
            raise InvalidSignature

    def _check_names(self, csr: x509.CertificateSigningRequest, wanted: list[str]) -> None:
        try:
            found = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return
        for kind, what in ((x509.DNSName, "DNS names"), (x509.IPAddress, "IP addresses")):
            got = {str(name) for name in found.get_values_for_type(kind)}
            want = {str(name.value) for name in map(general_name, wanted) if isinstance(name, kind)}
            if got and got != want:
                raise differs(what, sorted(got), sorted(want))

    def _lasting(self, asked: str) -> dt.timedelta:
        lasting = dt.timedelta(seconds=float(asked.removesuffix("s"))) if asked else self.longest
        whole = lasting + _BACKDATE
        for wrong, than, bound, limit in (
            (whole < self.shortest, "less", "minimum", self.shortest),
            (whole > self.longest + _BACKDATE, "more", "maximum", self.longest + _BACKDATE),
        ):
            if wrong:
                said = f"requested duration of {whole} is {than} than the authorized {bound} certificate"
                raise Refused(403, _FORBIDDEN.format(f"{said} duration of {limit}"), said)
        return lasting

    # What it answers

    def got(self, path: str) -> tuple[int, dict[str, Any]]:
        parts = urlsplit(path)
        if parts.path == "/health":
            return 200, {"status": "ok"}
        if parts.path.startswith("/root/"):
            if parts.path.removeprefix("/root/") != self.fingerprint:
                return 404, {
                    "status": 404,
                    "message": f"The requested resource could not be found. {_SEE_LOG}",
                }
            return 200, {"ca": pem(self.root)}
        if parts.path == "/provisioners":
            if not parse_qs(parts.query).get("cursor"):
                return 200, {"provisioners": [{"type": "ACME", "name": "acme"}], "nextCursor": "1f"}
            key = {"kty": "EC", "use": "sig", "kid": self.kid}
            return 200, {"provisioners": [{"type": "JWK", "name": self.name, "key": key}], "nextCursor": ""}
        return 404, {"status": 404, "message": "Not Found"}

    def posted(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if path not in ("/1.0/sign", "/sign"):
            return 404, {"status": 404, "message": "Not Found"}
        try:
            return 201, self.sign(json.loads(body))
        except Refused as refused:
            self.log.append(str(refused))
            return refused.status, {"status": refused.status, "message": refused.message}


@contextlib.contextmanager
def running(ca: StepCA, directory: Path) -> Iterator[StepCA]:
    """It listens on loopback, with a certificate of its own making."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    own = ca._certificate(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Step Online CA")]),
        key.public_key(),
        ca.intermediate.subject,
        dt.timedelta(hours=1),
        ca._key,
        [(names, False), (usage, False)],
    )
    pair = directory / "online.pem"
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pair.write_text(plain.decode() + pem(own) + pem(ca.intermediate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply(*ca.got(self.path))

        def do_POST(self) -> None:
            self.reply(*ca.posted(self.path, self.rfile.read(int(self.headers["Content-Length"]))))

        def reply(self, status: int, found: dict[str, Any]) -> None:
            status, body = ca.answer or (status, json.dumps(found).encode())
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        # Shaken hands in the thread of the connection, not in the one that accepts.
        listener.socket = context.wrap_socket(
            listener.socket, server_side=True, do_handshake_on_connect=False
        )
        listener.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that do not trust it
        ca.url = f"https://127.0.0.1:{listener.server_port}"
        thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield ca
        finally:
            listener.shutdown()
            thread.join()


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def without_port(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{parts.path}"
