"""Keys and certificates."""

from __future__ import annotations

from dinv.errors.base import DinvError


class CertificateError(DinvError):
    """A key or a certificate cannot be created, read or used."""
