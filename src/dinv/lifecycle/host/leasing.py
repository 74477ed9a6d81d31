"""A machine's lease (`dinv.store.lease`), by its endpoint's clock: begun, extended, told to its container.

The caller holds the machine's lock, and saves its record.
"""

from __future__ import annotations

from dinv.channel import File
from dinv.errors import OptionError, PreCreateCheckFailed, ProtocolError
from dinv.labels import FEATURE_ACTIVITY
from dinv.pki.validity import rfc3339
from dinv.store.lease import FILE, later
from dinv.timeouts import STATE_SECONDS
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.channel import Channel
    from dinv.lifecycle.host import Host

_LONGEST = 64
"""Bytes of FILE that are read: a time has 20, and an end of line."""
_LARGEST = 64 * 1024
"""Bytes of the archive that it comes in."""


def now(host: Host) -> float | None:
    """Return the time by the clock of a machine's endpoint, in seconds since 1970; None if it has none.

    Raises EndpointError, EngineError, DeadlineExceeded.
    """
    return instant(host.driver.system_time(timeout=STATE_SECONDS))


def instant(said: str) -> float | None:
    """Return the time that an endpoint has said (RFC 3339) in seconds since 1970; None for another text."""
    import datetime as dt

    try:
        return dt.datetime.fromisoformat(said).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def begin(host: Host) -> None:
    """Set the end of the lease that it is made with, if it has one. Raises OptionError.

    The end of a machine that somebody else makes is set by them.
    """
    lease = host.config.lease
    if lease is None or not lease.ttl or not host.driver_class.provisioned:
        return
    there = now(host)
    if there is None:
        raise OptionError(
            f'needs the endpoint\'s clock, which the driver "{host.config.driver_name}" cannot tell',
            option="ttl",
        )
    lease.expires = rfc3339(there + lease.ttl)
    host.config.lease = lease


def check_idle(host: Host) -> None:
    """Raise PreCreateCheckFailed if it is to end when it is unused, and nobody could tell that it is."""
    lease = host.config.lease
    if lease is None or not lease.idle_ttl:
        return
    why = ""
    if host.provisioner.membership() is not None:
        why = "a member of a cluster is used by the others, whether a client is connected to it or not"
    elif not host.contract.activity_command or FEATURE_ACTIVITY not in host.driver.features:
        why = f'its image cannot say whether it is used: it lacks the feature "{FEATURE_ACTIVITY}"'
    if why:
        raise PreCreateCheckFailed(
            option("idle-ttl") + " cannot be kept: " + why + ". A limit of its time can: " + option("ttl")
        )


def extend(host: Host, expires: str) -> None:
    """Have its lease end at `expires`, or later if it does: in its container first, then in the record.

    Killed in between, the container's file counts: it says nothing that was not wanted.
    """
    lease = host.config.lease
    assert lease is not None  # noqa: S101
    lease.expires = later(lease.expires, expires)
    tell(host.driver.channel(), lease.expires)
    host.config.lease = lease


def tell(channel: Channel, expires: str) -> None:
    """Write the end of a lease into a container. Raises EngineError, EndpointError."""
    channel.put([File(FILE, f"{expires}\n".encode())])


def told(channel: Channel) -> str:
    """Return the end that an extension has written into a container; "" if none has. Raises EngineError."""
    import io
    import tarfile

    stat = channel.stat(FILE)
    if stat is None or not stat.is_regular or stat.size > _LONGEST:
        return ""
    with channel.get_archive(stat.path) as stream:
        packed = io.BytesIO(stream.read(_LARGEST))
    try:
        with tarfile.open(fileobj=packed) as archive:
            entry = archive.next()
            file = archive.extractfile(entry) if entry is not None and entry.isreg() else None
            content = file.read(_LONGEST) if file is not None else b""
    except tarfile.TarError as error:
        raise ProtocolError(f"What the endpoint sends for {FILE} is not an archive: {error}") from error
    return later(content.decode("ascii", "replace").strip())
