"""The file system of a Debian machine, made on this side from Debian packages: no registry needed.

mmdebstrap(1) does the work, from the Debian mirror that this host already uses or, if it uses none, from
mmdebstrap's own default. Its archive comes out of a pipe; nothing of it is stored here.
"""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import shutil
import signal
import stat
import subprocess

from dinv.errors import DeadlineExceeded, ImageBuildError
from dinv.system import locks, mounts, scratch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType
    from typing import IO, Self

    from dinv.system.deadline import Deadline

SUITE = "trixie"
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_STOP_SECONDS = 10.0
_CONTEXT = "context.tar"

# mmdebstrap's messages that are worth showing; the rest is for the error message.
_TOLD = (
    "I: running apt-get update",
    "I: downloading",
    "I: extracting",
    "I: installing",
    "I: creating tarball",
)


def missing_tools() -> str:
    """Return what this host lacks to make a Debian file system, and how to get it; "" if nothing."""
    if shutil.which("mmdebstrap") is None:
        return "mmdebstrap is missing: apt-get install mmdebstrap"
    if not os.path.exists(_KEYRING):
        return "Debian's package keys are missing: apt-get install debian-archive-keyring"
    return ""


class DebianBase:
    """A tar of a Debian file system with `packages`, configured by the install.sh in `context`, a tar.

    A context manager with `read`. Leaving it ends mmdebstrap, which removes its directory itself. A directory
    that a killed mmdebstrap left behind is removed by the next.
    """

    def __init__(
        self,
        packages: Sequence[str],
        context: bytes,
        *,
        report: Callable[[str], None],
        deadline: Deadline,
        variant: str = "apt",
        shell: str = "sh",
        leave_out: Sequence[str] = (),
        epoch: int | None = None,
    ) -> None:
        """`variant` is mmdebstrap's; `shell` is the command in the file system that runs install.sh.

        With "extract" nothing is installed: the packages are only unpacked, which takes a few seconds.
        `leave_out` are options of dpkg: path-exclude=PATTERN, path-include=PATTERN. No file in the archive is
        newer than `epoch`, in seconds since 1970; by default than the start.
        """
        self._leave_out = leave_out
        self._epoch = epoch
        self._variant = variant
        # Where nothing is installed, mmdebstrap has no stage after that.
        self._stage = "extract" if variant == "extract" else "customize"
        self._shell = shell
        self._packages = packages
        self._context = context
        self._report = report
        self._deadline = deadline
        self._said: list[str] = []
        self._partial = b""
        self._ready = b""
        self._status: int | None = None

    def __enter__(self) -> Self:
        reason = missing_tools()
        if reason:
            raise ImageBuildError(f"The Debian base cannot be made here: {reason}")
        self._directory, self._lock = _work_directory(self._report, self._deadline)
        try:
            path = os.path.join(self._directory, _CONTEXT)
            with open(path, "wb") as file:
                file.write(self._context)
            self._process = self._start(path)
            self._stdout, self._stderr = (
                _descriptor(self._process.stdout),
                _descriptor(self._process.stderr),
            )
            self._pipes = [self._stdout, self._stderr]
        except BaseException:
            os.close(self._lock)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        try:
            if process.poll() is None and self._status is None:
                process.terminate()
                try:
                    process.wait(_STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    # Its whole process group: it has children in namespaces of their own.
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
            os.unlink(os.path.join(self._directory, _CONTEXT))
        finally:
            os.close(self._lock)

    def wait_for_first_byte(self) -> None:
        """Return when the archive begins, when nearly all the work is done. Raises as `read` does."""
        self._ready = self._ready or self.read(65536)

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes of the archive, b"" at its end.

        Raises ImageBuildError when mmdebstrap fails, and DeadlineExceeded.
        """
        if self._ready:
            data, self._ready = self._ready[:size], self._ready[size:]
            return data
        while True:
            if self._deadline.expired:
                raise DeadlineExceeded("Making the Debian base", self._deadline.seconds)
            readable, _, _ = select.select(self._pipes, [], [], self._deadline.remaining())
            if self._stderr in readable:
                self._hear()
            if self._stdout in readable:
                data = os.read(self._stdout, size)
                if not data:
                    self.check()
                return data

    def check(self) -> None:
        """Raise ImageBuildError if mmdebstrap has failed. After the end of its output, wait for it to end."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._status = self._process.wait(_STOP_SECONDS)
        while self._stderr in self._pipes and select.select([self._stderr], [], [], 0)[0]:
            self._hear()
        if self._status:
            tail = "".join(f"\n  {line}" for line in self._said)
            raise ImageBuildError(f"Making the Debian base failed. The last lines of mmdebstrap:{tail}")

    def _hear(self) -> None:
        """Process a piece of mmdebstrap's output. What it is about to do is reported."""
        data = os.read(self._stderr, 65536)
        if not data:
            self._pipes.remove(self._stderr)
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            text = line.decode(errors="replace").rpartition("\r")[2].strip()
            if text.startswith(_TOLD):
                self._report(text[3:].rstrip(".").capitalize())
            if text:
                self._said.append(text)
        del self._said[:-12]

    def _start(self, context: str) -> subprocess.Popen[bytes]:
        mirrors = _host_mirrors()
        argv = [
            *_private_mounts(),
            "mmdebstrap",
            f"--variant={self._variant}",
            "--format=tar",
            f"--include={','.join(self._packages)}",
            '--aptopt=Apt::Install-Recommends "false"',
            # A base that is thrown away when the power fails needs no fsync.
            "--dpkgopt=force-unsafe-io",
            *(f"--dpkgopt={one}" for one in self._leave_out),
            *(f"--{self._stage}-hook={hook}" for hook in self._hooks(context)),
            SUITE,
            "-",
            # Through stdin: a mirror's address may hold a password, and arguments are public.
            *(["-"] if mirrors else []),
        ]
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(self._directory, self._epoch),
            start_new_session=True,
            # Children keep the lock while they live, so that nobody clears the directory under them.
            pass_fds=(self._lock,),
        )
        assert process.stdin is not None  # noqa: S101
        with contextlib.suppress(BrokenPipeError), process.stdin:
            process.stdin.write("".join(f"{line}\n" for line in mirrors).encode())
        return process

    def _hooks(self, context: str) -> Iterator[str]:
        yield "mkdir $1/tmp/dinv-image"
        yield f"tar-in {shlex.quote(context)} /tmp/dinv-image"
        yield f'chroot "$1" {self._shell} /tmp/dinv-image/install.sh configure'
        # Settings for this one installation, and maybe this host only.
        yield 'cd "$1/etc" && rm -f apt/apt.conf.d/99mmdebstrap dpkg/dpkg.cfg.d/99mmdebstrap'


def _descriptor(pipe: IO[bytes] | None) -> int:
    assert pipe is not None  # noqa: S101 - all three were asked for
    return pipe.fileno()


def _private_mounts() -> list[str]:
    """Return a prefix that gives a command a mount namespace of its own, if the user may have one.

    Run by root, mmdebstrap mounts /proc, /sys and /dev/pts of its file system in the host's namespace
    (mmdebstrap 1.3), where they would stay after it was killed. Run by others it has its own.
    """
    prefix = ["unshare", "--mount", "--"]
    try:
        found = subprocess.run(
            [*prefix, "true"], stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return prefix if found.returncode == 0 else []


def _environment(directory: str, epoch: int | None) -> dict[str, str]:
    env = {**os.environ, "TMPDIR": directory, "LC_ALL": "C.UTF-8"}
    # mmdebstrap's own default is the time of its start; programs that it runs read the variable as well.
    if epoch is not None:
        env["SOURCE_DATE_EPOCH"] = str(epoch)
    # apt reads these in lower case alone (apt: methods/aptmethod.h), other programs are set up in capitals.
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        if name not in env and name.upper() in env:
            env[name] = env[name.upper()]
    for scheme in ("http", "https"):
        name = f"{scheme}_proxy"
        if name not in env:
            proxy = _output("apt-config", "shell", "proxy", f"Acquire::{scheme}::Proxy")
            words = shlex.split(proxy.partition("=")[2])
            if words and words[0] not in ("", "DIRECT", "false"):
                env[name] = words[0]
    return env


def _host_mirrors() -> list[str]:
    """Return sources.list lines for SUITE from the mirrors of a Debian host; none on other hosts.

    Debian's own repositories are recognised by their Release files: Origin and Label.
    """
    fields = "$(ORIGIN)|$(LABEL)|$(REPO_URI)"
    found = _output("apt-get", "indextargets", "--format", fields, "Created-By: Packages").splitlines()
    return mirror_lines([line.strip() for line in found])


def mirror_lines(targets: Sequence[str]) -> list[str]:
    """Turn lines `Origin|Label|URI` of apt's index targets into sources.list lines for SUITE."""
    uris: dict[str, str] = {}
    for target in targets:
        origin, _, rest = target.partition("|")
        label, _, uri = rest.partition("|")
        if origin == "Debian" and uri and not any(char.isspace() for char in uri):
            uris.setdefault(label, uri)
    if "Debian" not in uris:
        return []
    lines = [f"deb {uris['Debian']} {suite} main" for suite in (SUITE, f"{SUITE}-updates")]
    if "Debian-Security" in uris:
        lines.append(f"deb {uris['Debian-Security']} {SUITE}-security main")
    return lines


def _output(*argv: str) -> str:
    """Return the output of an apt command; "" if it does not exist or fails."""
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=30,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode(errors="replace")


def _work_directory(report: Callable[[str], None], deadline: Deadline) -> tuple[str, int]:
    """Return the user's directory for builds, empty, and a descriptor that holds its lock.

    One directory for all builds of a user, so that the remains of a killed build are found. It is below the
    temporary directory, not the home: mmdebstrap's other user ids need access.
    """
    path = os.path.join(scratch.place(), f"dinv-image-build-{os.getuid()}")
    try:
        os.mkdir(path, 0o711)
    except FileExistsError:
        found = os.lstat(path)
        # Anybody can create a directory of this name beforehand.
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
            raise ImageBuildError(
                f"{path} is not a directory of yours alone. Remove it, or set TMPDIR to another place."
            ) from None
    except OSError as exc:
        raise ImageBuildError(f"No directory for the build can be made: {path}: {exc.strerror}") from exc
    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _wait_for_lock(lock, path, report, deadline)
        _clear(path)
    except BaseException:
        os.close(lock)
        raise
    return path, lock


def _wait_for_lock(lock: int, path: str, report: Callable[[str], None], deadline: Deadline) -> None:
    told = False

    def wait() -> float:
        nonlocal told
        if not told:
            report("Waiting for another image build to end")
        told = True
        deadline.raise_if_expired("Waiting for another image build")
        return 0.2

    locks.take_in_time(lock, path, wait)


def _clear(path: str) -> None:
    """Empty the directory of a killed build's remains; never through a mount that still exists in it."""
    mounted = []
    with contextlib.suppress(OSError):
        mounted = mounts.below(path)
    if mounted:
        raise ImageBuildError(f"A former build left {mounted[0]} mounted: umount it and try again")
    for entry in os.scandir(path):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            os.unlink(entry.path)
