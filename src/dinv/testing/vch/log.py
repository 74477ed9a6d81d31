"""The calls to the simulator: kept for tests to check, and written as lines of JSON."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator


_NOT_FOUND = 404
_ERROR = 400


class Call:
    """One call.

    `path` is without version and query, `api` the version in the path, or None. `operation` is VIC's name
    for it, "" if it has none. `ignored` lists what was asked for and a VCH silently ignores, such as
    HostConfig.Privileged; fields with their default value are not listed. `implemented` is False for what a
    VCH of this version does not have. `injected` is true of an error made on purpose (faults.py). `error` is
    an error's message. `failure` is a bug of the simulator's own.
    """

    __slots__ = (
        "api",
        "error",
        "failure",
        "ignored",
        "implemented",
        "injected",
        "method",
        "milliseconds",
        "operation",
        "path",
        "status",
    )

    def __init__(self, method: str, path: str, api: str | None) -> None:
        self.method = method
        self.path = path
        self.api = api
        self.operation = ""
        self.status = 0
        self.ignored: list[str] = []
        self.implemented = True
        self.injected = False
        self.error = ""
        self.failure = ""
        self.milliseconds = 0.0

    def record(self) -> dict[str, Any]:
        """Return the call as one object of the log."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __repr__(self) -> str:
        return f"<Call {self.method} {self.path} {self.status}>"


class Calls:
    """All calls so far, in the order in which they were answered; also written to a file if there is one."""

    def __init__(self, path: str = "") -> None:
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        # Line buffered: readers that follow the log see whole lines.
        self._file: TextIO | None = open(path, "a", buffering=1, encoding="utf-8") if path else None  # noqa: SIM115

    def add(self, call: Call) -> None:
        with self._lock:
            self._calls.append(call)
            if self._file is not None:
                self._file.write(json.dumps(call.record(), sort_keys=True) + "\n")

    def clear(self) -> None:
        """Forget the calls; the file keeps its content."""
        with self._lock:
            self._calls.clear()

    def __iter__(self) -> Iterator[Call]:
        with self._lock:
            return iter(list(self._calls))

    def __len__(self) -> int:
        return len(self._calls)

    def __getitem__(self, index: int) -> Call:
        return self._calls[index]

    @property
    def ignored(self) -> list[str]:
        """Return each ignored field once, in order."""
        return list(dict.fromkeys(field for call in self for field in call.ignored))

    @property
    def unimplemented(self) -> list[Call]:
        """Calls that a VCH of this version does not have."""
        return [call for call in self if not call.implemented]

    @property
    def refused(self) -> list[Call]:
        """Return calls that were answered with an error, unless a test asked for it.

        Not finding what was only looked for does not count.
        """
        return [
            call
            for call in self
            if call.status >= _ERROR
            and not call.injected
            and not (call.status == _NOT_FOUND and call.implemented and call.method in ("GET", "HEAD"))
        ]

    @property
    def newer(self) -> list[Call]:
        """Calls in an API version newer than 1.25, which a VCH serves without having it."""
        return [call for call in self if call.api and _number(call.api) > (1, 25)]

    @property
    def failures(self) -> list[Call]:
        """Calls on which the simulator itself failed."""
        return [call for call in self if call.failure]

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
