"""What vic-machine leaves behind for a Virtual Container Host: a folder of certificates, and `NAME.env`.

The file is one line: DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=/abs DOCKER_HOST=host:2376 COMPOSE_TLS_VERSION=...
without `tcp://` and without `export`; the user documentation shows it over several lines, and people quote
values and add `export`. A VCH with a server certificate only has no DOCKER_TLS_VERIFY in it, one without TLS
the host alone. DOCKER_CERT_PATH can be wrong: vic-machine writes the base name of the folder relative to
where it ran (vmware/vic: lib/install/management/inspect.go, GetDockerAPICommand), and folders get moved.
"""

from __future__ import annotations

import os
import re

from dinv.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.engine.transport import TLSFiles

_VARIABLE = re.compile(r"""(?:^|\s)(?:export\s+|set\s+)?([A-Z_]+)=("[^"]*"|'[^']*'|\S*)""", re.IGNORECASE)
_TLS_PORT = "2376"
_LARGEST_FILE = 65536


class VchEnvironment:
    """`host` as the file says it, such as "vch.example.com:2376"; `tls` None for a VCH without TLS."""

    def __init__(self, path: str, host: str, tls: TLSFiles | None) -> None:
        self.path = path
        self.host = host
        self.tls = tls


def find(path: str) -> str | None:
    """The `.env` file that `path` names: itself, or the one in the folder. None when `path` is neither.

    Raises InputError for a folder with none, or with several.
    """
    path = os.path.abspath(os.path.expanduser(path))
    if os.path.isfile(path):
        return path
    if not os.path.isdir(path):
        return None
    found = sorted(name for name in os.listdir(path) if name.endswith(".env"))
    if len(found) == 1:
        return os.path.join(path, found[0])
    if not found:
        raise InputError(
            f"The folder {path} has no .env file, as vic-machine leaves one. Name the file, or an address."
        )
    raise InputError(f"The folder {path} has several .env files: {', '.join(found)}. Name the one to use.")


def read(path: str) -> VchEnvironment:
    """Read the file that vic-machine has left. Raises InputError."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read(_LARGEST_FILE)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InputError(f"{path} cannot be read: {reason}") from error
    variables = {name.upper(): value.strip("\"'") for name, value in _VARIABLE.findall(text)}
    host = variables.get("DOCKER_HOST", "")
    if not host:
        raise InputError(f"{path} has no DOCKER_HOST in it: it is not what vic-machine leaves")
    if not variables.get("DOCKER_TLS_VERIFY"):
        return VchEnvironment(path, host, _unverified(host, variables))
    # Any value turns verification on, "0" too: docker/cli, cli/flags/options.go.
    return VchEnvironment(path, host, _verified(path, variables))


def _unverified(host: str, variables: dict[str, str]) -> TLSFiles | None:
    """TLS of a VCH made with --no-tlsverify: its certificate is its own, and nobody's to verify."""
    from dinv.engine.transport import TLSFiles

    port = host.rpartition(":")[2]
    if port == _TLS_PORT or "COMPOSE_TLS_VERSION" in variables:
        return TLSFiles(None, None, None, verify=False)
    return None


def _verified(path: str, variables: dict[str, str]) -> TLSFiles:
    from dinv.engine.transport import TLSFiles

    folder = os.path.dirname(path)
    named = variables.get("DOCKER_CERT_PATH", "")
    base = re.split(r"[/\\]", named.rstrip("/\\"))[-1]
    candidates = [os.path.join(folder, named) if named else folder, folder, os.path.join(folder, base)]
    files = ("ca.pem", "cert.pem", "key.pem")
    for candidate in dict.fromkeys(os.path.normpath(each) for each in candidates):
        found = [os.path.join(candidate, name) for name in files]
        if all(os.path.isfile(file) for file in found):
            return TLSFiles(*found)
    looked = ", ".join(dict.fromkeys(os.path.normpath(each) for each in candidates))
    value = variables["DOCKER_TLS_VERIFY"]
    why = f" (DOCKER_TLS_VERIFY={value}: any value turns it on)" if value != "1" else ""
    raise InputError(
        f"{path} wants mutual TLS{why}, but ca.pem, cert.pem and key.pem are not all in any of: {looked}. "
        f"Put them beside the .env file, as vic-machine had left them."
    )
