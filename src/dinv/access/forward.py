"""`forward`: a port of this computer leads to one of a machine, through the endpoint and without any network.

Each connection is an exec in the machine, which connects to the port on the machine's own loopback, where the
ports are that its containers publish. So it works wherever `dinv ssh` does: at an ssh:// endpoint, on a VCH,
behind a firewall that lets through nothing but the Docker API.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading

from dinv.errors import CannotListen, DinvError, InputError, MachineError
from dinv.formats import host_port
from dinv.formats.urls import LARGEST_PORT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dinv.lifecycle.host import Host
    from dinv.progress import Progress

LOOPBACK = "127.0.0.1"
MOST_CONNECTIONS = 128
"""At once, for each port; the next ones wait, as at a server that is busy."""
POLL_SECONDS = 1.0

# The port in the machine is "$1". socat alone can end one direction and go on with the other; bash and nc are
# for images that have no socat, and there what comes after the end of the input has a minute.
RELAY = r"""
if command -v socat >/dev/null 2>&1; then
    exec socat -t 600 - "TCP:127.0.0.1:$1"
elif command -v bash >/dev/null 2>&1; then
    exec bash -c '
        exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
        cat <&3 & reader=$!
        cat >&3
        (sleep 60; kill "$reader") >/dev/null 2>&1 3>&- & timer=$!
        wait "$reader"; kill "$timer" 2>/dev/null' relay "$1"
elif command -v nc >/dev/null 2>&1; then
    exec nc 127.0.0.1 "$1"
fi
echo "this image has neither socat, bash nor nc" >&2
exit 127
"""

_SPEC = re.compile(r"(?:(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]]+):)??(?:(?P<local>\d+):)?(?P<remote>\d+)")


class Forward:
    """One port here, and the port of the machine that it leads to. Port 0 here is one that is free."""

    def __init__(self, host: str, local: int, remote: int) -> None:
        self.host = host
        self.local = local
        self.remote = remote

    @classmethod
    def parse(cls, text: str) -> Forward:
        """From `[[ADDRESS:]PORT:]MACHINE_PORT`. Raises InputError."""
        found = _SPEC.fullmatch(text)
        # An address wants both ports behind it, or it could not be told from one.
        if found is None or (found["host"] and not found["local"]):
            raise InputError(
                f'"{text}" is not a port to forward. Write 8080, 8080:80 or 127.0.0.1:8080:80: '
                f"[[ADDRESS:]PORT HERE:]PORT OF THE MACHINE"
            )
        remote = int(found["remote"])
        local = int(found["local"] or remote)
        if not 1 <= remote <= LARGEST_PORT or local > LARGEST_PORT:
            raise InputError(f'"{text}": a port is a number from 1 to {LARGEST_PORT}')
        return cls(host_port.unbracketed(found["host"] or LOOPBACK), local, remote)

    def __str__(self) -> str:
        return f"{host_port.join(self.host, self.local)} -> {self.remote}"


class Listener:
    """A forward that listens. `forward.local` is the port that it has got."""

    def __init__(self, forward: Forward) -> None:
        self.forward = forward
        try:
            found = socket.getaddrinfo(forward.host, forward.local, type=socket.SOCK_STREAM)[0]
            self.socket = socket.socket(found[0], socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:  # UnicodeError: no name, as "a..b"
            why = getattr(error, "strerror", None) or "it is no name"
            raise InputError(f"{forward.host} is not an address of this computer: {why}") from error
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.bind(found[4])
            self.socket.listen(MOST_CONNECTIONS)
        except OSError as error:
            self.socket.close()
            raise CannotListen(forward.host, forward.local, forward.remote, str(error.strerror)) from error
        forward.local = self.socket.getsockname()[1]


@contextlib.contextmanager
def listening(forwards: Sequence[Forward]) -> Iterator[list[Listener]]:
    """Listen at all of them, or none. Raises InputError for an address, CannotListen for a port."""
    listeners: list[Listener] = []
    try:
        for forward in forwards:
            listeners.append(Listener(forward))  # noqa: PERF401  (what listens already is closed below)
        yield listeners
    finally:
        for listener in listeners:
            listener.socket.close()


def serve(
    open_machine: Callable[[], Host],
    listeners: Sequence[Listener],
    progress: Progress,
    *,
    wanted: Callable[[], bool] = lambda: True,
) -> None:
    """Forward what connects, until `wanted` says no; it is asked once a second.

    `open_machine` is called for each connection, which gets a client of the endpoint of its own. What goes
    wrong with one connection is told, and ends that one only.
    """
    import selectors

    slots = {listener.socket: threading.Semaphore(MOST_CONNECTIONS) for listener in listeners}
    with selectors.DefaultSelector() as selector:
        for listener in listeners:
            listener.socket.setblocking(False)  # noqa: FBT003
            selector.register(listener.socket, selectors.EVENT_READ, listener)
        while wanted():
            for key, _ in selector.select(POLL_SECONDS):
                listener = key.data
                slot = slots[listener.socket]
                if not slot.acquire(timeout=POLL_SECONDS):
                    continue
                try:
                    connection, _ = listener.socket.accept()
                except OSError:  # it went away before it was taken
                    slot.release()
                    continue
                threading.Thread(
                    target=_connect,
                    args=(open_machine, connection, listener.forward, progress, slot),
                    daemon=True,
                ).start()


def _connect(
    open_machine: Callable[[], Host],
    connection: socket.socket,
    forward: Forward,
    progress: Progress,
    slot: threading.Semaphore,
) -> None:
    said = bytearray()
    # The other side may close at any time: what cannot be sent to it any more is nobody's loss.
    with contextlib.ExitStack() as stack, contextlib.suppress(OSError, ValueError), connection:
        stack.callback(slot.release)
        connection.setblocking(True)  # noqa: FBT003
        try:
            with open_machine() as machine, connection.makefile("rb", buffering=0) as stdin:
                status = machine.driver.channel().run(
                    ["sh", "-c", RELAY, "relay", str(forward.remote)],
                    stdin=stdin,  # type: ignore[arg-type]  # a SocketIO: readinto and fileno are all it takes
                    stdout=connection.sendall,
                    stderr=lambda data: said.extend(data[: 1000 - len(said)]),
                )
                if status:
                    why = said.decode(errors="replace").strip().splitlines()
                    progress.warn(
                        f"{machine.name}: no connection to port {forward.remote} there: "
                        f"{why[-1] if why else f'exit status {status}'}"
                    )
        except DinvError as error:
            progress.warn(str(error))


def check(machine: Host) -> None:
    """See that it runs, before anything listens. Raises MachineNotRunning, MachineGone, MachineError."""
    if not machine.driver.provisioned and machine.driver.ssh_address() is None:
        raise MachineError(
            machine.name,
            f"{machine.name} is not on an endpoint, so nothing can be run in it to forward a port. Its "
            f"address is {machine.ip}",
        )
    machine.channel()
