"""Addresses of Docker endpoints, in each spelling that docker's CLI takes.

docker/cli: opts/hosts.go for DOCKER_HOST and -H, cli/connhelper/ssh for ssh://; moby: client/client.go,
ParseHostURL, for what comes after the port.
"""

from __future__ import annotations

import os

from dinv.engine.wire.transport import DEFAULT_SOCKET, UnixTransport
from dinv.errors import InputError
from dinv.system import home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.engine.wire.ssh_transport import SSHTransport
    from dinv.engine.wire.tcp_transport import TCPTransport
    from dinv.engine.wire.tls_files import TLSFiles

_OTHERS = {
    "npipe": "npipe:// is a pipe of Windows, which this system does not have; use unix:// or tcp://",
    "fd": "fd:// is for dockerd, which systemd gives its sockets so; use unix://",
}
_IN_PATHS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~!$&'()*+,;=:@%/-")
# Compiled when they are used: that takes longer than all else here, and most addresses need none.
_WITHOUT_SLASHES = r"(unix|tcp|ssh|fd|npipe|https?):(?!//|\d+(?:/|$))"
# OpenSSH's own rule for names on its command line (ssh.c: valid_ruser), and $, which newer ones refuse.
_USER = r"(?!-)(?:[^\x00-\x20\x7f'`\"$;&<>|(){}\\:/]|\\(?=.)| (?!-))+"


def parse_address(url: str, tls: TLSFiles | None = None) -> UnixTransport | TCPTransport | SSHTransport:
    r"""Return the transport for an address in docker's notation.

    `unix://[PATH]`, a relative PATH counting from here; `tcp://HOST[:PORT][/PATH]` (2375, with `tls` 2376;
    `http://` and `https://` are taken for it), of which PATH comes before that of each call;
    `HOST:PORT[/PATH]` (a VCH prints its DOCKER_HOST so); `ssh://[USER@]HOST[:PORT][/SOCKET]`, where
    USER may be `ann@corp.example` or `CORP\ann`, percent-encoded or not. Blanks around it do not matter,
    nor does the case of the scheme. IPv6 addresses stand in brackets, with a zone as `%25eth0` or `%eth0`;
    a name that is not ASCII is looked up in its IDNA form. `https://` is TLS by the system's CAs when no
    `tls` is given. Raises InputError.
    """
    url = url.strip()
    scheme, rest = _split(url)
    if scheme == "unix":
        return UnixTransport(_socket(url, rest))
    if scheme in ("tcp", "http"):
        return _tcp(url, rest, tls)
    if scheme == "https":
        from dinv.engine.wire.tls_files import TLSFiles

        return _tcp(url, rest, tls or TLSFiles())
    if scheme == "ssh":
        return _ssh(url, rest)
    raise _bad(
        url, _OTHERS.get(scheme, f"{scheme or 'an empty scheme'} is not known; use unix://, tcp:// or ssh://")
    )


def _split(url: str) -> tuple[str, str]:
    """Return the scheme in lower case, and the rest. Raises InputError."""
    scheme, separator, rest = url.partition("://")
    if not separator or ":" in scheme:
        import re

        match = re.match(_WITHOUT_SLASHES, url, re.IGNORECASE)
        if match:
            raise _bad(url, f"{match[1]}: has to be followed by two slashes, {match[1]}://")
    if not separator:
        if not re.match(r"(\[[^]]*\]|[^:/@\s]*):[0-9]*(/|$)", url) or url == ":":
            raise _bad(url, "write unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST")
        return "tcp", url
    if "://" in rest:
        raise _bad(url, "it has two schemes")
    return scheme.lower(), rest


def _bad(url: str, why: str) -> InputError:
    import re

    # Passwords in URLs are refused, and not repeated.
    shown = re.sub(r"//[^/]*@", "//...@", url) if ":" in url.partition("://")[2].rpartition("@")[0] else url
    return InputError(f'"{shown}" is not an address of a Docker endpoint: {why}')


def _socket(url: str, path: str) -> str:
    if "\0" in path:
        raise _bad(url, "no path has a null character in it")
    if not path or path.startswith("/"):
        return path or DEFAULT_SOCKET
    try:
        return os.path.normpath(home.from_here(path))
    except InputError as error:
        raise _bad(url, "its path counts from the working directory, which is not there any more") from error


def _decoded(url: str, text: str) -> str:
    """Percent-decoding, of what an address has it for."""
    import re
    from urllib.parse import unquote

    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise _bad(url, "a % has to be followed by two hexadecimal digits; write %25 for the sign itself")
    return unquote(text, errors="surrogateescape")


def _host_port(url: str, text: str) -> tuple[str, int | None]:
    from dinv.formats import host_port

    try:
        return host_port.split(text)
    except ValueError as error:
        raise _bad(url, str(error)) from error


def _tcp(url: str, rest: str, tls: TLSFiles | None) -> TCPTransport:
    from dinv.engine.wire.tcp_transport import TCPTransport
    from dinv.formats.urls import PLAIN_PORT, TLS_PORT

    # What docker's CLI takes and makes nothing of (net/url: Host and Path of a URL).
    where, _, path = rest.partition("?")[0].partition("#")[0].partition("/")
    user, _, where = where.rpartition("@")
    if ":" in user:
        raise _bad(url, "a password in it would not be used: the Docker API has none")
    host, port = _host_port(url, where)
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError as error:
            raise _bad(url, "the host's name has characters that no name can have") from error
    path = path.strip("/")
    if not _IN_PATHS.issuperset(path):
        raise _bad(url, "the path after the port has characters that have to be percent-encoded")
    port = port or (PLAIN_PORT if tls is None else TLS_PORT)
    return TCPTransport(host or "localhost", port, tls, base_path=f"/{path}" if path else "")


def _ssh(url: str, rest: str) -> SSHTransport:
    import re

    from dinv.engine.wire.ssh_transport import SSHTransport

    where, slash, path = rest.partition("/")
    user, at, where = where.rpartition("@")
    if ":" in user:
        raise _bad(url, "a password cannot be given in it; use a key")
    user = _decoded(url, user)
    if at and not re.fullmatch(_USER, user):
        raise _bad(url, "the user's name cannot be used")
    host, port = _host_port(url, where)
    if not host:
        raise _bad(url, "it has no host")
    if re.search(r"[?#]", path):
        raise _bad(url, "docker takes no ? and no # in it")
    path = _decoded(url, slash + path).rstrip("/")
    if not path.isprintable():
        raise _bad(url, "the path of the socket has characters that cannot be used")
    return SSHTransport(host, user=user or None, port=port, socket_path=path or None)
