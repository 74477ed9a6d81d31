"""The calls about containers."""

from __future__ import annotations

import io
from math import inf

from dinv.engine import shapes
from dinv.engine.wire.http_syntax import quote
from dinv.engine.wire.streams import Demultiplexer, Output, Plain
from dinv.errors import ProtocolError
from dinv.formats import json_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from dinv.engine.calls import Calls
    from dinv.engine.wire.hijack import HijackedStream
    from dinv.engine.wire.http import Readable, Response
    from dinv.system.deadline import Deadline

    JSON = dict[str, Any]
    JSONList = list[dict[str, Any]]

_STAT_HEADER = "x-docker-container-path-stat"
_STOP_SECONDS = 10  # the engine's own grace, where a container names no other

# Go's os.FileMode, which PathStat.mode is: os/types.go
_MODE_DIR = 1 << 31
_MODE_SYMLINK = 1 << 27
# ... device, named pipe, socket, character device, irregular
_MODE_TYPE = _MODE_DIR | _MODE_SYMLINK | 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19


class PathStat:
    """A file in a container. `size` in bytes, `mode` in Go's bits, `mtime` as RFC 3339 text."""

    __slots__ = ("link_target", "mode", "mtime", "name", "size")

    def __init__(self, name: str, size: int, mode: int, mtime: str, link_target: str) -> None:
        self.name = name
        self.size = size
        self.mode = mode
        self.mtime = mtime
        self.link_target = link_target

    @property
    def is_dir(self) -> bool:
        """Whether it is a directory."""
        return bool(self.mode & _MODE_DIR)

    @property
    def is_regular(self) -> bool:
        """Whether it is a regular file."""
        return not self.mode & _MODE_TYPE

    @property
    def is_symlink(self) -> bool:
        """Whether it is a symbolic link; `link_target` is where to."""
        return bool(self.mode & _MODE_SYMLINK)

    @property
    def permissions(self) -> int:
        """The permission bits, as chmod takes them, without set-id bits."""
        return self.mode & 0o777


class Archive(io.BufferedIOBase):
    """A tar being read from a container, a file for `tarfile.open(fileobj=..., mode="r|")`.

    `stat` describes its content. The caller closes it.
    """

    def __init__(self, response: Response, stat: PathStat) -> None:
        super().__init__()
        self.stat = stat
        self._response = response

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Return exactly `size` bytes, fewer only at the end; everything that is left for -1."""
        return self._response.read(-1 if size is None else size)

    def read1(self, size: int = -1, /) -> bytes:
        """Return what has arrived, at most `size` bytes; b"" at the end."""
        return self._response.read_some(size) if size >= 0 else self._response.read_some()

    def close(self) -> None:
        """Stop reading. May be called again."""
        self._response.close()
        super().close()


class Containers:
    """`engine.containers`. Answers are the API's own objects; containers go by name or id.

    All calls raise NotFound for a container that is not there.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def create(
        self,
        name: str,
        body: Mapping[str, Any],
        *,
        platform: str | None = None,
        timeout: float | Deadline | None = None,
    ) -> tuple[str, list[str]]:
        """Create a container from the API's create object; return its id and the engine's warnings.

        Raises NotFound for a missing image, Conflict if the name is taken.
        """
        query = {"name": name, "platform": platform}
        found: JSON = self._calls.make(
            "/containers/create", body, query=query, shape=shapes.CREATED, timeout=timeout
        )
        warnings: list[str] = found.get("Warnings") or []
        return found["Id"], warnings

    def inspect(self, container: str, *, size: bool = False, timeout: float | Deadline | None = None) -> JSON:
        """Return one container; with `size` also its SizeRw and SizeRootFs (bytes), which takes a while."""
        query = {"size": True} if size else None
        found: JSON = self._calls.json(
            "GET", _path(container, "json"), query=query, shape=shapes.CONTAINER, timeout=timeout
        )
        return found

    def start(self, container: str, *, timeout: float | Deadline | None = None) -> None:
        """Start it; one that already runs is left alone."""
        self._calls.call("POST", _path(container, "start"), timeout=timeout)

    def update(
        self, container: str, body: Mapping[str, Any], *, timeout: float | Deadline | None = None
    ) -> list[str]:
        """Change its limits, from the API's resources object; return the engine's warnings.

        0 leaves a limit as it is. One that runs has them at once. Raises NotFound where an API has no such
        call, too.
        """
        found: JSON = self._calls.json(
            "POST", _path(container, "update"), body=body, shape=shapes.UPDATED, timeout=timeout
        )
        warnings: list[str] = found.get("Warnings") or []
        return warnings

    def stop(
        self, container: str, *, grace: int | None = None, timeout: float | Deadline | None = None
    ) -> None:
        """Stop it: its stop signal, `grace` seconds (None: its own setting, else 10), then SIGKILL.

        One that has already stopped is left alone. The default `timeout` is added to the grace.
        """
        self._calls.call(
            "POST", _path(container, "stop"), query={"t": grace}, timeout=self._with_grace(grace, timeout)
        )

    def restart(
        self, container: str, *, grace: int | None = None, timeout: float | Deadline | None = None
    ) -> None:
        """Stop it as `stop` does, and start it."""
        self._calls.call(
            "POST", _path(container, "restart"), query={"t": grace}, timeout=self._with_grace(grace, timeout)
        )

    def _with_grace(self, grace: int | None, timeout: float | Deadline | None) -> float | Deadline:
        if timeout is not None:
            return timeout
        return self._calls.timeout + (_STOP_SECONDS if grace is None else grace)

    def kill(
        self, container: str, *, signal: str = "SIGKILL", timeout: float | Deadline | None = None
    ) -> None:
        """Send a signal to its first process. Raises Conflict if it does not run."""
        self._calls.call("POST", _path(container, "kill"), query={"signal": signal}, timeout=timeout)

    def unpause(self, container: str, *, timeout: float | Deadline | None = None) -> None:
        """Resume its processes."""
        self._calls.call("POST", _path(container, "unpause"), timeout=timeout)

    def rename(self, container: str, name: str, *, timeout: float | Deadline | None = None) -> None:
        """Rename it. Raises Conflict if the name is taken."""
        self._calls.call("POST", _path(container, "rename"), query={"name": name}, timeout=timeout)

    def remove(
        self,
        container: str,
        *,
        force: bool = False,
        volumes: bool = True,
        timeout: float | Deadline | None = None,
    ) -> None:
        """Remove it, with its anonymous volumes; `force` kills it first. Raises Conflict while it runs."""
        self._calls.call(
            "DELETE", f"/containers/{quote(container)}", query={"force": force, "v": volumes}, timeout=timeout
        )

    def wait(
        self, container: str, *, condition: str | None = None, timeout: float | Deadline | None = inf
    ) -> int:
        """Wait until it has ended and return its exit status, by default without a time limit.

        `condition` (API 1.30): "not-running", "next-exit" or "removed".
        """
        query = {"condition": condition} if condition and self._calls.at_least("1.30") else None
        found: JSON = self._calls.json(
            "POST", _path(container, "wait"), query=query, shape=shapes.WAIT, timeout=timeout
        )
        failure = (found.get("Error") or {}).get("Message")
        if failure:
            raise ProtocolError(failure, method="POST", path=_path(container, "wait"))
        return int(found["StatusCode"])

    def stats(self, container: str, *, timeout: float | Deadline | None = None) -> JSON:
        """Return one sample of its use of CPU, memory (bytes), network and disk.

        Without `one-shot` (API 1.41) the engine takes a second to add the sample before it; this uses
        one-shot if it is available.
        """
        query = {"stream": False, "one-shot": True if self._calls.at_least("1.41") else None}
        found: JSON = self._calls.json(
            "GET", _path(container, "stats"), query=query, shape=dict, timeout=timeout
        )
        return found

    def top(
        self, container: str, *, ps_args: str | None = None, timeout: float | Deadline | None = None
    ) -> JSON:
        """Return its processes: "Titles", and "Processes" as rows of text."""
        query = {"ps_args": ps_args}
        found: JSON = self._calls.json(
            "GET", _path(container, "top"), query=query, shape=dict, timeout=timeout
        )
        return found

    def resize(
        self, container: str, *, height: int, width: int, timeout: float | Deadline | None = None
    ) -> None:
        """Set the size of its TTY, in characters."""
        self._calls.call("POST", _path(container, "resize"), query={"h": height, "w": width}, timeout=timeout)

    def logs(
        self,
        container: str,
        *,
        stdout: bool = True,
        stderr: bool = True,
        tail: int | None = None,
        since: float | None = None,
        timestamps: bool = False,
        follow: bool = False,
        tty: bool | None = None,
        timeout: float | Deadline | None = None,
        body_timeout: float | Deadline | None = None,
    ) -> Output:
        """Return its output, a frame at a time; most frames are a line.

        `tail`: the number of last lines, `since`: seconds since the epoch. With `follow` it goes on until the
        container ends or the output is closed; `body_timeout` then limits the reading (an IdleDeadline limits
        the silence), otherwise there is no limit. `tty`, if the caller knows it, saves a call.
        """
        if tty is None and not self._calls.at_least("1.42"):
            tty = self._has_tty(container, timeout)
        response = self._calls.request(
            "GET",
            _path(container, "logs"),
            query={
                "stdout": stdout,
                "stderr": stderr,
                "tail": "all" if tail is None else str(tail),
                "since": None if since is None else f"{since:.9f}",
                "timestamps": timestamps,
                "follow": follow,
            },
            timeout=timeout,
            body_timeout=body_timeout if body_timeout is not None or not follow else inf,
        )
        if tty is None:
            # From API 1.42 the answer says what it is.
            tty = "multiplexed" not in response.headers.get("content-type", "")
        return Output(response, Plain() if tty else Demultiplexer())

    def _has_tty(self, container: str, timeout: float | Deadline | None) -> bool:
        return bool((self.inspect(container, timeout=timeout).get("Config") or {}).get("Tty"))

    def attach(
        self,
        container: str,
        *,
        stdin: bool = False,
        stdout: bool = True,
        stderr: bool = True,
        logs: bool = False,
        tty: bool | None = None,
        timeout: float | Deadline | None = None,
    ) -> HijackedStream:
        """Connect to its standard streams; with `logs` earlier output comes first.

        `timeout` is for connecting. The caller closes the stream.
        """
        if tty is None:
            tty = self._has_tty(container, timeout)
        query = {"stream": True, "stdin": stdin, "stdout": stdout, "stderr": stderr, "logs": logs}
        return self._calls.hijack(_path(container, "attach"), query=query, tty=tty, timeout=timeout)

    def archive_stat(self, container: str, path: str, *, timeout: float | Deadline | None = None) -> PathStat:
        """Return what is at `path` in the container, running or not. Raises NotFound."""
        with self._calls.request(
            "HEAD", _path(container, "archive"), query={"path": path}, timeout=timeout
        ) as response:
            return _stat(response)

    def archive_get(
        self,
        container: str,
        path: str,
        *,
        timeout: float | Deadline | None = None,
        body_timeout: float | Deadline | None = inf,
    ) -> Archive:
        """Return a tar of `path`, entries named from its last component on. Raises NotFound.

        `body_timeout` limits the reading; an IdleDeadline suits it.
        """
        response = self._calls.request(
            "GET",
            _path(container, "archive"),
            query={"path": path},
            timeout=timeout,
            body_timeout=body_timeout,
        )
        try:
            return Archive(response, _stat(response))
        except BaseException:
            response.close()
            raise

    def archive_put(
        self,
        container: str,
        path: str,
        data: bytes | Readable,
        *,
        no_overwrite_dir_non_dir: bool = False,
        copy_uid_gid: bool = False,
        timeout: float | Deadline | None = None,
    ) -> None:
        """Unpack a tar (bytes, or an open file that is sent as it is read) in directory `path`.

        Works on containers that were never started. Raises NotFound if there is no such directory,
        Unauthorized (403) if it is read-only. Use an IdleDeadline for a large file.
        """
        query = {
            "path": path,
            "noOverwriteDirNonDir": no_overwrite_dir_non_dir or None,
            "copyUIDGID": copy_uid_gid or None,
        }
        with self._calls.request(
            "PUT",
            _path(container, "archive"),
            query=query,
            body=data,
            headers={"Content-Type": "application/x-tar"},
            timeout=timeout,
        ) as response:
            response.read()

    def list(
        self,
        *,
        all: bool = False,  # noqa: A002 - the API's word
        filters: Mapping[str, list[str]] | None = None,
        timeout: float | Deadline | None = None,
    ) -> JSONList:
        """Return the containers that match all of `filters`, such as `{"label": ["a=b"]}`.

        Only running ones unless `all`.
        """
        query = {"all": all, "filters": filters or None}
        found: JSONList = self._calls.json(
            "GET", "/containers/json", query=query, shape=shapes.CONTAINERS, timeout=timeout
        )
        return found


def _path(container: str, action: str) -> str:
    return f"/containers/{quote(container)}/{action}"


def _stat(response: Response) -> PathStat:
    from base64 import b64decode

    try:
        found = json_text.parse(b64decode(response.headers[_STAT_HEADER]))
        return PathStat(
            str(found["name"]),
            int(found["size"]),
            int(found["mode"]),
            str(found.get("mtime") or ""),
            str(found.get("linkTarget") or ""),
        )
    except (KeyError, ValueError, TypeError, OverflowError, AttributeError) as exc:
        raise response.error("it does not say what the path is") from exc
