"""The server's TLS: a certificate of its own, by a CA of its own, or the given files; replaced while it runs.

The own one is in the server's directory, `tls/`: ca.pem (what clients are to trust, for ten years), cert.pem
and key.pem (90 days, made anew a month before their end, and when the names change).
"""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from dinv.errors import CertificateError, DinvError
from dinv.pki import certificates, signing
from dinv.pki.chain import names_of
from dinv.server.measures import CERTIFICATE_EXPIRY
from dinv.server.problems import Problem
from dinv.server.serving import buffers
from dinv.server.settings import Settings
from dinv.server.web.log import LOG
from dinv.system import files

LIFETIME = timedelta(days=90)
_RENEW_BEFORE = timedelta(days=30)
_LOOK_EVERY = 60.0
_WILDCARDS = ("0.0.0.0", "::", "")  # noqa: S104


class Certificates:
    """What the server shows when somebody connects. Raises Problem for files that cannot be used."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._directory = os.path.join(settings.state, "tls")
        self._is_own = not settings.tls_certificate
        self._seen: tuple[int, ...] = ()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        buffers.keep_small()
        self.refresh()

    @property
    def paths(self) -> tuple[str, str]:
        """Those of certificate and key."""
        if not self._is_own:
            return self._settings.tls_certificate, self._settings.tls_key
        return os.path.join(self._directory, "cert.pem"), os.path.join(self._directory, "key.pem")

    @property
    def ca_path(self) -> str:
        """What clients are to trust, "" where the certificate is a given one."""
        return os.path.join(self._directory, "ca.pem") if self._is_own else ""

    def fingerprint(self) -> str:
        """SHA-256 of the own CA, as browsers show it; "" where there is none."""
        if not self._is_own:
            return ""
        ca = x509.load_pem_x509_certificate(files.read(self.ca_path))
        return ca.fingerprint(hashes.SHA256()).hex(":").upper()

    def refresh(self) -> bool:
        """Renew what is due, and take up files that have changed; return whether there were any."""
        if self._is_own:
            _ensure_own(self._directory, names(self._settings))
        certificate, key = self.paths
        try:
            seen = tuple(os.stat(path).st_mtime_ns for path in (certificate, key))
            if seen == self._seen:
                return False
            leaf = x509.load_pem_x509_certificate(files.read(certificate))
            self.context.load_cert_chain(certificate, key)
        except (OSError, ValueError) as error:
            # ssl.SSLError is an OSError: a key that is another's, a file that is none.
            raise Problem(
                f"The server's certificate cannot be used: {certificate}, {key}: {error}"
            ) from error
        self._seen = seen
        CERTIFICATE_EXPIRY.labels("server").set(leaf.not_valid_after_utc.timestamp())
        return True

    def keep(self, stopping: threading.Event) -> threading.Thread:
        """Look after them in a thread until `stopping` is set."""

        def look() -> None:
            while not stopping.wait(_LOOK_EVERY):
                try:
                    if self.refresh():
                        LOG.info("the server's certificate was replaced")
                except DinvError as error:
                    # The one in use goes on being used.
                    LOG.error("the server's certificate was not replaced: %s", error)

        thread = threading.Thread(target=look, name="certificates", daemon=True)
        thread.start()
        return thread

    def faults(self) -> list[str]:
        """Return sentences about what is wrong with the certificate in use."""
        certificate, _ = self.paths
        leaf = x509.load_pem_x509_certificate(files.read(certificate))
        found = []
        left = leaf.not_valid_after_utc - datetime.now(UTC)
        if left < timedelta(0):
            found.append(f"{certificate} expired on {leaf.not_valid_after_utc:%Y-%m-%d}.")
        elif left < timedelta(days=7):
            found.append(f"{certificate} expires in {left.days} days.")
        host = urlsplit(self._settings.url).hostname or ""
        if host not in _WILDCARDS and not _is_for(leaf, host):
            found.append(f"{certificate} is not valid for {host}, the name of public_url.")
        return found


def names(settings: Settings) -> tuple[str, ...]:
    """Return the names by which people may reach the server."""
    found = [urlsplit(settings.url).hostname or "", settings.listen[0]]
    if settings.listen[0] in _WILDCARDS:
        found += [socket.gethostname(), socket.getfqdn(), *_own_addresses()]
    usable = []
    for name in found:
        try:
            usable.append(certificates.canonical_name(name))
        except CertificateError:
            continue  # a host name with characters that no certificate can carry
    return certificates.server_names(each for each in usable if each not in _WILDCARDS)


def _own_addresses() -> list[str]:
    """Return the addresses by which this computer is reached from its default routes. Nothing is sent."""
    found = []
    for family, target in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((target, 9))
                found.append(probe.getsockname()[0])
        except OSError:
            continue
    return found


def _ensure_own(directory: str, wanted: tuple[str, ...]) -> None:
    for each in (os.path.dirname(directory), directory):
        os.makedirs(each, mode=0o700, exist_ok=True)
    files.move_set(directory)
    paths = {name: os.path.join(directory, name) for name in ("ca.pem", "ca-key.pem", "cert.pem", "key.pem")}
    try:
        if all(os.path.exists(path) for path in paths.values()) and not _is_due(paths["cert.pem"], wanted):
            return
        if os.path.exists(paths["ca.pem"]) and os.path.exists(paths["ca-key.pem"]):
            ca = x509.load_pem_x509_certificate(files.read(paths["ca.pem"]))
            ca_key_pem = files.read(paths["ca-key.pem"])
        else:
            ca_key_pem = certificates.new_key()
            ca_key = certificates.load_key(ca_key_pem, "the new key")
            ca = signing.self_signed(ca_key, f"dinv server {socket.gethostname()}")
        ca_key = certificates.load_key(ca_key_pem, paths["ca-key.pem"])
        key = certificates.new_key()
        asked = certificates.request(
            key,
            role="server",
            names=wanted,
            machine="dinv server",
            lifetime=int(LIFETIME.total_seconds()),
        )
        certificate = signing.sign(asked, lambda: (ca, ca_key))
        files.replace_set(
            directory,
            [
                ("ca.pem", ca.public_bytes(serialization.Encoding.PEM), 0o644),
                ("ca-key.pem", ca_key_pem, 0o600),
                ("cert.pem", certificate, 0o644),
                ("key.pem", key, 0o600),
            ],
        )
    except (OSError, ValueError) as error:
        raise Problem(f"The server's own certificate cannot be made in {directory}: {error}") from error


def _is_due(path: str, wanted: tuple[str, ...]) -> bool:
    leaf = x509.load_pem_x509_certificate(files.read(path))
    return datetime.now(UTC) > leaf.not_valid_after_utc - _RENEW_BEFORE or not set(wanted) <= set(
        names_of(leaf)
    )


def _is_for(leaf: x509.Certificate, host: str) -> bool:
    there = names_of(leaf)
    try:
        return str(ipaddress.ip_address(host)) in there
    except ValueError:
        return host in there or "*." + host.partition(".")[2] in there
