"""A CA of the user's own, in the files that an authority "shared" is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinv.authorities.shared import SharedAuthority

if TYPE_CHECKING:
    from pathlib import Path


def shared_options(directory: Path, *, client: bool = False) -> dict[str, str]:
    names = {"tls_ca_cert": "ca.pem", "tls_ca_key": "ca-key.pem"}
    if client:
        names |= {"tls_client_cert": "client.pem", "tls_client_key": "client-key.pem"}
    return {option: str(directory / name) for option, name in names.items()}


def shared_ca(directory: Path, *, client: bool = False) -> SharedAuthority:
    """The authority with the files ca.pem, ca-key.pem, and client.pem, client-key.pem of a directory."""
    return SharedAuthority(machine="dev", directory="", options=shared_options(directory, client=client))
