"""How much a machine is used: what its image says (`activity_command` of its contract, images/README.md)."""

from __future__ import annotations

from dinv.errors import NotSupported, ProtocolError
from dinv.images import find
from dinv.labels import FEATURE_ACTIVITY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from dinv.channel import Channel
    from dinv.lifecycle.host import Host

ASK_SECONDS = 20.0
_MOST = 4096
_KEYS = ("connections", "containers", "idle")


class Activity:
    """How much a machine is used at the moment.

    `connections` are those of clients to its daemon, but for dinv's own checks, and commands in it that came
    from outside, such as `dinv ssh`; `containers` those that run; `idle_seconds` since the last of them
    ended, 0 while there is one, and at most since its daemon was started.
    """

    __slots__ = ("connections", "containers", "idle_seconds")

    def __init__(self, connections: int, containers: int, idle_seconds: int) -> None:
        self.connections = connections
        self.containers = containers
        self.idle_seconds = idle_seconds

    def __repr__(self) -> str:
        counts = f"{self.connections} connections, {self.containers} containers"
        return f"<Activity {counts}, idle {self.idle_seconds} s>"

    @property
    def unused_for(self) -> int:
        """The seconds for which it has been unused: 0 while a client is connected, or a container runs."""
        return 0 if self.connections or self.containers else self.idle_seconds


def of(host: Host) -> Activity:
    """Ask a machine. Raises MachineNotRunning, MachineGone, EngineError, ProtocolError, DeadlineExceeded.

    And NotSupported if its image cannot say it.
    """
    command = host.contract.activity_command
    if not command or FEATURE_ACTIVITY not in host.driver.features:
        raise NotSupported(
            host.name,
            f'How much machine "{host.name}" is used, its image cannot say: it lacks the feature '
            f'"{FEATURE_ACTIVITY}"',
        )
    return _ask(host.channel(), command, host.name)


def of_channel(channel: Channel, contract: str, machine: str) -> Activity:
    """Ask a machine that this store knows nothing of, by the name of its image's contract."""
    return _ask(channel, find(contract).activity_command, machine)


def _ask(channel: Channel, command: Sequence[str], machine: str) -> Activity:
    said, complaint = bytearray(), bytearray()
    status = channel.run(command, stdout=said.extend, stderr=complaint.extend, timeout=ASK_SECONDS)
    found = parse(bytes(said[:_MOST])) if not status else None
    if found is None:
        why = complaint.decode(errors="replace").strip()[:300] or f"it ended with status {status}"
        raise ProtocolError(f'How much machine "{machine}" is used cannot be told: {command[0]} says: {why}')
    return found


def parse(said: bytes) -> Activity | None:
    """Return what the lines of a machine's answer say; None if that is not all of it."""
    found = {}
    for line in said.decode("ascii", "replace").splitlines():
        key, _, value = line.partition(" ")
        if key in _KEYS and value.isascii() and value.isdecimal() and len(value) < 12:
            found[key] = int(value)
    if set(found) != set(_KEYS):
        return None
    return Activity(found["connections"], found["containers"], found["idle"])
