"""The files that vic-machine writes for a Virtual Container Host: a folder of certificates, and `NAME.env`.

The file is one line: DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=/abs DOCKER_HOST=host:2376 COMPOSE_TLS_VERSION=...
without `tcp://` and without `export`; the user documentation shows it over several lines, and people rewrite
it for their shell or editor. For a VCH with a server certificate only, DOCKER_TLS_VERIFY is missing; for one
without TLS, there is only the host. DOCKER_CERT_PATH can be wrong: vic-machine writes the base name of the
folder relative to where it ran (vmware/vic: lib/install/management/inspect.go, GetDockerAPICommand), and
folders get moved.
"""

from __future__ import annotations

import os
import re

from dinv.errors import InputError
from dinv.formats import env_file
from dinv.formats.host_port import of_url
from dinv.formats.urls import TLS_PORT
from dinv.pki import client_files
from dinv.system import home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.engine.wire.tls_files import TLSFiles

_KNOWN = ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_TLS", "DOCKER_CERT_PATH", "COMPOSE_TLS_VERSION")


class VchEnvironment:
    """`host` as written in the file, such as "vch.example.com:2376"; `tls` is None for a VCH without TLS."""

    def __init__(self, path: str, host: str, tls: TLSFiles | None) -> None:
        self.path = path
        self.host = host
        self.tls = tls


def find(path: str) -> str | None:
    """Return the `.env` file that `path` names: itself, or the one in the folder. None if it is neither.

    Raises InputError for a folder with none, or with several.
    """
    path = home.absolute(path)
    if os.path.isfile(path):
        return path
    if not os.path.isdir(path):
        return None
    # `._NAME` holds macOS attributes of a file on file systems without them.
    found = sorted(name for name in os.listdir(path) if name.endswith(".env") and not name.startswith("._"))
    if len(found) == 1:
        return os.path.join(path, found[0])
    if not found:
        raise InputError(
            f"The folder {path} has no .env file, as vic-machine leaves one. Name the file, or an address."
        )
    raise InputError(f"The folder {path} has several .env files: {', '.join(found)}. Name the one to use.")


def read(path: str) -> VchEnvironment:
    """Read a file written by vic-machine. Raises InputError.

    It decides whether the VCH is verified, so nothing in it that may be meant for that is ignored: see
    `dinv.formats.env_file` for what a line may be.
    """
    variables = _variables(path)
    host = variables.get("DOCKER_HOST", "")
    if not host:
        raise InputError(f"{path} has no DOCKER_HOST in it: it is not what vic-machine leaves")
    if variables.get("DOCKER_TLS_VERIFY"):
        # Any value turns verification on, "0" too: docker/cli, cli/flags/options.go.
        return VchEnvironment(path, host, _verified(path, variables))
    if variables.get("DOCKER_CERT_PATH") and not variables.get("DOCKER_TLS"):
        # vic-machine writes the two together or neither (vmware/vic: lib/install/management/inspect.go).
        raise InputError(
            f"{path} has a DOCKER_CERT_PATH and no DOCKER_TLS_VERIFY, so nothing would be verified. Add "
            f"DOCKER_TLS_VERIFY=1; or take DOCKER_CERT_PATH out, if the VCH was made with --no-tlsverify."
        )
    if not variables.get("DOCKER_TLS") and os.path.lexists(os.path.join(os.path.dirname(path), "ca.pem")):
        raise InputError(
            f"{path} has no DOCKER_TLS_VERIFY, but ca.pem lies beside it, which vic-machine leaves for a VCH "
            f"that is verified. Add DOCKER_TLS_VERIFY=1; or move ca.pem away, if the VCH was made with "
            f"--no-tlsverify or --no-tls."
        )
    return VchEnvironment(path, host, _unverified(host, variables))


def _variables(path: str) -> dict[str, str]:
    """Return what the file sets, by name in capitals. Raises InputError."""
    found: dict[str, str] = {}
    for line, written, value in env_file.read(path):
        name = written.upper()
        if name == "DOCKER_TLS_VERIFY" and not value:
            raise InputError(
                f"{path}:{line}: {name} has no value, so nothing would be verified. Write {name}=1; or take "
                f"the variable out, if the VCH was made with --no-tlsverify."
            )
        if name not in _KNOWN:
            _check_unknown(f"{path}:{line}", name)
        elif found.get(name, value) != value:
            raise InputError(f"{path}:{line}: {name} is there already, with another value. Keep one of them.")
        found[name] = value
    return found


def _check_unknown(where: str, name: str) -> None:
    """Reject a misspelt variable: without it the VCH might not be verified."""
    import difflib

    # Not DOCKER_HOST, which must be there anyway: people keep a DOCKER_HOST_IP beside it.
    meant = difflib.get_close_matches(name, _KNOWN[1:], n=1, cutoff=0.85)
    if meant:
        raise InputError(f"{where}: {name} is not known to docker. Was {meant[0]} meant?")


def _unverified(host: str, variables: dict[str, str]) -> TLSFiles | None:
    """Return TLS for a VCH made with --no-tlsverify: its certificate is its own, and cannot be verified."""
    from dinv.engine.wire.tls_files import TLSFiles

    where = of_url(host, missing=0)
    if (where and where[1] == TLS_PORT) or variables.get("DOCKER_TLS") or "COMPOSE_TLS_VERSION" in variables:
        return TLSFiles(None, None, None, verify=False)
    return None


def _verified(path: str, variables: dict[str, str]) -> TLSFiles:
    from dinv.engine.wire.tls_files import TLSFiles

    folder = os.path.dirname(path)
    named = variables.get("DOCKER_CERT_PATH", "")
    base = re.split(r"[/\\]", named.rstrip("/\\"))[-1]
    candidates = [os.path.join(folder, named) if named else folder, folder, os.path.join(folder, base)]
    for candidate in dict.fromkeys(os.path.normpath(each) for each in candidates):
        if client_files.complete(candidate):
            return TLSFiles.of_directory(candidate)
    looked = ", ".join(dict.fromkeys(os.path.normpath(each) for each in candidates))
    value = variables["DOCKER_TLS_VERIFY"]
    why = f" (DOCKER_TLS_VERIFY={value}: any value turns it on)" if value != "1" else ""
    raise InputError(
        f"{path} wants mutual TLS{why}, but ca.pem, cert.pem and key.pem are not all in any of: {looked}. "
        f"Put them beside the .env file, as vic-machine had left them."
    )
