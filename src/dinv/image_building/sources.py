"""Sources of a machine image of one's own: a directory that `image init` writes and `image build` builds.

What can be chosen are the features: the examples beside the sources of the official image,
`images/examples/NAME`. Each has a Dockerfile that stands for itself, and its files in a directory of the
feature's name. The directory's Dockerfile is made of theirs, so there is one text of each.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import tarfile

from dinv.engine.reference import parse_reference
from dinv.errors import ImageBuildError, InputError
from dinv.image_building import builder
from dinv.images import DEFAULT_IMAGE
from dinv.system import files
from dinv.wording import command, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MACHINE = "machine"
"""The directory with the whole sources of a machine image, where the image is made of these."""
_LABEL = re.compile(r'^LABEL io\.dinv\.image\.features="([^"]*)"\n', re.MULTILINE)
_FROM = "FROM ${BASE}\n"
_FILE = re.compile(r"dinv:file=(\S+)")
_BASE = re.compile(r"^ARG BASE=(\S+)$", re.MULTILINE)


def features() -> dict[str, str]:
    """Return what `with` can be: the directory of each feature, by its name."""
    root = os.path.join(builder.sources(), "examples")
    found = sorted(os.listdir(root)) if os.path.isdir(root) else []
    paths = {name: os.path.join(root, name) for name in found}
    return {name: path for name, path in paths.items() if os.path.isfile(os.path.join(path, "Dockerfile"))}


def init(
    directory: str, *, base: str | None = None, chosen: Sequence[str] = (), overwrite: bool = False
) -> list[str]:
    """Write the sources of a machine image with the `chosen` features; return the paths that were written.

    A feature is a name, or NAME=FILE for one that takes a file of the user's. Without `base` the image is
    made of the machine image that the endpoint has; with one ("photon", "debian" or an image's name) the
    whole sources are there, to be changed at will. The Dockerfile is written last.

    Raises InputError for an unknown feature, a base that is not a name, a file that cannot be read; and,
    unless `overwrite`, for files that are in the way. Then nothing has been written.
    """
    found = _chosen(chosen)
    content: dict[str, bytes] = {}
    given: dict[str, str] = {}
    for name, (path, file) in found.items():
        content.update(_files_of(name, path))
        if file:
            given[_target(name, path, file)] = file
    if base is not None:
        content.update(_machine(base))
    content[".dockerignore"] = f".git\n{MACHINE}\n".encode()
    content["README.md"] = _readme(directory, list(found), whole=base is not None).encode()
    content["Dockerfile"] = _dockerfile(found).encode()
    _check_place(directory, [*given, *content], overwrite=overwrite)
    return list(_write(directory, content, given))


def machine_base(directory: str) -> str | None:
    """Return what a directory's own machine image is to be built on, as `builder.build` takes it.

    None if it has no sources of one. Raises InputError if they do not say.
    """
    path = os.path.join(directory, MACHINE, "Dockerfile")
    if not os.path.isfile(path):
        return None
    with open(path, encoding="utf-8", errors="replace") as file:
        found = _BASE.search(file.read())
    if not found:
        raise InputError(f"{path} has no line ARG BASE=IMAGE, which says what it is built on")
    return next((name for name, image in builder.BASES.items() if image == found[1]), found[1])


def _chosen(wanted: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return the directory and the file of each feature."""
    known = features()
    found = {}
    for text in wanted:
        name, equals, file = text.partition("=")
        if name not in known:
            raise InputError(f'There is no feature "{name}" of images: ' + ", ".join(known))
        if name in found:
            raise InputError(f"The feature {name} was given twice")
        if equals and not os.path.isfile(file):
            raise InputError(f"{name}={file}: there is no such file" if file else f"{name}= names no file")
        found[name] = (known[name], file)
    return found


def _files_of(name: str, path: str) -> Iterator[tuple[str, bytes]]:
    for folder, folders, names in os.walk(os.path.join(path, name)):
        folders.sort()
        for each in sorted(names):
            full = os.path.join(folder, each)
            with open(full, "rb") as file:
                yield os.path.relpath(full, path), file.read()


def _target(name: str, path: str, file: str) -> str:
    """Return where in the directory a feature has its file."""
    with open(os.path.join(path, "Dockerfile"), encoding="utf-8") as text:
        found = _FILE.search(text.read())
    if not found:
        raise InputError(
            f"The feature {name} takes no file: after " + command("image", "init") + " put it in its place"
        )
    place = found[1]
    return place + os.path.basename(file) if place.endswith("/") else place


def _machine(base: str) -> dict[str, bytes]:
    """Return the official image's own sources, on `base`."""
    image = builder.BASES.get(base, base)
    parse_reference(image)
    found = {}
    with tarfile.open(fileobj=io.BytesIO(builder.context())) as tar:
        for member in tar:
            data = tar.extractfile(member)
            if data is not None:
                found[f"{MACHINE}/{member.name}"] = data.read()
    dockerfile = found[f"{MACHINE}/Dockerfile"].decode()
    found[f"{MACHINE}/Dockerfile"] = _BASE.sub(f"ARG BASE={image}", dockerfile, count=1).encode()
    return found


def _dockerfile(chosen: Mapping[str, tuple[str, str]]) -> str:
    bodies, labels = [], ["activity", "services"]
    for name, (path, _) in chosen.items():
        with open(os.path.join(path, "Dockerfile"), encoding="utf-8") as file:
            text = file.read().partition(_FROM)[2]
        found = _LABEL.search(text)
        for label in found[1].split(",") if found else [name]:
            if label not in labels:
                labels.append(label)
        bodies.append(_LABEL.sub("", text).strip() + "\n")
    label = f'LABEL io.dinv.image.features="{",".join(labels)}"\n'
    return "\n".join([f"{_HEAD}{_FROM}", *bodies, _OWN, _LABELS + label])


_HEAD = f"""\
# A machine image of your own. README.md beside this file says how to build and use it.
ARG BASE={DEFAULT_IMAGE}
"""
_OWN = """\
# Your own: packages, files, settings of the daemon (/etc/docker/daemon.json), programs that are to run in it
# (/usr/local/lib/dinv/services.d/NAME). Declare no VOLUME, and leave the ENTRYPOINT as it is.
# RUN apt-get update && apt-get install -y --no-install-recommends htop && rm -rf /var/lib/apt/lists/*
# COPY mine/ /
"""
_LABELS = "# What the image has besides a daemon: whoever needs one of these looks here.\n"

_NEEDS = {
    "registry-ca": "put the certificate of each registry's CA at `registry-ca/certs.d/REGISTRY:PORT/ca.crt`",
    "preloaded": "put archives of `docker save` into `preloaded/images`",
    "sshd": "nothing: dinv puts in the keys that may log in, and the machine makes its own host key",
}
"""What is to be done before the build, by feature."""

_WHOLE = f"""\
`{MACHINE}/` has the whole sources of dinv's machine image: the system that it is built on (`ARG BASE` in its
Dockerfile), its packages, and the programs that run in it. `Dockerfile` beside this file makes your image of
it."""
_OF_IMAGE = f"`Dockerfile` makes it of the machine image {DEFAULT_IMAGE}, which `dinv image build` builds."
_CONTRACT = "It keeps dinv's contract for machine images, which docs/images.md in dinv's sources describes."


def _readme(directory: str, chosen: Sequence[str], *, whole: bool) -> str:
    name = default_tag(directory)
    lines = ["# A machine image", "", _WHOLE if whole else _OF_IMAGE, _CONTRACT, ""]
    if chosen:
        lines += ["| feature | before the build |", "|---|---|"]
        lines += [f"| {each} | {_NEEDS.get(each, f'see `{each}/`')} |" for each in chosen]
        lines.append("")
    by_hand = f"docker build -t {name} ."
    if whole:
        first = f"docker build -t {name}-base {MACHINE}"
        by_hand = f"{first} && docker build --build-arg BASE={name}-base -t {name} ."
    lines += [
        "```sh",
        f"dinv image build --tag {name} .",
        f"dinv image check {name}",
        f"dinv create --image {name} dev",
        "```",
        "",
        f"Without dinv: `{by_hand}`",
    ]
    return "\n".join(lines) + "\n"


def default_tag(directory: str) -> str:
    """Return the name of a directory's image: the directory's own, as images are named."""
    words = re.findall(r"[a-z0-9]+", os.path.basename(os.path.abspath(directory)).lower())
    name = "-".join(words)
    return name if words[:1] == ["dinv"] and len(words) > 1 else f"dinv-{name or 'own'}"


def _check_place(directory: str, paths: Sequence[str], *, overwrite: bool) -> None:
    if os.path.lexists(directory) and not os.path.isdir(directory):
        raise InputError(f"{directory} is not a directory")
    there = sorted(path for path in paths if os.path.lexists(os.path.join(directory, path)))
    if there and not overwrite:
        shown = ", ".join(there[:4]) + (f" and {len(there) - 4} more" if len(there) > 4 else "")
        raise InputError(
            f"{directory} has {shown} already, and nothing was written. Overwrite them: " + option("force")
        )


def _write(directory: str, content: Mapping[str, bytes], given: Mapping[str, str]) -> Iterator[str]:
    path = directory
    try:
        for name, source in given.items():
            path = os.path.join(directory, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            shutil.copyfile(source, path)
            # A program is one in the image, too.
            os.chmod(path, 0o755 if os.access(source, os.X_OK) else 0o644)
            yield path
        written = []
        for name, data in content.items():
            path = os.path.join(directory, name)
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
            written.append((path, data, 0o755 if data.startswith(b"#!") else 0o644))
        files.write_all(written)
        yield from (path for path, _, _ in written)
    except OSError as error:
        raise ImageBuildError(
            f"{error.filename or path} cannot be written: {error.strerror or error}"
        ) from error
