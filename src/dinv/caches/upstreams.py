"""What a cache is asked to have: registries and their upstreams, and the credentials for these."""

from __future__ import annotations

import re

from dinv.engine import credentials
from dinv.errors import OptionError
from dinv.formats.urls import LARGEST_PORT
from dinv.registries.cache_record import FIRST_PORT, HUB, HUB_URL, PUSH, Registry
from dinv.system import docker_config, files, home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dinv.engine.credentials import Credentials

_HUB_NAMES = ("docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com")
_HOST = r"[a-z0-9][a-z0-9.-]*(?::(?P<port>[0-9]{1,5}))?"
_URL = re.compile(rf"https?://(?P<host>{_HOST})/?")
MOST = 20
"""How many registries one cache can have: each is a process of some 20 MB."""

VARIABLE = "DINV_CACHE_AUTH_CONFIG"
"""The variable with a JSON object of "auths", in place of a file."""


def registries(upstreams: Iterable[str], *, push: bool) -> list[Registry]:
    """Return the registries for `--upstream` texts, by default Docker Hub's. Raises OptionError.

    A text is a registry as in references to images, such as ghcr.io; its URL; or REGISTRY=URL where the
    images of a registry come from another place.
    """
    found: dict[str, str] = {}
    for text in tuple(upstreams) or (() if push else (HUB,)):
        name, url = _parse(text)
        if found.setdefault(name, url) != url:
            raise _refused(text, f": {name} has an upstream already, {found[name]}")
    if push:
        found[PUSH] = ""
    if len(found) > MOST:
        raise OptionError(f": a cache has at most {MOST} registries", option="upstream")
    return [Registry(name, url, FIRST_PORT + number) for number, (name, url) in enumerate(found.items())]


def _parse(text: str) -> tuple[str, str]:
    name, equals, url = text.partition("=")
    if not equals:
        name, url = ("", text) if "://" in text else (text, "")
    name = name.lower()
    if url:
        match = _URL.fullmatch(url.lower())
        if match is None:
            # What stands before an @ may be a password: it is not shown.
            shown = re.sub(r"//[^/@]*@", "//...@", text)
            raise _refused(
                shown, "is not the URL of a registry: http or https, a host and a port, and nothing else"
            )
        _check_port(text, match["port"])
        name, url = name or match["host"], url.lower().rstrip("/")
    if name in _HUB_NAMES:
        return HUB, url if url and url != f"https://{name}" else HUB_URL
    match = re.fullmatch(_HOST, name)
    if match is None or name == PUSH:
        raise _refused(text, "is not a registry, such as docker.io, ghcr.io or registry.test:5000")
    _check_port(text, match["port"])
    return name, url or f"https://{name}"


def _check_port(text: str, port: str | None) -> None:
    if port is not None and not 0 < int(port) <= LARGEST_PORT:
        raise _refused(text, f": {port} is not a port")


def _refused(text: str, why: str) -> OptionError:
    return OptionError(why, option="upstream", value=text)


def logins(
    path: str | None, registries: Iterable[Registry], environ: Mapping[str, str]
) -> dict[str, Credentials]:
    """Return the credentials for upstreams, by registry: of the file at `path`, else of VARIABLE.

    Both have the format of docker's config.json. Raises OptionError.
    """
    if path:
        try:
            content, where = files.read(home.expanded(path)), path
        except OSError as error:
            raise OptionError(f": {error.strerror}", option="credentials", value=path) from error
    else:
        content, where = environ.get(VARIABLE, "").encode(), f"${VARIABLE}"
    if not content:
        return {}
    try:
        document = docker_config.parse(content)
    except ValueError as error:
        raise OptionError(f"cannot be used: {error}", option="credentials", value=where) from error
    if not isinstance(document, dict):
        raise OptionError(
            'is not a JSON object of "auths", as in docker\'s config.json', option="credentials", value=where
        )
    found = {}
    for registry in registries:
        if registry.upstream:
            login = credentials.of_document(document, registry.name, where)
            if login is not None and login.fields().get("username"):
                found[registry.name] = login
    if not found:
        names = ", ".join(registry.name for registry in registries if registry.upstream)
        raise OptionError(f"has no user and password for {names}", option="credentials", value=where)
    return found
