"""Programs put into a machine image: `image build --with k3s=FILE`, a layer on top of dinv's own image.

What can be put in are the distributions of Kubernetes (`dinv.provisioners.kubernetes.distributions`): a
program of the user's, a tar that has it, or a release, which the endpoint fetches where its network allows.
"""

from __future__ import annotations

import io
import os
import re
import tarfile
from typing import NamedTuple

from dinv.errors import EngineError, ImageBuildError, InputError, NotFound
from dinv.image_building import builder
from dinv.images import features, recognise
from dinv.labels import LABEL_FEATURES
from dinv.provisioners.kubernetes import distributions
from dinv.system import scratch
from dinv.system.deadline import Deadline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import IO, Any

    from dinv.engine import Engine
    from dinv.provisioners.kubernetes.distributions import Distribution

MOST_BYTES = 1 << 30
MOST_UNPACKED = 4 << 30
MOST_ENTRIES = 100_000
"""What a file and what a tar may have: k3s is 70 MB, kubeadm with all that it needs 400."""

ELF_MACHINES = {
    **dict.fromkeys(("x86_64", "amd64"), 62),
    **dict.fromkeys(("aarch64", "arm64"), 183),
    **dict.fromkeys(("armv7l", "armhf", "arm"), 40),
    "riscv64": 243,
    "ppc64le": 21,
}
"""ELF's numbers (elf(5), e_machine) of little-endian processors, by the kernel's and by Go's names."""

_VERSION = re.compile(r"(?P<version>v\d+\.\d+\.\d+[-+.0-9a-z]*)(?:@sha256:(?P<sha256>[0-9a-f]{64}))?")
_WORK_TAG = "dinv-build"


class Addition(NamedTuple):
    """One thing to put in: a file of this computer, or a released version; "" is the other one.

    `sha256` is what a version has to have, in hexadecimal; "" for what is published along with it.
    """

    distribution: Distribution
    path: str = ""
    version: str = ""
    sha256: str = ""


def split(texts: Iterable[str]) -> tuple[list[str], list[Addition]]:
    """Return features that are none of these, and those that are. Raises InputError."""
    others, found = [], []
    for text in texts:
        if text.partition("=")[0] in distributions.TABLE:
            found.append(_parsed(text))
        else:
            others.append(text)
    return others, found


def _parsed(text: str) -> Addition:
    """Parse NAME=FILE, NAME=VERSION[@sha256:HEX]."""
    name, _, what = text.partition("=")
    distribution = distributions.find(name)
    version = _VERSION.fullmatch(what)
    if version is None and what:
        return Addition(distribution, path=os.path.abspath(os.path.expanduser(what)))
    if not distribution.release_url:
        raise InputError(f"{name} is not fetched: give a tar that has it, {name}=FILE")
    if version is None:
        raise InputError(f"Which {name}? Give a file, {name}=FILE, or a release, such as k3s=v1.33.1+k3s1")
    return Addition(distribution, "", version["version"], version["sha256"] or "")


def build(
    engine: Engine,
    additions: list[Addition],
    *,
    base: str,
    make: Callable[[str], object],
    tag: str,
    report: Callable[[str], None],
    timeout: float,
) -> str:
    """Build a machine image with these in it, and name it `tag`; return its id.

    `base` is the machine image that they are put on; if it is none, or is not there, `make` builds one under
    the name that it is given, which goes again. `timeout` is in seconds. Raises ImageBuildError.
    """
    builder.check_builds(engine)
    deadline = Deadline(timeout)
    architecture = str(engine.info(timeout=deadline).get("Architecture") or "")
    with scratch.file() as context:
        work = ""
        config = _machine_image(engine, base, deadline)
        _pack(context, additions, architecture)  # before a base is built: that takes minutes
        try:
            if config is None:
                work = f"{_WORK_TAG}:{os.urandom(4).hex()}"
                make(work)
                config = engine.images.inspect(work, timeout=deadline).get("Config") or {}
            _finish(context, _dockerfile(work or base, config, additions, architecture))
            return _layer(engine, context, tag, report, deadline)
        finally:
            if work:
                _untag(engine, work)


def _machine_image(engine: Engine, base: str, deadline: Deadline) -> dict[str, Any] | None:
    """Return the config of `base` if it is a machine image on the endpoint."""
    if not base or base in builder.BASES:
        return None
    try:
        config: dict[str, Any] = engine.images.inspect(base, timeout=deadline).get("Config") or {}
    except NotFound:
        return None
    return config if recognise(config) else None


def _untag(engine: Engine, name: str) -> None:
    import contextlib

    with contextlib.suppress(EngineError):
        engine.images.remove(name, noprune=True)


def _layer(
    engine: Engine, context: IO[bytes], tag: str, report: Callable[[str], None], deadline: Deadline
) -> str:
    said: list[str] = []

    def progress(message: dict[str, Any]) -> None:
        for line in str(message.get("stream") or "").splitlines():
            if line.strip():
                said.append(line.rstrip())
                report(line.rstrip())
        del said[:-10]

    context.seek(0)
    try:
        return engine.images.build(context, tag=tag, progress=progress, timeout=deadline)
    except EngineError as error:
        tail = "".join(f"\n  {line}" for line in said)
        raise ImageBuildError(f"Building {tag} failed: {error.message}{tail}") from error


# The context: a tar with what is put in, and the Dockerfile at its end


def _pack(context: IO[bytes], additions: list[Addition], architecture: str) -> None:
    with tarfile.open(fileobj=context, mode="w", format=tarfile.PAX_FORMAT) as packed:
        for addition in additions:
            if addition.path:
                _check_and_add(packed, addition, architecture)
    # What follows goes in the place of the end mark, which is written again by `_finish`.


def _finish(context: IO[bytes], dockerfile: str) -> None:
    context.seek(0)
    with tarfile.open(fileobj=context, mode="a") as packed:
        entry = tarfile.TarInfo("Dockerfile")
        content = dockerfile.encode()
        entry.size = len(content)
        packed.addfile(entry, io.BytesIO(content))


def _check_and_add(packed: tarfile.TarFile, addition: Addition, architecture: str) -> None:
    path, name = addition.path, addition.distribution.name
    try:
        size = os.stat(path).st_size
        if not os.path.isfile(path) or size > MOST_BYTES:
            what = f"has {size} bytes, {MOST_BYTES} at most" if os.path.isfile(path) else "is not a file"
            raise ImageBuildError(f"{path} {what}: it cannot be {name}.")
        with open(path, "rb") as file:
            if tarfile.is_tarfile(file):
                file.seek(0)
                _check_tar(file, addition, architecture)
                entry = tarfile.TarInfo(f"{name}.tar")
            else:
                file.seek(0)
                _check_program(file.read(64), path, name, architecture)
                if len(addition.distribution.programs) > 1:
                    needed = " and ".join(addition.distribution.programs)
                    raise ImageBuildError(f"{name} is more than one program: give a tar that has {needed}.")
                entry = tarfile.TarInfo(name)
            entry.size, entry.mode = size, 0o755
            file.seek(0)
            packed.addfile(entry, file)
    except OSError as error:
        raise ImageBuildError(f"{path}: {error.strerror or error}") from error
    except tarfile.TarError as error:
        raise ImageBuildError(f"{path} is a tar that cannot be read: {error}") from error


def _check_program(head: bytes, path: str, name: str, architecture: str) -> None:
    """Raise ImageBuildError for what is no program, or one for other processors. A script runs on any."""
    if head.startswith(b"#!"):
        return
    if not head.startswith(b"\x7fELF") or len(head) < 20:
        raise ImageBuildError(
            f"{path} is not a program for Linux (ELF), nor a tar with one: it cannot be {name}."
        )
    machine, wanted = int.from_bytes(head[18:20], "little"), ELF_MACHINES.get(architecture)
    if wanted is not None and machine != wanted:
        names = {number: word for word, number in reversed(ELF_MACHINES.items())}
        raise ImageBuildError(
            f"{path} is for other processors ({names.get(machine, f'number {machine}')}) than the "
            f"endpoint's, which are {architecture}."
        )


def _check_tar(file: IO[bytes], addition: Addition, architecture: str) -> None:
    name, path = addition.distribution.name, addition.path
    needed = {program.lstrip("/") for program in addition.distribution.programs}
    total = entries = 0
    with tarfile.open(fileobj=file) as archive:
        for entry in archive:
            total, entries = total + entry.size, entries + 1
            where = os.path.normpath(entry.name).lstrip("/")
            if entries > MOST_ENTRIES or total > MOST_UNPACKED:
                raise ImageBuildError(f"{path} has more in it than {name} can have.")
            if where.startswith("..") or not (
                entry.isreg() or entry.isdir() or entry.issym() or entry.islnk()
            ):
                raise ImageBuildError(f"{path} has {entry.name}, which has no place in an image.")
            if where in needed and entry.isreg():
                needed.discard(where)
                content = archive.extractfile(entry)
                _check_program(
                    content.read(64) if content else b"", f"{entry.name} in {path}", name, architecture
                )
                if not entry.mode & 0o100:
                    raise ImageBuildError(f"{entry.name} in {path} is not executable.")
    if needed:
        raise ImageBuildError(f"{path} has no {' and no '.join(sorted(needed))}: it cannot be {name}.")


def _dockerfile(base: str, config: dict[str, Any], additions: list[Addition], architecture: str) -> str:
    lines = [f"FROM {base}"]
    for addition in additions:
        distribution = addition.distribution
        if addition.version:
            lines += _fetching(addition, architecture)
        elif len(distribution.programs) > 1 or _is_tar(addition.path):
            lines.append(f"ADD {distribution.name}.tar /")
        else:
            lines.append(f"COPY {distribution.name} {distribution.programs[0]}")
    names = sorted({*features(config), *(addition.distribution.name for addition in additions)})
    return "\n".join([*lines, f'LABEL {LABEL_FEATURES}="{",".join(names)}"']) + "\n"


def _is_tar(path: str) -> bool:
    try:
        return tarfile.is_tarfile(path)
    except OSError:
        return False


def _fetching(addition: Addition, architecture: str) -> list[str]:
    """Return the instructions that fetch a release: by its own sum, or by that which is published with it."""
    distribution, program = addition.distribution, addition.distribution.programs[0]
    go = {"x86_64": "amd64", "aarch64": "arm64"}.get(architecture, architecture)
    words = distribution.name.upper()
    url = distribution.release_url.format(
        version=f"${{{words}_VERSION}}", arch=go, suffix="" if go == "amd64" else f"-{go}"
    )
    sums = distribution.release_sums.format(version=f"${{{words}_VERSION}}", arch=go)
    file = url.rpartition("/")[2]
    fetch = f"curl -fsSL -o {program} {url}"
    awk = f"""awk -v name="{file}" '$2 == name || $2 == "*" name {{ print $1 }}'"""
    published = f'[ -n "$sum" ] || sum=$(curl -fsSL {sums} | {awk})'
    check = f'echo "$sum  {program}" | sha256sum -c -'
    return [
        f"ARG {words}_VERSION={addition.version}",
        f"ARG {words}_SHA256={addition.sha256}",
        f"RUN set -eu; {fetch}; sum=${{{words}_SHA256}}; {published}; {check}; chmod 0755 {program}",
    ]
