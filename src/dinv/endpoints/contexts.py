"""Docker contexts on the user's side, as the docker CLI keeps them (docker/cli: cli/context/store).

In `$DOCKER_CONFIG`, or `~/.docker`:

    config.json                                       "currentContext": the name of the one in use
    contexts/meta/<SHA-256 of the name>/meta.json     name, description, endpoint; without it, no context
    contexts/tls/<SHA-256 of the name>/docker/        ca.pem, cert.pem, key.pem

The CLI keeps unknown fields of "Metadata", even over updates (tried with 20.10 and 28.2), so that is where
dinv records the owner of a context.
"""

from __future__ import annotations

import os

from dinv import errors
from dinv.errors import InputError
from dinv.formats import json_text
from dinv.formats.kinds import text
from dinv.labels import CONTEXT_OWNER
from dinv.pki import client_files
from dinv.system import docker_config, files
from dinv.wording import NO_CONTEXT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

DEFAULT = "default"
"""The docker CLI's name for DOCKER_HOST or the local socket: no context can have this name."""


class Context:
    """One docker context.

    `host`: URL of its Docker endpoint, "" if it has none; `ca`, `cert`, `key`: paths of its TLS files, None
    if it has none; `skip_tls_verify`: it asks not to verify the server's certificate; `description`;
    `owner`: whom dinv made it for, "" if dinv did not; `metadata`: "Metadata", unchanged.
    """

    __slots__ = ("ca", "cert", "description", "host", "key", "metadata", "name", "owner", "skip_tls_verify")

    def __init__(
        self,
        name: str,
        *,
        host: str,
        ca: str | None = None,
        cert: str | None = None,
        key: str | None = None,
        skip_tls_verify: bool = False,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.host = host
        self.ca = ca
        self.cert = cert
        self.key = key
        self.skip_tls_verify = skip_tls_verify
        self.metadata = metadata or {}
        self.description = text(self.metadata.get("Description"))
        self.owner = text(self.metadata.get(CONTEXT_OWNER))


def current(config_dir: str | None = None) -> str:
    """Return the name of the context in use according to config.json, "default" if it names none.

    The caller checks $DOCKER_CONTEXT and $DOCKER_HOST, which come first. A config.json that cannot be read
    names none, as for the docker CLI, which only warns.
    """
    found = docker_config.load(docker_config.config_file(config_dir))
    return docker_config.text(found, "currentContext") or DEFAULT


def read(name: str, config_dir: str | None = None) -> Context | None:
    """Read a context; return None if there is none of this name.

    Raises ContextError if its meta.json cannot be read or is not what the docker CLI writes.
    """
    try:
        meta, tls = _paths(name, config_dir)
    except InputError:
        return None
    path = os.path.join(meta, "meta.json")
    try:
        document = _load(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise errors.ContextError(
            f'The docker context "{name}" cannot be read: {path}: {error.strerror}. Make the file readable.'
        ) from error
    except ValueError as error:
        raise errors.ContextError(
            f'The docker context "{name}" cannot be read: {path}: {error}. '
            f"Remove it (docker context rm -f {name}) or repair the file."
        ) from error
    docker = _table(_table(document.get("Endpoints")).get("docker"))
    ca, cert, key = (_if_there(os.path.join(tls, "docker", each), name) for each in client_files.NAMES)
    return Context(
        name,
        host=text(docker.get("Host")),
        ca=ca,
        cert=cert,
        key=key,
        skip_tls_verify=docker.get("SkipTLSVerify") is True,
        metadata=_table(document.get("Metadata")),
    )


def names(config_dir: str | None = None) -> list[str]:
    """Return the names of all contexts that can be read, sorted."""
    directory = os.path.join(docker_config.directory(config_dir), "contexts", "meta")
    try:
        entries = os.listdir(directory)
    except OSError:
        return []
    found = []
    for entry in entries:
        try:
            found.append(text(_load(os.path.join(directory, entry, "meta.json")).get("Name")))
        except (OSError, ValueError):
            continue
    return sorted(name for name in found if name)


def _if_there(file: str, context: str) -> str | None:
    """Return the path of a TLS file, None if it does not exist. Raises ContextError if that is not known.

    Without its files the endpoint would be spoken to without TLS: an unreadable file is not a missing one.
    """
    try:
        os.stat(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise errors.ContextError(
            f'The docker context "{context}" cannot be read: {file}: {error.strerror}. Make it readable.'
        ) from error
    return file


def check_name(name: str) -> None:
    """Raise ContextError unless the docker CLI accepts `name` (docker/cli: cli/context/store/store.go)."""
    import re

    if name == DEFAULT:
        reason = "docker has reserved it"
    elif not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.+-]+", name):
        reason = "docker wants two characters or more, of a-z A-Z 0-9 _ . + -, a letter or a digit first"
    else:
        return
    raise errors.ContextError(
        f'A docker context cannot be called "{name}": {reason}. '
        "Give the machine another name, or do without a context (" + NO_CONTEXT + ")."
    )


def write(
    name: str,
    *,
    host: str,
    description: str,
    owner: str,
    ca: bytes,
    cert: bytes,
    key: bytes,
    config_dir: str | None = None,
) -> None:
    """Create a context, or update the one made for `owner`.

    `owner` identifies the machine among all of this user's, in this store and others. `ca`, `cert` and `key`
    are PEM. All files are 0600 in directories of 0700. Raises ContextTaken if there is a context of this name
    that is not the owner's, ContextError if docker does not allow the name or nothing can be written. The
    docker CLI sees a new context only when it is complete: a killed `write` leaves at most TLS files without
    a context, which the next `write` or `remove` deletes.
    """
    import json

    check_name(name)
    try:
        meta, tls = _paths(name, config_dir)
    except InputError as error:
        raise errors.ContextError(
            error.text + " Or do without a docker context (" + NO_CONTEXT + ")."
        ) from error
    path = os.path.join(meta, "meta.json")
    document = {
        "Name": name,
        "Metadata": {"Description": description, CONTEXT_OWNER: owner},
        "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}},
    }
    with _Writing(name, path):
        if os.path.lexists(path):
            if not _is_of(name, owner, config_dir):
                raise errors.ContextTaken(name, path)
        else:
            files.remove_tree(tls)
        endpoint = os.path.join(tls, "docker")
        _make_directories(meta)
        _make_directories(endpoint)
        files.sweep(meta)
        files.sweep(tls)
        files.write_all(
            [
                (os.path.join(endpoint, file), data, 0o600)
                for file, data in zip(client_files.NAMES, (ca, cert, key), strict=True)
            ],
            staging=tls,  # the CLI takes anything in `endpoint` for TLS material
        )
        files.write(path, json.dumps(document).encode(), mode=0o600)


def remove(name: str, owner: str, config_dir: str | None = None) -> bool:
    """Remove the context made for `owner`, and the remains of a killed `write` or `remove`.

    Returns whether there was something to remove. A context that is not the owner's stays, whatever state
    it is in. If config.json names the removed context as the one in use, that entry is removed first, as
    `docker context rm --force` does, and nothing else in it is changed. Raises ContextError.
    """
    try:
        meta, tls = _paths(name, config_dir)
    except InputError:
        return False
    path = os.path.join(meta, "meta.json")
    with _Writing(name, path):
        if os.path.lexists(path):
            if not _is_of(name, owner, config_dir):
                return False
            _forget_current(name, config_dir)
            os.unlink(path)
        elif not os.path.isdir(tls) and not os.path.isdir(meta):
            return False
        files.remove_tree(meta)
        files.remove_tree(tls)
    return True


def _paths(name: str, config_dir: str | None) -> tuple[str, str]:
    import hashlib

    # Raises InputError if there is no home.
    base = os.path.join(docker_config.directory(config_dir), "contexts")
    identifier = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return os.path.join(base, "meta", identifier), os.path.join(base, "tls", identifier)


def _load(path: str) -> dict[str, Any]:
    document = json_text.parse(files.read(path))
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - as json.loads does for other bad content
    return document


def _is_of(name: str, owner: str, config_dir: str | None) -> bool:
    try:
        context = read(name, config_dir)
    except errors.ContextError:
        return False  # dinv writes meta.json atomically: one that cannot be read is not dinv's
    return context is not None and bool(owner) and context.owner == owner


def set_current(name: str, config_dir: str | None = None) -> None:
    """Make a context the one in use, as `docker context use` does; "default" means none.

    Nothing else in config.json is changed; if it is missing it is created, for the user alone. Raises
    ContextError.
    """
    path = os.path.realpath(os.path.join(docker_config.directory(config_dir), "config.json"))
    with _Writing(name, path):
        try:
            document = _load(path)
        except FileNotFoundError:
            document = {}
        except ValueError as error:
            raise errors.ContextError(
                f"{path} is not what the docker CLI writes: {error}. Mend it, or move it away."
            ) from error
        if name == DEFAULT:
            if document.pop("currentContext", None) is None:
                return
        else:
            document["currentContext"] = name
        _make_directories(os.path.dirname(path))
        _write_config(path, document)


def _forget_current(name: str, config_dir: str | None) -> None:
    """Remove "currentContext" from config.json if it is `name`."""
    # Not config.json itself, which may be a symbolic link, but the file it points to.
    path = os.path.realpath(os.path.join(docker_config.directory(config_dir), "config.json"))
    try:
        document = _load(path)
    except (FileNotFoundError, ValueError):
        return
    if document.get("currentContext") != name:
        return
    del document["currentContext"]
    _write_config(path, document)


def _write_config(path: str, document: dict[str, Any]) -> None:
    """Write the docker CLI's config.json, keeping mode and owner of an existing one."""
    import json

    packed = json.dumps(document, indent="\t", ensure_ascii=False).encode("utf-8", "surrogatepass")
    try:
        status = os.stat(path)
    except FileNotFoundError:
        files.write(path, packed, mode=0o600)
        return
    files.write(path, packed, mode=status.st_mode & 0o7777)
    import contextlib

    with contextlib.suppress(PermissionError):  # by root, say under sudo, it stays its owner's
        os.chown(path, status.st_uid, status.st_gid)


def _make_directories(path: str) -> None:
    if not os.path.isdir(path):
        _make_directories(os.path.dirname(path))
        import contextlib

        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)


class _Writing:
    """A with-statement that writes the context `name` at `path`: an OSError there is a ContextError."""

    def __init__(self, name: str, path: str) -> None:
        self._name = name
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError):
            what = f"{error.filename or self._path}: {error.strerror or error}"
            raise errors.ContextError(
                f'The docker context "{self._name}" cannot be written: {what}. '
                "Make it writable, or do without a context (" + NO_CONTEXT + ")."
            ) from error


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
