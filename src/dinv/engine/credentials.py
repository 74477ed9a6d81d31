"""Credentials for registries, from where the docker CLI keeps them.

Most images are public, and docker pulls them whatever state its credentials are in. So nothing here is an
error: `warn` is told what cannot be used, and the pull goes on without it (docker/cli:
cli/command/registry.go, ResolveAuthConfig).
"""

from __future__ import annotations

import json
import os

from dinv.engine.reference import DOCKER_HUB
from dinv.system import docker_config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from dinv.engine.reference import Reference

# docker/cli keeps Docker Hub's under this name, for compatibility with its first version.
HUB_KEY = "https://index.docker.io/v1/"
_HELPER_SECONDS = 30
# Helpers print this on stdout and exit with 1: docker-credential-helpers, credentials/error.go. The second
# is from macOS's keychain, by helpers that pass its message on.
_NOT_FOUND = ("credentials not found", "could not be found in the keychain")
ENVIRONMENT = "DOCKER_AUTH_CONFIG"
"""The variable with a JSON object of "auths", which comes before config.json (docker CLI 28.3)."""
_TOKEN_USER = "<token>"  # noqa: S105 - what a helper says in place of a user


class Credentials:
    """Credentials of a registry. Never shown by repr or in messages."""

    __slots__ = ("_fields", "server")

    def __init__(
        self,
        server: str,
        *,
        username: str = "",
        password: str = "",
        identity_token: str = "",
        registry_token: str = "",
    ) -> None:
        self.server = server
        fields = {
            "username": username,
            "password": password,
            "identitytoken": identity_token,
            "registrytoken": registry_token,
        }
        self._fields = {name: value for name, value in fields.items() if value}

    def __repr__(self) -> str:
        return f"Credentials({self.server!r}, ...)"

    def fields(self) -> dict[str, str]:
        """Return the API's AuthConfig object."""
        return {**self._fields, "serveraddress": self.server}

    def header(self) -> str:
        """Return the value of X-Registry-Auth: base64url of the JSON object."""
        return encode_header(self.fields())


def encode_header(value: object) -> str:
    """Encode an object as the X-Registry-... headers expect it: JSON in base64url, with padding."""
    from base64 import urlsafe_b64encode

    return urlsafe_b64encode(json.dumps(value).encode()).decode()


def find(
    reference: Reference,
    config_dir: str | None = None,
    *,
    warn: Callable[[str], None] = lambda _text: None,
    environ: Mapping[str, str] = os.environ,
) -> Credentials | None:
    """Return the credentials for an image's registry, None if there are none.

    Looks where the docker CLI does: $DOCKER_AUTH_CONFIG; then, by config.json in `config_dir`,
    $DOCKER_CONFIG or ~/.docker, the registry's credential helper, or else the general one; the file itself
    if there is no helper or the helper fails. `warn` is told what could not be used and why, never a secret.
    """
    key = HUB_KEY if reference.registry == DOCKER_HUB else reference.registry
    given = _from_auths(_environment(environ, warn), key, f"${ENVIRONMENT}", warn)
    if given is not None:
        return given
    path = docker_config.config_file(config_dir)
    config = docker_config.load(path, warn)
    helpers = docker_config.table(config, "credHelpers")
    # An entry of "" says that this registry has no helper (docker/cli: getConfiguredCredentialStore).
    named = next((helpers[name] for name in _names(key) if name in helpers), None)
    helper = docker_config.text(config, "credsStore") if named is None else named
    if helper and isinstance(helper, str):
        try:
            return _ask(helper, key)
        except _HelperError as error:
            warn(f"{error}: going on without it")
    return _from_auths(docker_config.table(config, "auths"), key, path, warn)


def of_document(
    document: Mapping[str, Any],
    registry: str,
    where: str,
    *,
    warn: Callable[[str], None] = lambda _text: None,
) -> Credentials | None:
    """Return the credentials for a registry's host in a document such as docker's config.json, or None.

    `where` names the document in what `warn` is told. No helper is asked.
    """
    key = HUB_KEY if registry == DOCKER_HUB else registry
    return _from_auths(docker_config.table(dict(document), "auths"), key, where, warn)


class _HelperError(Exception):
    """A credential helper does not work."""


def _environment(environ: Mapping[str, str], warn: Callable[[str], None]) -> dict[str, Any]:
    """Return the "auths" of $DOCKER_AUTH_CONFIG; like docker's CLI, ignore one that cannot be read."""
    value = environ.get(ENVIRONMENT, "")
    if not value:
        return {}
    try:
        found = docker_config.parse(os.fsencode(value))
    except ValueError as error:
        warn(f"${ENVIRONMENT} cannot be used ({error}): going on without it")
        return {}
    if not isinstance(found, dict):
        warn(f"${ENVIRONMENT} cannot be used (it is not a JSON object): going on without it")
        return {}
    return docker_config.table(found, "auths")


def _names(key: str) -> tuple[str, ...]:
    return (key, "index.docker.io", DOCKER_HUB) if key == HUB_KEY else (key,)


def _hostname(key: str) -> str:
    """Return the host of a key in `auths`, which may be written as a URL."""
    host = key.removeprefix("https://").removeprefix("http://").partition("/")[0]
    return "index.docker.io" if host == DOCKER_HUB else host


def _from_auths(
    auths: dict[str, Any], key: str, where: str, warn: Callable[[str], None]
) -> Credentials | None:
    """Return the entry for a registry; one with exactly its name comes before others with the same host."""
    for name in (key, *(found for found in auths if _hostname(found) == _hostname(key))):
        if isinstance(auths.get(name), dict):
            return _from_entry(auths[name], key, where, warn)
    return None


def _from_entry(
    entry: dict[str, Any], server: str, where: str, warn: Callable[[str], None]
) -> Credentials | None:
    username, password = docker_config.text(entry, "username"), docker_config.text(entry, "password")
    packed = docker_config.text(entry, "auth")
    if packed:
        from base64 import b64decode

        try:
            # Go's decoder ignores line ends in base64, Python's ignores nothing when it validates.
            plain = b64decode("".join(packed.split()), validate=True).decode()
        except ValueError:
            plain = ""
        username, colon, password = plain.partition(":")
        if not colon or not username:
            warn(
                f'{where}: the "auth" of {server} is not base64 of USER:PASSWORD: going on without it. '
                f"docker login mends it"
            )
            username = password = ""
        # docker/cli pads with zero bytes: config/configfile/file.go
        password = password.strip("\0")
    identity = docker_config.text(entry, "identitytoken")
    registry = docker_config.text(entry, "registrytoken")
    if not (username or identity or registry):
        return None
    return Credentials(
        server, username=username, password=password, identity_token=identity, registry_token=registry
    )


def _ask(helper: str, server: str) -> Credentials | None:
    """Ask `docker-credential-HELPER`. None if it has none for this server. Raises _HelperError."""
    answer = _run(f"docker-credential-{helper}", server)
    if answer is None:
        return None
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        found = None
    username = secret = ""
    if isinstance(found, dict):
        username, secret = docker_config.text(found, "Username"), docker_config.text(found, "Secret")
        if not username and not secret:
            return None  # docker takes an answer of {} for no credentials
    if not username or not secret:
        raise _HelperError(f"docker-credential-{helper} gave no usable answer for {server}")
    if username == _TOKEN_USER:
        return Credentials(server, identity_token=secret)
    return Credentials(server, username=username, password=secret)


def _run(program: str, server: str) -> bytes | None:
    """Return a helper's answer; None if it says that it has nothing. Raises _HelperError.

    The server goes in and the secret comes out over pipes: neither is in an argument.
    """
    import subprocess

    if os.path.basename(program) != program or "\0" in program:
        raise _HelperError(f"{program!r}, from docker's config.json, is not the name of a credential helper")
    try:
        done = subprocess.run(
            [program, "get"], input=server.encode(), capture_output=True, timeout=_HELPER_SECONDS, check=False
        )
    except FileNotFoundError:
        raise _HelperError(f"{program}, which docker's config.json names, is not installed") from None
    except subprocess.TimeoutExpired:
        raise _HelperError(f"{program} did not answer within {_HELPER_SECONDS} s") from None
    except OSError as exc:
        raise _HelperError(f"{program} cannot be started ({exc.strerror})") from None
    if done.returncode == 0:
        return done.stdout
    said = " ".join((done.stdout.strip() or done.stderr).decode(errors="replace").split())
    if any(words in said for words in _NOT_FOUND):
        return None
    raise _HelperError(f"{program} failed for {server} ({said[:200] or f'status {done.returncode}'})")
