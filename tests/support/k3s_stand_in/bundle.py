"""Packs the program, Python and all that it loads into one executable file."""

from __future__ import annotations

import compileall
import hashlib
import os
import py_compile
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_HERE = os.path.dirname(os.path.abspath(__file__))
_LIST = """
import encodings, importlib, os, pkgutil, sys
import _cffi_backend, _strptime, cryptography, email, yaml
for package in (cryptography, email, encodings):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):
        try:
            importlib.import_module(module.name)
        except ImportError:
            pass
import k3s_stand_in.program.__main__
for module in list(sys.modules.values()):
    file = getattr(module, '__file__', None)
    if file:
        print(file)
"""
_LAUNCHER = """#!/bin/sh
# A stand-in for k3s, for tests: tests/support/k3s_stand_in of dinv.
set -eu
home=${{K3S_STAND_IN_HOME:-/var/lib/rancher/k3s/data/stand-in-{digest}}}
if [ ! -d "$home" ]; then
	new=$home.$$
	if ! mkdir -p "$new" 2>/dev/null; then
		home=/tmp/k3s-stand-in-{digest}
		new=$home.$$
		mkdir -p "$new"
	fi
	tail -n +{lines} "$0" | gzip -d | tar -x -C "$new" -f -
	mv -T "$new" "$home" 2>/dev/null || rm -rf "$new"
fi
unset PYTHONPATH
PYTHONHOME=$home PYTHONDONTWRITEBYTECODE=1
export PYTHONHOME PYTHONDONTWRITEBYTECODE
exec "$home/ld.so" --library-path "$home/libs" "$home/python" -s -m k3s_stand_in.program "$@"
"""


def build(path: str) -> str:
    """Write the executable at `path`; return it. It takes some seconds."""
    with tempfile.TemporaryDirectory() as scratch:
        root = os.path.join(scratch, "root")
        _fill(root)
        archive = os.path.join(scratch, "archive.tar")
        with tarfile.open(archive, "w", format=tarfile.GNU_FORMAT) as tar:
            tar.add(root, ".", filter=_plain)
        packed = subprocess.run(["gzip", "-1", "-n", "-c", archive], check=True, capture_output=True).stdout
    digest = hashlib.sha256(packed).hexdigest()[:16]
    launcher = _LAUNCHER.format(digest=digest, lines=_LAUNCHER.count("\n") + 1)
    new = f"{path}.{os.getpid()}"
    with open(new, "wb") as file:
        file.write(launcher.encode() + packed)
    os.chmod(new, 0o755)  # noqa: S103  (a program)
    os.replace(new, path)
    return path


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


def _fill(root: str) -> None:
    stdlib = os.path.join(root, "lib", f"python{sys.version_info.major}.{sys.version_info.minor}")
    os.makedirs(os.path.join(stdlib, "lib-dynload"))
    os.mkdir(os.path.join(root, "libs"))
    binary = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    shutil.copy(binary, os.path.join(root, "python"))
    objects = [binary]
    for file in sorted(_loaded()):
        place = _place(file, stdlib)
        if not place:
            continue
        os.makedirs(os.path.dirname(place), exist_ok=True)
        shutil.copy(file, place)
        if file.endswith(".so"):
            objects.append(file)
    for library in _libraries(objects):
        name = "ld.so" if os.path.basename(library).startswith("ld-") else f"libs/{os.path.basename(library)}"
        shutil.copy(library, os.path.join(root, name))
    for directory, _, names in os.walk(root):
        for name in names:
            if name.endswith(".so") or ".so." in name or name == "python":
                subprocess.run(["strip", "--strip-debug", os.path.join(directory, name)], check=False)
    compileall.compile_dir(root, quiet=1, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


def _loaded() -> list[str]:
    """Return the files that the program loads."""
    command = [sys.executable, "-c", _LIST]
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(_HERE)}
    ended = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, timeout=60)
    return ended.stdout.split()


def _place(file: str, stdlib: str) -> str:
    """Return where a file goes; "" for what is not of the program."""
    if file.startswith(_HERE + os.sep):
        return os.path.join(stdlib, "k3s_stand_in", os.path.relpath(file, _HERE))
    for name in ("purelib", "platlib"):
        base = sysconfig.get_path(name)
        if file.startswith(base + os.sep):
            return os.path.join(stdlib, os.path.relpath(file, base))
    for name in ("stdlib", "platstdlib"):
        base = sysconfig.get_path(name)
        if file.startswith(base + os.sep):
            return os.path.join(stdlib, os.path.relpath(file, base))
    return ""


def _libraries(objects: Iterable[str]) -> list[str]:
    found = set()
    for path in objects:
        said = subprocess.run(["ldd", path], check=False, capture_output=True, text=True, timeout=20).stdout
        for line in said.splitlines():
            words = line.split()
            absolute = [word for word in words if word.startswith("/")]
            if absolute:
                found.add(absolute[0])
    return sorted(found)
