"""The authority of several machines: a CA of the user's own, in files that are not the machine's.

Its options are where they are: `ca-cert`, certificates, the CA's first, and `ca-key`, its private key. All of
the certificates are trust anchors. Nothing is made or changed here, and the key is not kept.
"""

from __future__ import annotations

from cryptography.hazmat.primitives import serialization

from dinv.authorities.signing import fault, sign
from dinv.errors import CertificateError, InputError
from dinv.pki.certificates import load_chain, load_key, unrooted
from dinv.system import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography import x509

    from dinv.authorities import CertificateRequest
    from dinv.pki.certificates import PrivateKey

_OPTIONS = ("ca-cert", "ca-key")


class SharedAuthority:
    """Signs with a CA whose files are named by its options.

    See `dinv.authorities.Opener` for the arguments. `certificate` and `trust_anchor` raise CertificateError
    when one of the files is not there or cannot be used.
    """

    def __init__(self, *, machine: str, directory: str, options: Mapping[str, str]) -> None:  # noqa: ARG002  (what every opener is given)
        if set(options) != set(_OPTIONS):
            raise InputError(
                f'The authority "shared" has the options {" and ".join(_OPTIONS)}, both of them.'
            )
        self._certificate_path = options["ca-cert"]
        self._key_path = options["ca-key"]
        self._loaded: tuple[list[x509.Certificate], PrivateKey] | None = None

    def trust_anchor(self) -> bytes:
        """Return all certificates of the file, the CA's first."""
        chain, _ = self._load()
        return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in chain)

    def certificate(self, request: CertificateRequest) -> bytes:
        """Sign for `request`; see `dinv.authorities.signing.sign`."""
        return sign(request, self._signer)

    def _signer(self) -> tuple[x509.Certificate, PrivateKey]:
        chain, key = self._load()
        return chain[0], key

    def _load(self) -> tuple[list[x509.Certificate], PrivateKey]:
        if self._loaded is None:
            chain = load_chain(self._read(self._certificate_path, "certificate"), self._certificate_path)
            key = load_key(self._read(self._key_path, "private key"), self._key_path)
            wrong = fault(chain[0], key, self._certificate_path, self._key_path)
            if wrong:
                raise self._unusable(wrong)
            lowest = unrooted(chain)
            if lowest is not None:
                raise self._unusable(
                    f'the issuer of "{lowest.subject.rfc4514_string()}" is missing. Put the certificates of '
                    f"the CAs above it into the file too, up to the root; whoever has a client certificate "
                    f"of these is let in then, too"
                )
            self._loaded = chain, key
        return self._loaded

    def _read(self, path: str, what: str) -> bytes:
        if not path:
            raise self._unusable(
                f"its {what} did not come along when the machine was imported. Renew the certificates where "
                f"the machine comes from; or write where the CA is into the machine's config.json, "
                f"HostOptions.AuthOptions.CaCertPath and CaPrivateKeyPath"
            )
        try:
            return files.read(path)
        except FileNotFoundError as error:
            raise self._unusable(
                f"its {what} {path} is not there any more. Put it back. What it has signed goes on working"
            ) from error
        except OSError as error:
            raise self._unusable(f"its {what} {path} cannot be read: {error.strerror}") from error

    def _unusable(self, reason: str) -> CertificateError:
        return CertificateError(
            f"The CA {self._certificate_path}, which several machines share, cannot be used: {reason}."
        )
