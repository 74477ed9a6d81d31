"""Credentials for registries, from where the docker CLI keeps them."""

from __future__ import annotations

import json
import os

from dinv.engine.reference import DOCKER_HUB
from dinv.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dinv.engine.reference import Reference

# docker/cli keeps Docker Hub's under this name, for the sake of its first version.
HUB_KEY = "https://index.docker.io/v1/"
_HELPER_SECONDS = 30
# docker-credential-helpers: credentials/error.go. Helpers say it on stdout and exit with 1.
_NOT_FOUND = "credentials not found"
_TOKEN_USER = "<token>"  # noqa: S105 - what a helper says in place of a user


class Credentials:
    """What a registry wants to see. Never shown by repr or in messages."""

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
    """Encode an object as the X-Registry-... headers want it: JSON in base64url, with padding."""
    from base64 import urlsafe_b64encode

    return urlsafe_b64encode(json.dumps(value).encode()).decode()


def find(reference: Reference, config_dir: str | None = None) -> Credentials | None:
    """Return the credentials for an image's registry, None when there are none.

    Looks where the docker CLI does, in `config_dir`, $DOCKER_CONFIG or ~/.docker: the registry's
    credential helper, the general one, else the file itself. A helper that is not installed gives
    none. Raises InputError when config.json cannot be read or a helper fails.
    """
    directory = config_dir or os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
    path = os.path.join(directory, "config.json")
    config = _load(path)
    key = HUB_KEY if reference.registry == DOCKER_HUB else reference.registry
    helpers = _mapping(config.get("credHelpers"))
    helper = next((helpers[name] for name in _names(key) if helpers.get(name)), config.get("credsStore"))
    if helper:
        return _ask(str(helper), key)
    auths = _mapping(config.get("auths"))
    for name in (key, *(found for found in auths if _hostname(found) == _hostname(key))):
        if isinstance(auths.get(name), dict):
            return _from_entry(auths[name], key, path)
    return None


def _load(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            config = json.load(file)
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror}") from exc
    except ValueError as exc:
        raise InputError(f"{path} is not JSON ({exc}). Mend it, or remove it and log in again.") from exc
    return _mapping(config)


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _names(key: str) -> tuple[str, ...]:
    return (key, "index.docker.io", DOCKER_HUB) if key == HUB_KEY else (key,)


def _hostname(key: str) -> str:
    """Return the host of a key in `auths`, which people also write as a URL."""
    host = key.removeprefix("https://").removeprefix("http://").partition("/")[0]
    return "index.docker.io" if host == DOCKER_HUB else host


def _from_entry(entry: dict[str, Any], server: str, path: str) -> Credentials | None:
    username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    packed = entry.get("auth")
    if packed:
        from base64 import b64decode

        try:
            username, colon, password = b64decode(str(packed), validate=True).decode().partition(":")
        except ValueError:
            colon = ""
        if not colon:
            raise InputError(f'{path}: the "auth" of {server} is not base64 of USER:PASSWORD. Log in again.')
        # docker/cli pads with zero bytes: config/configfile/file.go
        password = password.strip("\0")
    identity = str(entry.get("identitytoken") or "")
    registry = str(entry.get("registrytoken") or "")
    if not (username or identity or registry):
        return None
    return Credentials(
        server, username=username, password=password, identity_token=identity, registry_token=registry
    )


def _ask(helper: str, server: str) -> Credentials | None:
    """Ask `docker-credential-HELPER`; the server goes in and the secret comes out over pipes."""
    import subprocess

    program = f"docker-credential-{helper}"
    if os.path.basename(program) != program:
        raise InputError(f'"{helper}" in docker\'s config.json is not the name of a credential helper')
    try:
        done = subprocess.run(
            [program, "get"], input=server.encode(), capture_output=True, timeout=_HELPER_SECONDS, check=False
        )
    except FileNotFoundError:
        return None
    except subprocess.TimeoutExpired as exc:
        raise InputError(f"{program} did not answer within {_HELPER_SECONDS} s") from exc
    except OSError as exc:
        raise InputError(f"{program} cannot be started: {exc.strerror}") from exc
    if done.returncode != 0:
        said = (done.stdout or done.stderr).decode(errors="replace").strip()
        if _NOT_FOUND in said:
            return None
        raise InputError(f"{program} failed for {server}: {said[:200] or f'status {done.returncode}'}")
    try:
        found = _mapping(json.loads(done.stdout))
        username, secret = str(found["Username"]), str(found["Secret"])
    except (ValueError, KeyError) as exc:
        raise InputError(f"{program} gave no usable answer for {server}") from exc
    if username == _TOKEN_USER:
        return Credentials(server, identity_token=secret)
    return Credentials(server, username=username, password=secret)
