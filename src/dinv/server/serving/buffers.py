"""What a connection over TLS is read into: for each of them, whether anything comes or not.

asyncio has 256 KiB for each, from its beginning on, which is 50 MB for 200 people who have the page open and
say nothing. A record of TLS has 16 KiB at most (RFC 8446, section 5.1).
"""

from __future__ import annotations

from asyncio import sslproto

SIZE = 16 * 1024
"""Bytes."""


def keep_small() -> bool:
    """Let connections have small ones from now on; return False where asyncio has no such thing."""
    if not hasattr(sslproto.SSLProtocol, "max_size"):
        return False
    sslproto.SSLProtocol.max_size = SIZE
    return True
