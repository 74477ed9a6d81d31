"""URLs of servers that are sent a secret: https, or plain http on this computer only."""

from __future__ import annotations

import ipaddress

from dinv.formats.host_port import split

PORTS = {"https": 443, "http": 80}


def parse(url: str) -> tuple[str, str, int, str]:
    """Return scheme, host, port, and the path without a slash at its end.

    Raises ValueError, whose text follows the name of what the URL was given by. A URL with an "@" may have a
    password in it: callers do not show it.
    """
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if "@" in rest:
        raise ValueError("has a user or a password in it: a URL is seen by others. Leave that out")
    if not separator or scheme not in PORTS:
        raise ValueError("is not a URL that begins with https://")
    where, slash, path = rest.partition("/")
    if any(sign in url for sign in "?#") or not url.isprintable() or " " in url or not url.isascii():
        raise ValueError("is not the URL of a server: HTTPS://HOST[:PORT][/PATH]")
    try:
        host, port = split(where)
    except ValueError as error:
        raise ValueError(f"cannot be used: {error}") from error
    if not host:
        raise ValueError("names no host")
    if scheme == "http" and not is_loopback(host):
        raise ValueError(
            "is not https: what is sent there could be read, and the answer changed, on the way. Plain http "
            "is for this computer only (127.0.0.1, [::1], localhost)"
        )
    return scheme, host, port or PORTS[scheme], (slash + path).rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether a host, without brackets, is this computer itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
