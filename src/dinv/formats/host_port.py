"""HOST:PORT, alone and in the URLs of Docker daemons: the one parser of brackets and ports.

IPv6 addresses are in brackets (RFC 3986, section 3.2.2), with their zone after `%`, which a URL may write
as `%25` (RFC 6874). The default port is docker's (docker/cli: opts/hosts.go).
"""

from __future__ import annotations

from dinv.formats.urls import LARGEST_PORT, TLS_PORT, is_plain

SSH_PORT = 22

# Compiled on first use: that takes longer than everything else here, and most addresses need none.
_HOST_PORT = r"(?:\[([0-9A-Fa-f:.]+(?:%[\w.~-]+)?)\]|((?:\w[\w.-]*)?))(?::([0-9]*))?"
_WITH_HOST = ("tcp", "http", "https", "ssh")


def bracketed(host: str) -> str:
    """Return a host as it is written before a port: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def unbracketed(host: str) -> str:
    """Return a host without the brackets of an IPv6 address."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def join(host: str, port: int) -> str:
    """Return `HOST:PORT`, or `[IPV6]:PORT`."""
    return f"{bracketed(host)}:{port}"


def split(text: str) -> tuple[str, int | None]:
    """Split `HOST`, `HOST:PORT`, `[IPV6]` or `[IPV6]:PORT` into host (without brackets) and port.

    The host may be "", the port is None if it is left out. Raises ValueError, which says what is wrong.
    """
    host, colon, digits = text.rpartition(":")
    if not (colon and is_plain(host) and digits.isdecimal() and digits.isascii()):
        import re

        match = re.fullmatch(_HOST_PORT, text)
        if match is None:
            raise ValueError("it should be HOST:PORT, with an IPv6 address in brackets")
        inside, plain, digits = match.groups()
        host = inside.replace("%25", "%", 1) if inside else plain or ""
        if not digits:
            return host, None
    port = int(digits) if len(digits) < 10 else 0  # Python refuses to read very long ones
    if not 0 < port <= LARGEST_PORT:
        raise ValueError(f"{digits} is not a port")
    return host, port


def of_url(url: str, *, missing: int = TLS_PORT) -> tuple[str, int] | None:
    """Return the host and port of a daemon's URL; `missing` is the port if it names none.

    None for a URL without a port, such as unix://PATH, one that names no host, and text that is not a URL.
    Parts that docker accepts and ignores, such as a user, a path or a query, are ignored here too.
    """
    scheme, separator, rest = url.strip().partition("://")
    if not separator:
        if ":" not in scheme:
            return None
        scheme, rest = "tcp", scheme
    scheme = scheme.lower()
    if scheme not in _WITH_HOST:
        return None
    where = rest.partition("?")[0].partition("#")[0].partition("/")[0].rpartition("@")[2]
    try:
        host, port = split(where)
    except ValueError:
        return None
    return (host, port or (SSH_PORT if scheme == "ssh" else missing)) if host else None
