"""The server's settings: from the command line, from DINV_SERVER_* variables, from a TOML file.

What is given nearer to the start counts: a flag before a variable before the file. Everything that is wrong
is said at once, and nothing that is not known is passed over.
"""

from __future__ import annotations

import ipaddress
import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any
from urllib.parse import urlsplit

from dinv.errors import InputError
from dinv.server.settings import OpenIdProvider, Settings
from dinv.system import files

PREFIX = "DINV_SERVER_"
_LARGEST = 256 * 1024
_TEXTS = ("state", "database", "listen", "public_url", "tls_cert", "tls_key", "secret_file")
_NUMBERS = {
    "workers": (1, 64),
    "reconcile_seconds": (1, 3600),
    "heartbeat_seconds": (0.5, 60),
    "stale_seconds": (5, 600),
    "events_days": (1, 3650),
}
"""Each with its least and its most. Only in the file."""
_OIDC_TEXTS = (
    *("name", "issuer", "client_id", "client_secret", "client_secret_file"),
    *("groups_claim", "group_prefix", "ca_file"),
)
_OIDC_LISTS = ("scopes", "allowed_groups", "operator_groups", "auditor_groups", "allowed_domains")


class SettingsError(InputError):
    """The settings cannot be used; `problems` are sentences, all at once."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(
            "The server's settings cannot be used:\n" + "\n".join(f"  {each}" for each in problems)
        )
        self.problems = problems


def settings(
    given: Mapping[str, Any], *, file: str = "", environ: Mapping[str, str] = os.environ, state: str = ""
) -> Settings:
    """Return the settings; `given` are those of the command line, by their names in the file.

    None, False and "" are not given. `state` is the server's directory if nothing else says one, by default
    that of the user's store. Raises SettingsError.
    """
    problems: list[str] = []
    values, oidc = _of_file(file, problems) if file else ({}, None)
    for name in (*_TEXTS, "plain"):
        variable = environ.get(PREFIX + name.upper())
        if variable:
            values[name] = _switch(variable) if name == "plain" else variable
    values |= {name: value for name, value in given.items() if value not in (None, False, "")}
    secret = environ.get(PREFIX + "OIDC_CLIENT_SECRET", "")
    built: dict[str, Any] = {
        "state": os.path.abspath(os.path.expanduser(values.get("state") or state or _default_state())),
        "database": values.get("database", ""),
        "public_url": _public_url(values.get("public_url", ""), problems),
        "tls_certificate": values.get("tls_cert", ""),
        "tls_key": values.get("tls_key", ""),
        "plain": values.get("plain", False),
        "trusted_proxies": tuple(values.get("trusted_proxies", ())),
        "secret_file": values.get("secret_file", ""),
        "provider": _provider(oidc, secret, problems) if oidc is not None else None,
    }
    built |= {name: values[name] for name in _NUMBERS if name in values}
    listen = _listen(values.get("listen", ""), problems)
    if listen:
        built["listen"] = listen
    if problems:
        raise SettingsError(problems)
    found = Settings(**built)
    problems += _contradictions(found)
    if problems:
        raise SettingsError(problems)
    return found


def _default_state() -> str:
    from dinv.store.store import Store

    return os.path.join(Store(None).path, "server")


def _of_file(path: str, problems: list[str]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    try:
        document = tomllib.loads(files.read(path, largest=_LARGEST).decode())
    except OSError as error:
        raise SettingsError([f"{path} cannot be read: {error.strerror or error}."]) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError([f"{path} is not TOML: {error}."]) from error
    oidc = document.pop("oidc", None)
    values = {}
    for name, value in document.items():
        if name in _TEXTS:
            fault = "" if isinstance(value, str) else "is not a text"
        elif name in _NUMBERS:
            fault = _number_fault(value, *_NUMBERS[name], whole=name in ("workers", "events_days"))
        elif name == "trusted_proxies":
            fault = _networks_fault(value)
        elif name == "plain":
            fault = "" if isinstance(value, bool) else "is not true or false"
        else:
            fault = (
                f"is not a setting; there are: {', '.join((*_TEXTS, 'plain', 'trusted_proxies', *_NUMBERS))}"
            )
        if fault:
            problems.append(f"{path}: {name} {fault}.")
        else:
            values[name] = value
    if oidc is not None and not isinstance(oidc, dict):
        problems.append(f"{path}: oidc is not a table: [oidc].")
        oidc = None
    return values, oidc


def _number_fault(value: object, least: float, most: float, *, whole: bool) -> str:
    kinds = (int,) if whole else (int, float)
    fits = isinstance(value, kinds) and not isinstance(value, bool) and math.isfinite(value)
    return "" if fits and least <= value <= most else f"is not a number from {least:g} to {most:g}"  # type: ignore[operator]


def _networks_fault(value: object) -> str:
    try:
        if not isinstance(value, list):
            return "is not a list"
        for each in value:
            ipaddress.ip_network(each, strict=False)
    except (ValueError, TypeError):
        return f"has {each!r}, which is not an address or a network"
    return ""


def _switch(text: str) -> bool:
    return text.lower() in ("1", "true", "yes", "on")


def _listen(text: str, problems: list[str]) -> tuple[str, int] | None:
    if not text:
        return None
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535 or (":" in host and not host.startswith("[")):
        problems.append(f"listen: {text!r} is not HOST:PORT, such as 0.0.0.0:8443 or [::]:8443.")
        return None
    return host.removeprefix("[").removesuffix("]") or "0.0.0.0", int(port)  # noqa: S104  (":8443" says so)


def _public_url(text: str, problems: list[str]) -> str:
    try:
        parts = urlsplit(text)
        fits = not text or (
            parts.scheme in ("https", "http")
            and bool(parts.hostname)
            and not (parts.query or parts.fragment or parts.path.strip("/") or parts.username)
            and (parts.port is None or parts.port > 0)
        )
    except ValueError:
        fits = False
    if not fits:
        problems.append(f"public_url: {text!r} is not such as https://dinv.example.com, without a path.")
    return text.rstrip("/")


def _provider(given: dict[str, Any], secret: str, problems: list[str]) -> OpenIdProvider | None:
    before = len(problems)
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name in _OIDC_TEXTS:
            fault = "" if isinstance(value, str) else "is not a text"
        elif name in _OIDC_LISTS:
            is_texts = isinstance(value, list) and all(isinstance(each, str) for each in value)
            fault = "" if is_texts else "is not a list of texts"
        else:
            fault = f"is not a setting; there are: {', '.join((*_OIDC_TEXTS, *_OIDC_LISTS))}"
        if fault:
            problems.append(f"oidc: {name} {fault}.")
        else:
            values[name] = tuple(value) if name in _OIDC_LISTS else value
    problems.extend(f"oidc: {name} is missing." for name in ("issuer", "client_id") if not values.get(name))
    path = values.pop("client_secret_file", "")
    if path:
        try:
            values["client_secret"] = files.read(path, largest=4096).decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"oidc: client_secret_file: {path} cannot be read: {error}.")
    if secret:
        values["client_secret"] = secret
    issuer = urlsplit(values.get("issuer", ""))
    local = issuer.hostname in ("localhost", "127.0.0.1", "::1")
    if values.get("issuer") and issuer.scheme != "https" and not local:
        problems.append("oidc: issuer is not an https:// address.")
    if len(problems) > before:
        return None
    values.setdefault("name", issuer.hostname)
    known = {field.name for field in fields(OpenIdProvider)}
    return OpenIdProvider(**{name: value for name, value in values.items() if name in known})


def _contradictions(found: Settings) -> list[str]:
    problems = []
    if bool(found.tls_certificate) != bool(found.tls_key):
        problems.append("tls_cert and tls_key belong together: a certificate needs its key.")
    if found.plain and found.tls_certificate:
        problems.append("plain is HTTP without TLS, and tls_cert says otherwise.")
    if found.plain and not found.trusted_proxies and not _is_loopback(found.listen[0]):
        problems.append(
            "plain is HTTP without TLS, which nobody but a proxy may see: listen at 127.0.0.1, or say in "
            "trusted_proxies where the proxy is."
        )
    if found.public_url.startswith("http://") and not _is_loopback(urlsplit(found.public_url).hostname or ""):
        problems.append("public_url is http://, where browsers keep no session. People need https://.")
    if found.provider and not found.public_url:
        problems.append("oidc needs public_url: the provider sends people back to it.")
    return problems


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
