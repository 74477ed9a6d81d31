"""One machine as a node: what a distribution is told of it, and asks of it; the script that runs there."""

from __future__ import annotations

import io
import shlex
from dataclasses import dataclass, field

from dinv.errors import DinvError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from dinv.channel import Channel

SERVER = "server"
AGENT = "agent"

COMMAND_SECONDS = 60.0
MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Node:
    """What a node's files are made of. `state` is a directory on a volume, which outlives the container.

    `server` is the URL at which it reaches a server of the cluster that it joins, "" for the first node.
    `addresses` are the names and addresses by which it is reached, `ip` its own, if that stays the same, else
    "". `joinable`: other servers are to be able to join. `settings` are the user's, in the distribution's own
    words; `adjustments` what makes up for what the endpoint lacks.
    """

    name: str
    role: str
    identity: str
    state: str
    server: str = ""
    ip: str = ""
    joinable: bool = False
    addresses: Sequence[str] = ()
    settings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    adjustments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def first(self) -> bool:
        """Whether it begins the cluster."""
        return not self.server

    @property
    def is_server(self) -> bool:
        return self.role == SERVER

    @property
    def ticket(self) -> str:
        """The path in the machine of the file by which it joins. It holds a secret, and is 0600."""
        return f"{self.state}/ticket"


class Inside:
    """Commands in a machine that runs. Secrets go in by standard input, never as arguments."""

    def __init__(self, machine: str, channel: Channel) -> None:
        self.machine = machine
        self.channel = channel

    def run(
        self, *argv: str, given: bytes | None = None, timeout: float = COMMAND_SECONDS
    ) -> tuple[int, bytes, str]:
        """Return a command's exit status, its output and its last line on standard error.

        `given` is its standard input; `timeout` in seconds. Of more than MOST_BYTES the rest is dropped.
        """
        said, complaint = bytearray(), bytearray()

        def keep(buffer: bytearray, data: bytes) -> None:
            if len(buffer) < MOST_BYTES:
                buffer.extend(data)

        status = self.channel.run(
            argv,
            stdin=None if given is None else io.BytesIO(given),
            stdout=lambda data: keep(said, data),
            stderr=lambda data: keep(complaint, data),
            timeout=timeout,
        )
        lines = complaint.decode(errors="replace").strip().splitlines()
        return status, bytes(said), lines[-1] if lines else ""

    def read(self, path: str) -> bytes:
        """Return a file's content; b"" if there is none, or it cannot be read."""
        try:
            status, content, _ = self.run("cat", path)
        except DinvError:
            return b""
        return content if status == 0 else b""

    def write_secret(self, path: str, content: bytes) -> bool:
        """Write a file that root alone can read, in a directory of root's alone; return success."""
        script = 'umask 077; mkdir -p "${1%/*}" && chmod 700 "${1%/*}" && cat > "$1.new" && mv "$1.new" "$1"'
        status, _, _ = self.run("sh", "-c", script, "sh", path, given=content)
        return status == 0


def script(node: Node, kept: Sequence[str], commands: str, digest: str) -> str:
    """Return the script. `kept` are directories that lie on the volume; `commands` end in `exec`.

    The container's own layer is an overlay, on which no other can be mounted, and goes with the container
    when the machine is upgraded. What another machine has left on the volume, a server's keys among it, is
    removed.
    """
    above = node.state.rpartition("/")[0]
    return f"""#!/bin/sh
# Written by dinv, and again whenever it provisions the machine. Configuration: {digest[:16]}
set -eu
umask 022
state={shlex.quote(node.state)}
mkdir -p "$state"
chmod 700 {shlex.quote(above)} "$state"
for other in {shlex.quote(above)}/*; do
	[ "$other" = "$state" ] || rm -rf -- "$other"
done
for place in {" ".join(shlex.quote(path) for path in kept)}; do
	mkdir -p "$state$place" "$place"
	grep -q " $place " /proc/self/mountinfo || mount --bind "$state$place" "$place"
done
{commands}"""
