"""Check once that a container can run in a machine, so that "ready" is true.

A daemon can answer although none of its containers start: the endpoint gives the machine too few
capabilities, or nothing has made the machine's cgroups writable. The trial is a container of an image made on
the spot, with a program of some 140 bytes that ends at once. Success is recorded in the store, for endpoint,
image and isolation together, so that the next machine of that kind needs no trial.
"""

from __future__ import annotations

import contextlib
import io
import json
import os

from dinv.errors import ContainersCannotRun, DeadlineExceeded, DinvError, EngineError
from dinv.wording import command, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.engine import Engine

FILE = "trials.json"
KEPT = 100
"""How many kinds of machine are remembered: the latest ones."""
CALL_SECONDS = 30.0

_NAME = "dinv-trial"
_LARGEST = 1 << 20
_BASE = 0x400000

_CODE = {
    # exit(0), whose number depends on the architecture (linux: include/uapi/asm-generic/unistd.h, arch/x86).
    "amd64": (62, bytes.fromhex("31ffb83c0000000f05")),
    "arm64": (183, bytes.fromhex("000080d2a80b80d2010000d4")),
}
"""The program, by Go's name of an architecture: ELF's number for it, and the instructions."""
_PAUSE = {
    # pause() for ever; ppoll(0, 0, 0, 0), since arm64 has no pause.
    "amd64": (62, bytes.fromhex("b8220000000f05ebf7")),
    "arm64": (183, bytes.fromhex("000080d2010080d2020080d2030080d2280980d2010000d4faffff17")),
}
"""The same for a program that does nothing, until it is killed."""


_PRIVILEGED = option("isolation", "privileged")


def run(engine: Engine, machine: str, advice: str) -> bool:
    """Run a container, and leave nothing of it; return False on a processor without a program here.

    `engine` is the machine's own daemon. One that the daemon cannot start is tried a second time, unless the
    reason is known: on a busy computer runc may lose its first process (seen with 1.1: "read init-p:
    connection reset by peer"). Raises ContainersCannotRun, with `advice` unless the reason is known.
    """
    code = _CODE.get(str(engine.version().get("Arch", "")))
    if code is None:
        return False
    archive = _file_system(*code)
    try:
        try:
            _run(engine, archive)
        except EngineError as error:
            if explain(error.message):
                raise
            _run(engine, archive)
    except (EngineError, DeadlineExceeded) as error:
        reason = error.message if isinstance(error, EngineError) else str(error)
        raise ContainersCannotRun(machine, reason, explain(reason) or advice) from error
    return True


def _run(engine: Engine, archive: bytes) -> None:
    from dinv.errors import ServerError

    image = engine.images.import_(io.BytesIO(archive), repo=_NAME, tag="latest", timeout=CALL_SECONDS)
    container = ""
    try:
        with contextlib.suppress(DinvError):
            engine.containers.remove(_NAME, force=True)  # of a trial that was killed, on a cache volume
        container, _ = engine.containers.create(
            _NAME, {"Image": image, "Cmd": ["/true"]}, timeout=CALL_SECONDS
        )
        engine.containers.start(container, timeout=CALL_SECONDS)
        status = engine.containers.wait(container, timeout=CALL_SECONDS)
        if status:
            path = f"/containers/{container}/wait"
            raise ServerError(f"it ended with status {status}", status=200, method="POST", path=path)
    finally:
        with contextlib.suppress(DinvError):
            if container:
                engine.containers.remove(container, force=True, timeout=CALL_SECONDS)
        with contextlib.suppress(DinvError):
            engine.images.remove(image, timeout=CALL_SECONDS)


def pausing(architecture: str) -> bytes | None:
    """Return the file system, a tar, of a container that runs until it is killed: its program is `/true`.

    None on a processor without a program here; `architecture` is by Go's name.
    """
    code = _PAUSE.get(architecture)
    return _file_system(*code) if code else None


def explain(reason: str) -> str:
    """Return advice about a container that does not start, "" if the daemon's message is not recognised."""
    said = reason.lower()
    if "apply caps" in said or "capabilit" in said:
        return (
            "The endpoint gives the machine fewer capabilities than its containers want, which are Docker's "
            "own 14. Allow them where that is configured (Podman: default_capabilities in containers.conf), "
            "or create the machine with " + _PRIVILEGED + "."
        )
    if 'mounting "proc"' in said or 'mounting "sysfs"' in said:
        return (
            "The endpoint hides parts of /proc or /sys from the machine, although it was asked not to (by a "
            "policy or a plugin), and with those hidden the kernel lets no container mount its own. "
            + _PRIVILEGED
            + ", or a runtime made for systems in containers, does not need them shown."
        )
    if "cgroup" in said:
        return (
            "The machine cannot make cgroups of its own. Its image has to make them writable, as dinv's "
            "own does ("
            + command("image", "build")
            + "), or the machine takes "
            + _PRIVILEGED
            + ". A rootless endpoint has to have them delegated to its user, "
            "which takes cgroup v2 and systemd."
        )
    return ""


def remembered(directory: str, kind: str) -> bool:
    """Return whether a container has run in a machine of this kind before. `directory` is the store's."""
    return bool(kind) and _read(directory).get(kind) is True


def remember(directory: str, kind: str) -> None:
    """Record that one has. Of two processes that do so at once one may be lost: then it is tried again."""
    from dinv.system import files

    if not kind:
        return
    known = _read(directory)
    known.pop(kind, None)
    known[kind] = True
    kept = dict(list(known.items())[-KEPT:])
    # A store that cannot be written was reported earlier; without the record the next create takes longer.
    with contextlib.suppress(OSError):
        files.write(os.path.join(directory, FILE), json.dumps(kept, indent=1).encode() + b"\n", mode=0o600)


def _read(directory: str) -> dict[str, object]:
    try:
        descriptor = os.open(
            os.path.join(directory, FILE), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        )
        with open(descriptor, "rb") as file:
            found = json.loads(file.read(_LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _file_system(elf_machine: int, code: bytes) -> bytes:
    """Return a tar with one program, `/true`."""
    import tarfile

    program = _program(elf_machine, code)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo("true")
        member.size, member.mode = len(program), 0o755
        archive.addfile(member, io.BytesIO(program))
    return packed.getvalue()


def _program(elf_machine: int, code: bytes) -> bytes:
    """Return a static executable of 64 bits, little-endian (elf(5)): two headers, and the code."""
    import struct

    header, segment = 64, 56
    size = header + segment + len(code)
    entry = _BASE + header + segment
    identity = b"\x7fELF" + bytes((2, 1, 1)) + bytes(9)
    return (
        identity
        + struct.pack("<HHIQQQIHHHHHH", 2, elf_machine, 1, entry, header, 0, 0, header, segment, 1, 0, 0, 0)
        + struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
        + code
    )
