"""The client bundle of UCP: a ZIP archive with keys, read with care, and kept in the machine's directory.

    bundle/ca.pem, cert.pem, key.pem, cert.pub    for DOCKER_CERT_PATH
    bundle/env.sh, env.ps1, env.cmd, kube.yml     what its documentation has users run
    bundle/meta.json, tls/docker/..., ...         what `docker context import` takes

Directories are 0700, files 0600. Entries that would lead out of the directory, links, and archives that would
grow beyond all measure are refused, before anything is written.
"""

from __future__ import annotations

import io
import os
import zipfile
import zlib

from dinv.errors import BundleUnusable, CertificateError
from dinv.pki import client_files, pem
from dinv.system import files

DIRECTORY = "bundle"
MOST_ENTRIES = 100
LARGEST_FILE = 1024 * 1024
LARGEST_WHOLE = 8 * 1024 * 1024
DEEPEST = 6
LONGEST_NAME = 200
_LINK = 0o120000
_KIND = 0o170000
_STAGING = f".{DIRECTORY}.dinv-tmp"
"""As `dinv.system.files` names what is unfinished: saving the record sweeps it."""


def unpack(machine: str, archive: bytes) -> dict[str, bytes]:
    """Return the files of a bundle by their paths, with "/" between. Raises BundleUnusable."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            found = _files(machine, opened)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        # RuntimeError: it is encrypted; NotImplementedError: packed in a way that nobody has
        raise BundleUnusable(machine, f"it is not a ZIP archive that can be read ({error})") from error
    missing = [name for name in client_files.NAMES if not found.get(name)]
    if missing:
        raise BundleUnusable(machine, f"it has no {' and no '.join(missing)}")
    _check_keys(machine, found)
    return found


def _files(machine: str, opened: zipfile.ZipFile) -> dict[str, bytes]:
    entries = opened.infolist()
    if len(entries) > MOST_ENTRIES:
        raise BundleUnusable(machine, f"it has {len(entries)} files; {MOST_ENTRIES} are the most")
    found: dict[str, bytes] = {}
    left = LARGEST_WHOLE
    for entry in entries:
        name = entry.filename.removeprefix("./")
        parts = name.rstrip("/").split("/")
        if (
            any(part in ("", ".", "..") for part in parts)
            or len(parts) > DEEPEST
            or "\\" in name
            or ":" in name
            or not name.isprintable()
            or len(name) > LONGEST_NAME
        ):
            raise BundleUnusable(machine, f"it has a file at {entry.filename[:100]!r}, which is not in it")
        if (entry.external_attr >> 16) & _KIND == _LINK:
            raise BundleUnusable(machine, f"it has a symbolic link, {name!r}")
        if entry.is_dir():
            continue
        # The size that an archive names may be a lie: what is read is bounded.
        limit = min(LARGEST_FILE, left)
        with opened.open(entry) as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise BundleUnusable(machine, f"{name!r} in it is too large")
        left -= len(data)
        if name in found:
            raise BundleUnusable(machine, f"it has {name!r} twice")
        found[name] = data
    paths = set(found)
    for name in paths:
        above = name.split("/")[:-1]
        if any("/".join(above[:depth]) in paths for depth in range(1, len(above) + 1)):
            raise BundleUnusable(machine, f"it has {name!r} below a file")
    return found


def _check_keys(machine: str, found: dict[str, bytes]) -> None:
    from dinv.pki.certificates import load_chain, load_key

    try:
        load_chain(found["ca.pem"], "ca.pem")
        leaf = load_chain(found["cert.pem"], "cert.pem")[0]
        key = load_key(found["key.pem"], "key.pem")
    except CertificateError as error:
        raise BundleUnusable(machine, error.text.rstrip(".")) from error
    if leaf.public_key() != key.public_key():
        raise BundleUnusable(machine, "its certificate is for another key")


def path_in(directory: str) -> str:
    """Return where the bundle is in a machine's directory."""
    return os.path.join(directory, DIRECTORY)


def _make_directories(path: str) -> None:
    if not os.path.isdir(path):
        _make_directories(os.path.dirname(path))
        os.mkdir(path, 0o700)


def read(directory: str) -> dict[str, bytes]:
    """Return ca.pem, cert.pem and key.pem of the bundle in a machine's directory. Raises CertificateError."""
    place = path_in(directory)
    return {name: pem.read(os.path.join(place, name)) for name in client_files.NAMES}


def keep(directory: str, found: dict[str, bytes]) -> str:
    """Write a bundle's files into a machine's directory, in place of an earlier one; return their directory.

    The caller holds the machine's lock. Killed in between, there is the earlier bundle, the new one, or none.
    Raises OSError.
    """
    place, staging = path_in(directory), os.path.join(directory, _STAGING)
    files.remove_tree(staging)
    os.mkdir(staging, 0o700)
    try:
        for name, data in found.items():
            path = os.path.join(staging, *name.split("/"))
            _make_directories(os.path.dirname(path))
            files.write(path, data, mode=0o600)
        files.remove_tree(place)
        os.rename(staging, place)
        files.sync_directory(directory)
    except BaseException:
        files.remove_tree(staging)
        raise
    return place
