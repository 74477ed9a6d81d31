"""`forward`: forward a port of this computer to a machine, through the endpoint's API alone.

Each connection is an exec in the machine, which connects to the port on the machine's own loopback, where its
containers publish their ports. So it works wherever `dinv ssh` does: with an ssh:// endpoint, on a VCH, or
behind a firewall that lets nothing but the Docker API through.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading

from dinv.channel import relay
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
"""Simultaneous connections per port; further ones wait, as with a busy server."""
POLL_SECONDS = 1.0

_SPEC = re.compile(r"(?:(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]]+):)??(?:(?P<local>\d+):)?(?P<remote>\d+)")


class Forward:
    """A local port and the port of the machine that it is forwarded to. Local port 0 picks a free one."""

    def __init__(self, host: str, local: int, remote: int) -> None:
        self.host = host
        self.local = local
        self.remote = remote

    @classmethod
    def parse(cls, text: str) -> Forward:
        """Parse `[[ADDRESS:]PORT:]MACHINE_PORT`. Raises InputError."""
        found = _SPEC.fullmatch(text)
        # An address needs both ports after it, or it could not be told apart from a port.
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
    """A listening forward. `forward.local` is the actual port. Raises InputError, CannotListen."""

    def __init__(self, forward: Forward) -> None:
        self.forward = forward
        try:
            found = socket.getaddrinfo(forward.host, forward.local, type=socket.SOCK_STREAM)[0]
            self.socket = socket.socket(found[0], socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:  # UnicodeError: not a valid host name, such as "a..b"
            why = getattr(error, "strerror", None) or "it is not a valid host name"
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
    """Listen on all of them or none. Raises InputError for a bad address, CannotListen for a port."""
    listeners: list[Listener] = []
    try:
        for forward in forwards:
            listeners.append(Listener(forward))  # noqa: PERF401  (those already listening are closed below)
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
    """Forward incoming connections until `wanted`, called once a second, returns False.

    `open_machine` is called for each connection, so that each has its own client of the endpoint. A problem
    with one connection is reported as a warning and ends only that connection.
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
                except OSError:  # the client closed it before it was accepted
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
    # Either side may close at any time: data that can no longer be delivered is dropped.
    with contextlib.ExitStack() as stack, contextlib.suppress(OSError, ValueError), connection:
        stack.callback(slot.release)
        connection.setblocking(True)  # noqa: FBT003
        try:
            with open_machine() as machine, connection.makefile("rb", buffering=0) as stdin:
                status = machine.driver.channel().run(
                    relay(forward.remote),
                    stdin=stdin,  # type: ignore[arg-type]  # a SocketIO: only readinto and fileno are needed
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
    """Check that it is running, before listening. Raises MachineNotRunning, MachineGone, MachineError."""
    driver = machine.driver
    if not driver.provisioned and driver.remote() is None and driver.ssh_address() is None:
        raise MachineError(
            machine.name,
            f"{machine.name} is not on an endpoint, so nothing can be run in it to forward a port. Its "
            f"address is {machine.ip}",
        )
    machine.channel()
