"""X.509 names, as messages and authorities want them."""

from __future__ import annotations

from cryptography.x509.oid import NameOID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cryptography import x509


def common_name(name: x509.Name) -> str:
    """Return the common name in a distinguished name, "" if there is none."""
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""
