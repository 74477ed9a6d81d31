"""A machine image of one's own, built from its sources: a directory with a Dockerfile.

`sources.init` writes such directories.
"""

from __future__ import annotations

import os
import re
import stat
import tarfile
from math import inf

from dinv.engine.reference import parse_reference
from dinv.errors import EngineError, ImageBuildError, InputError, NotFound
from dinv.formats.dockerignore import excluded
from dinv.image_building import builder, sources
from dinv.images import DEFAULT_IMAGE, recognise
from dinv.labels import LABEL_CONTRACT
from dinv.system import scratch
from dinv.system.deadline import Deadline
from dinv.wording import command, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import IO, Any

    from dinv.engine import Engine

_BASE = re.compile(r"^ARG\s+BASE=(\S+)\s*$", re.MULTILINE)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LINES = 20


def build(
    engine: Engine,
    directory: str,
    *,
    base: str | None = None,
    tag: str = "",
    network: str = "",
    report: Callable[[str], None] = lambda _line: None,
    timeout: float = builder.BUILD_SECONDS,
) -> str:
    """Build the image that `directory` is the source of, name it `tag`, and return its id.

    `tag` is by default the directory's name (`sources.default_tag`). `base` is the machine image that it is
    made of, by default what its Dockerfile says; in a directory with the whole sources, what these are built
    on. The endpoint's default machine image is built first if there is none. `network` is the endpoint's for
    the build's steps, such as "host". `report` gets what is being done, a line at a time; `timeout` is in
    seconds.

    Raises InputError for a directory that is no source, ImageBuildError, DeadlineExceeded. `tag` names the
    former image, or none, until the new one is complete and found to be a machine image.
    """
    dockerfile = _read_dockerfile(directory)
    tag = tag or sources.default_tag(directory)
    target = parse_reference(tag)
    if target.digest:
        raise InputError(f'"{tag}": an image gets a name, and not a digest')
    builder.check_builds(engine)
    deadline = Deadline(timeout)
    arguments = {}
    machine = sources.machine_base(directory)
    if machine is not None:
        name = f"{target.name}-base:{target.version}"
        report(f"Building {name} of the sources in {sources.MACHINE}")
        root = os.path.join(directory, sources.MACHINE)
        builder.build(
            engine, base=base or machine, tag=name, root=root, report=report, timeout=_left(deadline)
        )
        arguments["BASE"] = name
    else:
        if base:
            arguments["BASE"] = base
        found = _BASE.search(dockerfile)
        _check_base(engine, base or (found[1] if found else ""), tag, report, deadline)
    identity = _run(engine, directory, arguments, report, network=network, deadline=deadline)
    config = engine.images.inspect(identity, timeout=deadline).get("Config") or {}
    if not recognise(config):
        raise ImageBuildError(
            f"{directory} was built, but it is not a machine image, and was not named {tag}: its Dockerfile "
            f"has to begin FROM a machine image, such as {DEFAULT_IMAGE}, or to keep the contract and say so "
            f"by the label {LABEL_CONTRACT}."
        )
    if config.get("Volumes"):
        paths = ", ".join(config["Volumes"])
        report(f"{tag} declares VOLUME {paths}: each machine would leave such volumes behind")
    engine.images.tag(identity, f"{target.name}:{target.version}")
    return identity


def _left(deadline: Deadline) -> float:
    left = deadline.remaining()
    return inf if left is None else left


def _read_dockerfile(directory: str) -> str:
    path = os.path.join(directory, "Dockerfile")
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError as error:
        what = f"its Dockerfile cannot be read: {error.strerror}"
        if not os.path.lexists(directory):
            what = "it does not exist"
        elif not os.path.isdir(directory):
            what = "it is not a directory"
        elif isinstance(error, FileNotFoundError):
            what = "it has no Dockerfile"
        raise InputError(
            f"{directory} is not the source of a machine image: {what}. Write one: "
            + command("image", "init", "DIR")
        ) from error


def _check_base(
    engine: Engine, base: str, tag: str, report: Callable[[str], None], deadline: Deadline
) -> None:
    """Raise for a base that no machine image can be made of; build the default one if it is missing.

    A Dockerfile that does not say what its base is ("") is left to the engine.
    """
    if not base:
        return
    reference, mine = parse_reference(base), parse_reference(tag)
    if (reference.repository, reference.version) == (mine.repository, mine.version):
        raise InputError(f"{tag} is what it is made of: give it another name with " + option("tag", "REF"))
    try:
        found: dict[str, Any] = engine.images.inspect(base, timeout=deadline)
    except NotFound:
        if base in (DEFAULT_IMAGE, DEFAULT_IMAGE.partition(":")[0]):
            report(f"Building {DEFAULT_IMAGE}, which {engine.address} does not have yet")
            builder.build(engine, report=report, timeout=_left(deadline))
        return  # any other the engine pulls
    if not recognise(found.get("Config") or {}):
        raise ImageBuildError(
            f"{base} is not a machine image, and nothing was built. To make one of another system: "
            + command("image", "init", "--base", base, "DIR")
        )


class _Said:
    """What a build says: reported a line at a time; the last lines of the step that it is at are kept."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._lines: list[str] = []

    def __call__(self, message: Mapping[str, Any]) -> None:
        for said in str(message.get("stream") or message.get("status") or "").splitlines():
            line = _COLOUR.sub("", said).strip()
            if line:
                self._report(line)
                if line.startswith("---> Running in"):
                    self._lines.clear()
                elif not line.startswith("Removing intermediate container"):
                    self._lines.append(line)
        del self._lines[:-_LINES]

    def tail(self) -> str:
        """Return the last lines, indented, each with a line break before it."""
        return "".join(f"\n  {line}" for line in self._lines)


def _run(
    engine: Engine,
    directory: str,
    arguments: dict[str, str],
    report: Callable[[str], None],
    *,
    network: str,
    deadline: Deadline,
) -> str:
    said = _Said(report)
    with scratch.file() as context:
        _pack(directory, context)
        context.seek(0)
        try:
            return engine.images.build(
                context, buildargs=arguments, network=network or None, progress=said, timeout=deadline
            )
        except EngineError as error:
            advice = builder.shell_advice(error.message)
            raise ImageBuildError(
                f"Building {directory} failed: {error.message}{advice}{said.tail()}"
            ) from error


def _pack(directory: str, target: IO[bytes]) -> None:
    """Write the directory as a tar to `target`: root's, and without what its .dockerignore excludes.

    Raises InputError for what cannot be read, or is neither file, link nor directory.
    """
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, name in _paths(directory):
            try:
                # (None for a socket, whatever the stubs say.)
                member: tarfile.TarInfo | None = tar.gettarinfo(path, name)
                if member is None:
                    raise InputError(f"{path} is neither a file nor a directory, and cannot be in an image")
                member.uid = member.gid = 0
                member.uname = member.gname = "root"
                if member.isreg():
                    with open(path, "rb") as file:
                        tar.addfile(member, file)
                else:
                    tar.addfile(member)
            except OSError as error:
                raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def _paths(directory: str) -> Iterator[tuple[str, str]]:
    """Yield what is in the context: its path, and its path there."""
    is_excluded = excluded(_text(os.path.join(directory, ".dockerignore")))
    for folder, folders, names in os.walk(directory):
        folders.sort()
        for name in sorted([*names, *folders]):
            path = os.path.join(folder, name)
            relative = os.path.relpath(path, directory).replace(os.sep, "/")
            # The engine needs the one whatever the rules are.
            if relative == "Dockerfile" or not is_excluded(relative):
                yield path, relative


def _text(path: str) -> str:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return ""
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
