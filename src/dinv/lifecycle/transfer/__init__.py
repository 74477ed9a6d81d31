"""Moving machines between stores: out as a tar archive, in from one or from a machine's directory.

The archive holds the machine's directory under the machine's name: config.json, certificates and keys, also
that of its CA if that is the machine's own, so anyone who has it has the machine. It is plain tar, and is not
trusted when read: only files of known names are taken, as regular files of bounded size, with modes of our
own. Nothing in it names a file elsewhere: of a shared CA only the certificate is known afterwards.

docker-machine's directories are accepted too (docker-machine#23); files that a driver keeps for itself, such
as disks, stay behind, and paths in config.json are changed to point to what came along.
"""

from __future__ import annotations

import os
import re

from dinv import authorities, drivers
from dinv.errors import AlreadyInStore, ArchiveError, ConfigError, ConfigTooNew, InputError, MachineExists
from dinv.formats import json_text
from dinv.lifecycle.opening import check_finished
from dinv.pki import client_files, ssh_keys
from dinv.store import access_log, twins
from dinv.store.layout import check_name
from dinv.store.record import MachineConfig
from dinv.system import files, home
from dinv.system.files import PENDING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from tarfile import TarFile
    from typing import Any, BinaryIO

    from dinv.progress import Progress
    from dinv.store.store import Store

LARGEST_FILE = 1024 * 1024
"""Bytes. Of the files that are taken, a bundle of CAs may have a few hundred thousand."""
MOST_FILES = 100
_HEAD = 512
"""Bytes that are looked at to tell a share from a machine: the first block of a tar archive."""
MOST_MEMBERS = 1000
"""The most entries of an archive that are read, including those that are not taken."""

_KNOWN = re.compile(
    r"config\.json|access\.log|kubeconfig|swarm-unlock-keys|(ca|cert|key|server|ca-key|server-key)\.pem"
    r"|known_hosts|(id_[a-z0-9]+|ssh_host_ed25519_key)(\.pub)?"
    r"|registry-ca/[A-Za-z0-9\[][A-Za-z0-9.:\[\]-]*\.crt"
    r"|registry-cache/(cache\.json|ca\.crt|client\.(cert|key))"
)
_PUBLIC = re.compile(
    r"(ca|cert|server)\.pem|.*\.pub|known_hosts|registry-ca/.*|registry-cache/(?!client\.key).*"
)
_KEY_FILES = ("SSHKeyPath", "SSHKey")
_TLS_FILES = ("CA", "Cert", "Key")
_PASSED_OVER = re.compile(r"(.*/)?\..*|.*\.bak")
"""Files that are left out without a remark: locks, staging, backups."""


def export(store: Store, name: str, out: BinaryIO) -> list[str]:
    """Write a machine, with its keys, to `out` as a tar archive; return the names of its files.

    Raises MachineNotFound, MachineBusy, ConfigError, and MachineUnfinished.
    """
    import contextlib

    config = store.load(name)
    drivers.of(config).check_export(config)
    # docker-machine's files are only read: not even a lock is left there.
    locked = store.lock(name, "exporting it") if config.by_dinv else contextlib.nullcontext()
    with locked:
        config = store.load(name)
        check_finished(config, doing="be exported")
        content = files_of(store, config)
    write_archive(out, name, content)
    return sorted(content)


def files_of(store: Store, config: MachineConfig) -> dict[str, bytes]:
    """Return what an archive of the machine has, by path. Raises InputError."""
    content, _ = _directory(store.directory(config.name))
    if config.by_dinv:
        # The path of the store here must not be known there.
        content["config.json"] = _relative(config)
    _add_certificates(content, store, config)
    return content


def write_archive(out: BinaryIO, name: str, content: dict[str, bytes]) -> None:
    """Write these files of a machine as an archive."""
    import io
    import tarfile

    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for path, data in sorted(content.items()):
            member = tarfile.TarInfo(f"{name}/{path}")
            member.size, member.mode = len(data), mode(path)
            tar.addfile(member, io.BytesIO(data))


def _add_certificates(content: dict[str, bytes], store: Store, config: MachineConfig) -> None:
    """Return the store's files, if a host without a driver is reached by them: now it has its own."""
    from dinv.lifecycle.host import Host

    directory = Host(config, store).cert_path
    if directory == config.directory:
        return
    for name in client_files.NAMES:
        path = os.path.join(directory, name)
        try:
            content[name] = files.read(path, largest=LARGEST_FILE)
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}") from error


def _relative(config: MachineConfig) -> bytes:
    import json

    return json.dumps(config.document(), indent=4).encode()


def import_(
    store: Store,
    source: str | BinaryIO,
    progress: Progress,
    *,
    name: str = "",
    context: bool = True,
    key: bytes | None = None,
) -> str:
    """Take a machine into the store; return its name: `name`, or the one it had.

    `source` is an archive, open or by its path, or a machine's directory in another store; or what `share`
    wrote: `key` is the private key for one that was made for a signing request. Nothing existing is replaced.
    With `context` it gets a docker context, unless there is one of that name. Raises ArchiveError,
    ShareExpired, InputError for a path, MachineExists, AlreadyInStore, ConfigError, StoreNotWritable.
    """
    if not isinstance(source, str):
        found, content, left = read_archive(source, key)
    elif os.path.isdir(source):
        found = os.path.basename(home.absolute(source))
        content, left = _directory(source)
    else:
        try:
            with open(source, "rb") as file:
                found, content, left = read_archive(file, key)
        except OSError as error:
            raise InputError(f"{source}: {error.strerror}") from error
    if "config.json" not in content:
        raise ArchiveError("It does not contain a machine: it has no config.json")
    name = name or found
    check_name(name)
    try:
        config = _config(content, name, store.root)
        _check(config, store)
        _set_aside(config)
        notes = _notes(config, _forget_files(config))
    except ConfigTooNew:
        raise
    except ConfigError as error:
        advice = "Nothing was imported. Export the machine anew where it comes from."
        raise ConfigError(name, error.path, error.reason, advice) from error
    _put(store, config, content)
    for path in left:
        progress.note(f"Not imported: {path}")
    for note in notes:
        progress.note(note)
    if context and config.by_dinv:
        _write_context(store, name, progress)
    return name


def _put(store: Store, config: MachineConfig, content: dict[str, bytes]) -> None:
    """Write all files, config.json last: without it a directory is no machine yet, and `rm -f` removes it."""
    from dinv.errors import StoreNotWritable
    from dinv.system import files

    name, directory = config.name, store.directory(config.name)
    with store.claim(name, "importing it") as leftovers:
        if leftovers:
            if os.path.exists(os.path.join(directory, "config.json")):
                raise MachineExists(name)
            store.empty(name)
        try:
            for folder in {os.path.dirname(path) for path in content} - {""}:
                os.mkdir(os.path.join(directory, folder), 0o700)
            files.write_all(
                (os.path.join(directory, path), data, mode(path))
                for path, data in content.items()
                if path != "config.json"
            )
            store.save(config)
        except BaseException as error:
            store.remove(name)
            if isinstance(error, OSError):
                raise StoreNotWritable(
                    str(error.filename or directory), error.strerror or str(error)
                ) from error
            raise


def _config(content: dict[str, bytes], name: str, store_path: str) -> MachineConfig:
    """Return the machine's config for its new place. Raises InputError, ConfigError."""
    path = "config.json of what is imported"
    try:
        document = json_text.parse(content["config.json"])
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON ({error})") from error
    config = MachineConfig.read(document, name=name, path=path, store_path=store_path)
    _move_paths(config.document(), name, set(content))
    return config


def _check(config: MachineConfig, store: Store) -> None:
    check_finished(config, doing="be exported")
    for other in twins.others(store, config):
        raise AlreadyInStore(other.name)


def _move_paths(document: dict[str, Any], name: str, files: set[str]) -> None:
    """Make the paths in a config point to the files that came along, and no others."""
    fresh = MachineConfig.new(name=name, store_path="", driver_name="", identity="x", created="")
    auth = document["HostOptions"]["AuthOptions"]
    for key in auth:
        if key.endswith(("Path", "Dir")) and "Remote" not in key:
            auth[key] = ""
    for key, path in fresh.auth_options.items():
        if isinstance(path, str):
            is_directory = path in (".", f"machines/{name}")
            auth[key] = path if is_directory or os.path.basename(path) in files else ""
    driver = document["Driver"]
    driver["StorePath"] = "."
    driver.setdefault("SSHKeyPath", "")
    for key in _KEY_FILES:
        if key in driver:
            key_file = os.path.basename(str(driver[key] or ""))
            driver[key] = f"machines/{name}/{key_file}" if key_file in files else ""
    document["Name"] = name
    ours = document.get("Dinv")
    if isinstance(ours, dict):
        driver["MachineName"] = name
        ours["Context"] = ""
        ours.pop("Pool", None)  # a pool is of the store that it comes from
        for part in ("AuthorityOptions", "ProvisionerOptions", "ImageContractOptions", "Membership"):
            if ours.get(part):
                ours[part] = {key: value for key, value in ours[part].items() if not _is_path(value)}
    driver.pop("CertificateSource", None)


def _is_path(value: object) -> bool:
    return isinstance(value, str) and ("/" in value or "\\" in value) and "://" not in value


def _set_aside(config: MachineConfig) -> None:
    """Keep the options of its authority where nothing acts on them.

    Whoever wrote them could have a token of this user's sent anywhere, by a renewal in the background.
    """
    if config.by_dinv and config.authority_options:
        config.imported_authority_options = config.authority_options
        config.authority_options = {}


def _forget_files(config: MachineConfig) -> str:
    """Remove what leads to the endpoint and has not come along; return what that was, for a note.

    A docker context of the same name here may lead anywhere, with the certificates of the importing user.
    """
    endpoint = config.driver.get("Endpoint")
    if not config.by_dinv or not isinstance(endpoint, dict):
        return ""
    left = f'docker context "{endpoint.get("Context")}"' if endpoint.get("Context") else ""
    endpoint["Context"] = ""
    tls = endpoint.get("TLS")
    if isinstance(tls, dict):
        if any(tls.get(key) for key in _TLS_FILES):
            left = left or "certificates for it"
        endpoint["TLS"] = {**dict.fromkeys(_TLS_FILES, ""), "Verify": tls.get("Verify") is not False}
    elif tls:
        endpoint["TLS"] = None
    return left


def _notes(config: MachineConfig, left: str) -> list[str]:
    """Return warnings about what may not be valid on this computer. Raises ConfigError."""
    endpoint = config.driver.get("Endpoint")
    url = str(endpoint.get("URL") or "") if isinstance(endpoint, dict) else ""
    notes = [authorities.after_import(config)]
    if config.shared:
        notes.append(
            f"{config.shared.get('Owner')} has shared it with {config.shared.get('Holder')} until "
            f"{config.shared.get('NotAfter')}, and looks after it"
        )
    if left:
        notes.append(
            f"The {left} on the computer that it comes from was not imported: its daemon can be used, but "
            f"not started or stopped. If there are certificates for {url} here, put their paths into its "
            f"config.json: Driver.Endpoint.TLS, CA, Cert and Key"
        )
    if url.startswith("unix://"):
        notes.append(
            f"Its endpoint is {url} on the computer that it comes from: elsewhere its daemon can be used, "
            f"but not started or stopped."
        )
    return [note for note in notes if note]


def _write_context(store: Store, name: str, progress: Progress) -> None:
    from dinv.endpoints import contexts
    from dinv.lifecycle.host import Host, context

    with store.lock(name, "importing it"), Host(store.load(name), store) as machine:
        if not machine.has_tls:
            return
        with context.or_none(machine.config, progress):
            # Even if it is this very machine's, for another store: its removal here would remove it there.
            if contexts.read(name) is not None:
                progress.note(f'There is a docker context "{name}" already; it is left unchanged')
                return
            context.write_first(machine.config, store, progress)
        store.save(machine.config)


def _directory(directory: str) -> tuple[dict[str, bytes], list[str]]:
    """Return the known files of a machine's directory, and the names of the others. Raises InputError."""
    content: dict[str, bytes] = {}
    left = []
    try:
        for path, full in _walk(directory):
            if _KNOWN.fullmatch(path) and os.path.isfile(full) and not os.path.islink(full):
                content[path] = files.read(full, largest=_largest(path))
                _check_count(content)
            elif not _PASSED_OVER.fullmatch(path) and not _is_key_link(path, full):
                left.append(path)
    except OSError as error:
        raise InputError(f"{error.filename or directory}: {error.strerror}") from error
    return content, left


def _is_key_link(path: str, full: str) -> bool:
    """Return whether it is the second name of a key of ours, which the key's next owner makes again."""
    return path == ssh_keys.USER_ELSEWHERE and os.path.islink(full) and os.readlink(full) == ssh_keys.USER


def _walk(directory: str) -> Iterator[tuple[str, str]]:
    """Yield what is in a directory, and in those of registries: a machine's path, and the full one.

    Last come files that were about to be moved when a process was killed (`system.files`): those count.
    """
    folders = {"registry-ca": "registry-ca/", "registry-cache": "registry-cache/", PENDING: ""}
    for entry in sorted(os.listdir(directory), key=lambda entry: (entry == PENDING, entry)):
        full = os.path.join(directory, entry)
        if entry in folders and os.path.isdir(full) and not os.path.islink(full):
            inside = sorted(os.listdir(full))
            yield from ((f"{folders[entry]}{name}", os.path.join(full, name)) for name in inside)
        else:
            yield entry, full


def read_archive(source: BinaryIO, key: bytes | None) -> tuple[str, dict[str, bytes], list[str]]:
    """Return the machine's name, its files, and what is left out, from a tar archive; or from a share's.

    Raises ArchiveError, ShareExpired.
    """
    import tarfile

    from dinv.formats.archives.entries import Entry
    from dinv.lifecycle.sharing import share_file

    try:
        begun = _Begun(source)
        if begun.head.startswith(share_file.BEGINNING):
            from dinv.lifecycle.sharing import received

            found, content = received.machine_files(share_file.read(begun), key=key)
            return found, content, []
        # Plain tar only: a compressed one could unpack to a hundred times its size.
        with tarfile.open(fileobj=begun, mode="r|", tarinfo=Entry) as tar:  # type: ignore[call-overload]
            return _members(tar)
    except InputError:
        raise
    except OSError as error:
        raise ArchiveError(f"The archive cannot be read: {error.strerror or error}") from error
    except Exception as error:
        # TarError, and the other errors that crafted headers cause in tarfile.
        raise ArchiveError(f"This is not an archive of a machine, or it is damaged: {error}") from error


class _Begun:
    """A file whose beginning, `head`, was looked at."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.head = source.read(_HEAD)
        self._left = self.head

    def read(self, size: int, /) -> bytes:
        data, self._left = self._left[:size], self._left[size:]
        return data + self._source.read(size - len(data)) if len(data) < size else data


def _members(tar: TarFile) -> tuple[str, dict[str, bytes], list[str]]:
    from dinv.formats.archives.entries import check_global

    names: set[str] = set()
    content: dict[str, bytes] = {}
    left = []
    for number, member in enumerate(tar):
        if number >= MOST_MEMBERS:
            raise ArchiveError(f"The archive has more than {MOST_MEMBERS} entries: a machine's has fewer.")
        check_global(tar)
        if member.isdir():
            continue
        name, _, path = member.name.removeprefix("./").partition("/")
        if not member.isreg() or member.issparse() or not _KNOWN.fullmatch(path):
            left.append(repr(member.name))
            continue
        names.add(name)
        _check_size(path, member.size)
        file = tar.extractfile(member)
        if path in content or file is None:
            raise ArchiveError(f"The archive has {member.name!r} twice: a machine's has each file once.")
        content[path] = file.read()
        _check_count(content)
    if len(names) > 1:
        raise ArchiveError(f"The archive has files of {len(names)} machines; one at a time can be imported.")
    return next(iter(names), ""), content, left


def _check_size(path: str, size: int) -> None:
    if not 0 <= size <= _largest(path):
        raise ArchiveError(f"{path} has more than {_largest(path)} bytes: a machine's files are smaller.")


def _largest(path: str) -> int:
    return access_log.LARGEST if path == access_log.FILE else LARGEST_FILE


def _check_count(content: dict[str, bytes]) -> None:
    if len(content) > MOST_FILES:
        raise ArchiveError(f"There are more than {MOST_FILES} files: a machine has fewer.")


def mode(path: str) -> int:
    """Return the permissions of one of a machine's files."""
    return 0o644 if _PUBLIC.fullmatch(path) else 0o600
