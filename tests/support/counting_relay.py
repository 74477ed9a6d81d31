"""A TCP relay that counts the bytes that come back from where it leads, on an address of this computer."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from typing import Self

from free_port import free_port

_REQUEST = re.compile(rb"(?:GET|HEAD) (\S+) HTTP/1\.1\r\n")


class CountingRelay:
    """Relays connections to `target`; `received` is the bytes that came from there.

    `asked` are the paths of the requests that went there, but for the look whether anybody is there, /v2/:
    caches of registries have that now and then by themselves.

    While it is `down` nothing listens at its port.
    """

    def __init__(self, address: str, target: tuple[str, int]) -> None:
        self._address = address
        self._target = target
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self._last = time.monotonic()
        self.received = 0
        self.asked: list[str] = []
        self.port = free_port()
        self.up()

    def up(self) -> None:
        """Listen, at the same port as before."""
        self._listener = socket.create_server((self._address, self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def down(self) -> None:
        """Stop listening, and cut what is open."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self._lock:
            opened, self._open = self._open, set()
        for each in opened:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def settled(self, *, quiet: float = 0.5, timeout: float = 20.0) -> int:
        """Wait until nothing has come for a while: 2.8 fetches on after a pull. Return the bytes so far."""
        end = time.monotonic() + timeout
        while time.monotonic() - self._last < quiet:
            assert time.monotonic() < end, "bytes keep coming from the upstream"
            time.sleep(0.05)
        return self.received

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                here, _ = listener.accept()
            except OSError:
                return
            try:
                there = socket.create_connection(self._target, timeout=5)
            except OSError:
                here.close()
                continue
            there.settimeout(None)
            with self._lock:
                self._open |= {here, there}
            threading.Thread(target=self._copy, args=(here, there), daemon=True).start()
            threading.Thread(target=self._copy, args=(there, here, True), daemon=True).start()

    def _note(self, data: bytes) -> None:
        # A request without a body comes in one piece.
        request = _REQUEST.match(data)
        if request is not None and request[1] != b"/v2/":
            with self._lock:
                self.asked.append(request[1].decode())

    def _copy(self, source: socket.socket, sink: socket.socket, counted: bool = False) -> None:  # noqa: FBT001, FBT002
        try:
            while data := source.recv(65536):
                if not counted:
                    self._note(data)
                else:
                    with self._lock:
                        self.received += len(data)
                        self._last = time.monotonic()
                sink.sendall(data)
        except OSError:
            pass
        finally:
            for each in (source, sink):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            if counted:
                source.close()
                sink.close()
            with self._lock:
                self._open -= {source, sink}
