"""The file that a share comes in: a docker context as `docker context export` writes it, with dinv's facts.

It is a tar archive (docker/cli: cli/context/store): `meta.json`, and `tls/docker/` with `ca.pem`, `cert.pem`
and, unless the holder has it already, `key.pem`. What dinv has to know stands in meta.json's "Metadata",
whose unknown fields the CLI keeps (tried with 20.10 and 28.2), under KEY:

    Version   1
    Machine   its name where it comes from
    ID        its identity
    Holder    whose certificate it is
    Owner     USER@HOST of whoever gave it
    Given     when, RFC 3339 in UTC
    NotAfter  when it expires, RFC 3339 in UTC
    Serial    the certificate's serial number

When it is read it is not trusted: files of known names and bounded size are taken, from plain tar, and of
meta.json the fields above and the URL.
"""

from __future__ import annotations

import io
import json
import tarfile

from dinv import labels
from dinv.errors import ArchiveError
from dinv.formats import json_text, urls
from dinv.formats.archives.entries import BLOCK, Entry, check_global
from dinv.formats.visible import one_line
from dinv.store.access_log import is_serial
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from dinv.formats.archives.stream import Readable

KEY = labels.SHARE
"""In meta.json's "Metadata"; the owner of a context has another key there (`dinv.labels.CONTEXT_OWNER`)."""
VERSION = 1
META = "meta.json"
BEGINNING = b"meta.json\0"
"""How the archive begins: docker writes meta.json first."""
LARGEST = 10 * 1024 * 1024
"""Bytes of an archive, as for the docker CLI."""
LARGEST_FILE = 1024 * 1024
"""Bytes. A chain of certificates has a few thousand."""
MOST_MEMBERS = 20

_PADDING = bytes(3 * BLOCK)
_TLS = "tls/docker/"
_PEM = ("ca.pem", "cert.pem", "key.pem")
_TEXTS = ("Machine", "ID", "Holder", "Owner", "Given", "NotAfter", "Serial")
_LONGEST_TEXT = 300


def pack(*, url: str, description: str, facts: Mapping[str, Any], pem: Mapping[str, bytes]) -> bytes:
    """Return the archive. `pem` has ca.pem, cert.pem and perhaps key.pem."""
    document = {
        "Name": facts["Machine"],
        "Metadata": {"Description": description, KEY: {"Version": VERSION, **facts}},
        "Endpoints": {"docker": {"Host": url, "SkipTLSVerify": False}},
    }
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        _add(tar, META, json.dumps(document, separators=(",", ":")).encode(), 0o644)
        for directory in ("tls", "tls/docker"):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o700
            tar.addfile(entry)
        for name in _PEM:
            if name in pem:
                _add(tar, _TLS + name, pem[name], 0o600)
    return out.getvalue()


def _add(tar: tarfile.TarFile, name: str, data: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    tar.addfile(entry, io.BytesIO(data))


class ShareFile:
    """What a share's file says: `url`, `facts` by the names above, and `pem` by the names of the files."""

    def __init__(self, url: str, facts: dict[str, str], pem: dict[str, bytes]) -> None:
        self.url = url
        self.facts = facts
        self.pem = pem


def read(source: Readable) -> ShareFile:
    """Read a share's file. Raises ArchiveError.

    It is read as a whole: docker writes neither the padding of the last entry nor an end.
    """
    data = b""
    while len(data) <= LARGEST and (piece := source.read(LARGEST + 1 - len(data))):
        data += piece
    if len(data) > LARGEST:
        raise ArchiveError(f"The share has more than {LARGEST} bytes: one has some thousands.")
    try:
        with tarfile.open(fileobj=io.BytesIO(data + _PADDING), mode="r:", tarinfo=Entry) as tar:
            return _of_members(tar, len(data))
    except ArchiveError:
        raise
    except Exception as error:
        # TarError, and the other errors that crafted headers cause in tarfile.
        raise ArchiveError(f"The share is damaged: {error}") from error


def _of_members(tar: tarfile.TarFile, size: int) -> ShareFile:
    content: dict[str, bytes] = {}
    for number, member in enumerate(tar):
        check_global(tar)
        name = member.name.removeprefix("./")
        if number >= MOST_MEMBERS:
            raise ArchiveError(f"The share has more than {MOST_MEMBERS} entries: one has six.")
        if member.isdir():
            continue
        if name != META and name.removeprefix(_TLS) not in _PEM:
            raise ArchiveError(f"The share has an entry that is not a share's: {one_line(member.name)}")
        if member.offset_data + member.size > size:
            raise ArchiveError("The share is cut short. Get it anew.")
        file = tar.extractfile(member) if member.isreg() and not member.issparse() else None
        if file is None or name in content or member.size > LARGEST_FILE:
            raise ArchiveError(f"The share's {one_line(member.name)} is not a small file, or is there twice")
        content[name] = file.read()
    if META not in content:
        raise ArchiveError("This is not a share: it has no meta.json")
    url, facts = _checked(content.pop(META))
    pem = {name.removeprefix(_TLS): data for name, data in content.items()}
    missing = [name for name in ("ca.pem", "cert.pem") if name not in pem]
    if missing:
        raise ArchiveError(f"The share has no {' and no '.join(missing)}. Ask for a new one.")
    return ShareFile(url, facts, pem)


def _checked(data: bytes) -> tuple[str, dict[str, str]]:
    try:
        document = json_text.parse(data)
    except ValueError as error:
        raise ArchiveError(f"The share's meta.json is not valid JSON ({error})") from error
    ours = _table(_table(_table(document).get("Metadata")).get(KEY))
    if not ours:
        raise ArchiveError(
            "This is a docker context, and not a machine that dinv has shared: docker context import takes "
            "it. For dinv, make a machine of its URL and TLS files: "
            + command("create", "--driver", "none", "--url", "URL", "--url-cert-path", "DIR", "NAME")
        )
    if ours.get("Version") != VERSION:
        raise ArchiveError(
            f"The share has version {ours.get('Version')!r}, and this dinv knows {VERSION}. Upgrade dinv to "
            f"import it."
        )
    facts = {key: ours.get(key) for key in _TEXTS}
    for key, value in facts.items():
        if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
            raise ArchiveError(f"The share's meta.json is damaged: {KEY}.{key} is not a short text")
    docker = _table(_table(_table(document).get("Endpoints")).get("docker"))
    url = docker.get("Host")
    if not isinstance(url, str) or not url.startswith("tcp://") or not urls.is_url(url):
        raise ArchiveError(f"The share's URL is not that of a machine, such as tcp://HOST:2376: {url!r}")
    if not is_serial(str(facts["Serial"])):
        raise ArchiveError(f"The share's meta.json is damaged: {KEY}.Serial is not a serial number")
    return url, {key: str(value) for key, value in facts.items()}


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
