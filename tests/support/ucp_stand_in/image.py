"""Makes the stand-in's images: one layer with Python and what the programs import, as `docker save` has it.

The Python is the one that runs the tests: its executable, the modules that the programs load, and the shared
libraries of both, all at the paths that they have here. So it takes neither a network nor an engine, and some
30 MB. It runs the tests on Linux with glibc, and so do the machines.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING, Any

from harness import CACHE, CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = "3.8.10"
NEWER = "3.8.11"
DTR_VERSION = "2.9.29"
DTR_NEWER = "2.9.30"
SUPPORT = os.path.join(CHECKOUT, "tests", "support")
PROGRAMS = os.path.join(SUPPORT, "ucp_stand_in")
APP = "/app"
REPOSITORY = "mirantis"
LOADED = """
import encodings.ascii, encodings.idna, encodings.latin_1, encodings.utf_8, encodings.cp437
import json, sys
sys.path.insert(0, {support!r})
import ucp_stand_in.main
import zlib, hashlib, _hashlib, unicodedata
from ucp_stand_in import keys, ucp
ca_key, ca = keys.new_ca()
keys.bundle(ca_key, ca, "user", "localhost", 443)
keys.signed(ca_key, ca, "ucp", ["localhost", "127.0.0.1"])
ucp.hashed("a", "b")
print(json.dumps([getattr(module, "__file__", None) for module in list(sys.modules.values())]))
"""


def images() -> dict[str, dict[str, str]]:
    """The images' names, each with its environment."""
    found = {}
    for version in (VERSION, NEWER):
        for program in ("ucp", "ucp-agent", "ucp-controller"):
            found[f"{REPOSITORY}/{program}:{version}"] = {"STAND_IN": program, "STAND_IN_VERSION": version}
    for version in (DTR_VERSION, DTR_NEWER):
        for program in ("dtr", "dtr-nginx"):
            found[f"{REPOSITORY}/{program}:{version}"] = {"STAND_IN": program, "STAND_IN_VERSION": version}
    ours = {"STAND_IN": "ucp", "STAND_IN_VERSION": VERSION}
    found[f"{REPOSITORY}/ucp:half-way"] = {**ours, "STAND_IN_FAILS": "half-way"}
    found[f"{REPOSITORY}/ucp:small"] = {**ours, "STAND_IN_MEMORY_GB": "2"}
    return found


def archive() -> str:
    """The path of an archive of all of them, gzipped, for `docker load`; made if need be."""
    sources = hashlib.sha256(sys.version.encode() + json.dumps(images()).encode())
    for name in sorted(os.listdir(PROGRAMS)):
        if name.endswith(".py"):
            with open(os.path.join(PROGRAMS, name), "rb") as file:
                sources.update(file.read())
    path = os.path.join(CACHE, f"ucp-stand-in-{sources.hexdigest()[:16]}.tar.gz")
    if os.path.exists(path):
        return path
    os.makedirs(CACHE, exist_ok=True)
    for name in os.listdir(CACHE):
        if name.startswith("ucp-stand-in-"):
            os.unlink(os.path.join(CACHE, name))
    layer = _layer()
    unfinished = f"{path}.{os.getpid()}"
    with gzip.open(unfinished, "wb", compresslevel=1) as packed:
        packed.write(_saved(layer, images()))
    os.replace(unfinished, path)
    return path


def _layer() -> bytes:
    """The tar of the file system."""
    said = subprocess.run(
        [sys.executable, "-c", LOADED.format(support=SUPPORT)],
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"]},
    )
    loaded = [path for path in json.loads(said.stdout) if path]
    executable = os.path.realpath(sys.executable)
    files = {executable: executable}
    for path in loaded:
        if path.startswith(PROGRAMS):
            files[f"{APP}/{os.path.relpath(path, SUPPORT)}"] = path
        else:
            files[_place(path)] = path
    for path in (executable, *(path for path in loaded if ".so" in os.path.basename(path))):
        files.update({library: library for library in _libraries(path)})
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for directory in ("tmp", "etc", "run", "var", "proc", "sys", "dev"):
            member = tarfile.TarInfo(directory)
            member.type, member.mode = tarfile.DIRTYPE, 0o1777 if directory == "tmp" else 0o755
            tar.addfile(member)
        for there, here in sorted(files.items()):
            with open(here, "rb") as file:
                data = file.read()
            member = tarfile.TarInfo(there.lstrip("/"))
            member.size = len(data)
            member.mode = 0o755 if os.access(here, os.X_OK) else 0o644
            tar.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def _place(path: str) -> str:
    """Where a module goes: those of the standard library stay, those of the environment get a place."""
    standard = os.path.realpath(os.path.dirname(os.__file__))
    if os.path.realpath(path).startswith(standard + os.sep) and "site-packages" not in path:
        return os.path.realpath(path)
    for parent in sorted(sys.path, key=len, reverse=True):
        if parent and path.startswith(parent + os.sep):
            return f"/site/{os.path.relpath(path, parent)}"
    return path


def _libraries(path: str) -> set[str]:
    """The shared libraries of a program, and its loader."""
    said = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
    words = {word for line in said.splitlines() for word in line.split() if word.startswith("/")}
    return {word for word in words if os.path.exists(word)}


def _saved(layer: bytes, wanted: Mapping[str, Mapping[str, str]]) -> bytes:
    """What `docker save` writes of images that share a layer (moby: image/spec/v1.2.md)."""
    executable = os.path.realpath(sys.executable)
    diff = f"sha256:{hashlib.sha256(layer).hexdigest()}"
    files = {"layer.tar": layer}
    manifest = []
    for name, environment in wanted.items():
        config: dict[str, Any] = {
            "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine],
            "os": "linux",
            "config": {
                "Env": [
                    f"PYTHONHOME={sys.base_prefix}",
                    f"PYTHONPATH={APP}:/site",
                    "PYTHONDONTWRITEBYTECODE=1",
                    "PYTHONUNBUFFERED=1",
                    *(f"{key}={value}" for key, value in environment.items()),
                ],
                "Entrypoint": [executable, "-m", "ucp_stand_in.main"],
            },
            "rootfs": {"type": "layers", "diff_ids": [diff]},
            "history": [{"created_by": "tests/support/ucp_stand_in"}],
        }
        data = json.dumps(config).encode()
        digest = hashlib.sha256(data).hexdigest()
        files[f"{digest}.json"] = data
        manifest.append({"Config": f"{digest}.json", "RepoTags": [name], "Layers": ["layer.tar"]})
    files["manifest.json"] = json.dumps(manifest).encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return packed.getvalue()


if __name__ == "__main__":
    print(archive())  # noqa: T201
