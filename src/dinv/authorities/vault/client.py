"""Calls of the HTTP API of Vault and OpenBao, and the login for them.

The API is that of developer.hashicorp.com/vault/api-docs (secret/pki, auth/approle) and openbao.org/api-docs.
Tokens go into a header only, and no message shows one.
"""

from __future__ import annotations

import os
import time

from dinv.authorities.http import Server
from dinv.authorities.vault.refusals import Call
from dinv.errors import CertificateError
from dinv.system import files, home
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from dinv.authorities.http import Answer
    from dinv.errors import AuthorityRefused

_OWN_FILE = ".vault-token"
"""In the user's home: where `vault login` and `bao login` keep the token."""
_LARGEST_SECRET = 16 * 1024
_ENDLESS_SECONDS = 3600
"""After so long a token without an end is asked for anew."""
_SPARE_SECONDS = 30
"""A token that ends sooner is not used any more."""
_logins: dict[tuple[str, ...], tuple[str, float]] = {}
"""The tokens that this process has logged in for, and until when they hold by the monotonic clock.

A create opens its authority twice, and a secret id may be good for one login.
"""


class VaultClient:
    """A server, with the namespace and the token that the options of the authority "vault" say.

    Every method raises AuthorityError, with what to change there, and CertificateError for a token or a
    secret id that cannot be read. Nothing is read or asked before it is needed.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self.namespace = str(options["vault_namespace"] or "").strip("/")
        self.server = Server(
            "vault",
            str(options["vault_addr"]),
            url_option="vault-addr",
            ca=str(options["vault_ca_cert"] or ""),
            ca_option="vault-ca-cert",
        )
        self._token = ""
        self._fresh = False
        """Whether the token is of a login that was just made."""

    def read(self, path: str) -> dict[str, Any] | None:
        """Return the data at a path of the API; None if it is not there, or is not for us to read."""
        answer = self._call("GET", path, None, self._valid_token())
        if answer.status in (403, 404):
            return None
        return self._data(answer, path)

    def write(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Write to a path of the API; return the answer: its `data`, and its `warnings`."""
        answer = self._post(path, body)
        self._data(answer, path)
        return answer.json()

    def try_out(self, path: str, *, expected: str) -> None:
        """Write nothing to a path, and raise unless the server's only objection is to that, in such words."""
        answer = self._post(path, {})
        said = _errors(answer) if answer.status == 400 else []
        if not any(f'"{expected}"' in each or each.startswith(expected) for each in said):
            self._data(answer, path)

    def _post(self, path: str, body: Mapping[str, Any]) -> Answer:
        answer = self._call("POST", path, body, self._valid_token())
        if answer.status == 403 and not self._fresh and _logins.pop(self._login_key(), None) is not None:
            # The token of an earlier login may have been revoked, or used as often as it may be.
            self._token = ""
            answer = self._call("POST", path, body, self._valid_token())
        return answer

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None, token: str) -> Answer:
        headers = {"X-Vault-Request": "true"}
        if token:
            headers["X-Vault-Token"] = token
        if self.namespace:
            headers["X-Vault-Namespace"] = self.namespace + "/"
        path = f"v1/{path}"
        if method == "GET":
            return self.server.get(path, headers=headers)
        return self.server.post(path, body or {}, headers=headers)

    def _data(self, answer: Answer, path: str) -> dict[str, Any]:
        """Return the data of an answer. Raises AuthorityRefused for an error."""
        body = answer.json()
        data = body.get("data")
        if answer.ok and isinstance(data, dict):
            return data
        if answer.ok:
            raise self.server.unusable("it has no data")
        raise self._refused(answer, path, "; ".join(_texts(body.get("warnings"))))

    def _refused(self, answer: Answer, path: str, otherwise: str = "") -> AuthorityRefused:
        said = "; ".join(_errors(answer)) or otherwise
        advice = Call(path, self.namespace).advice(answer.status, said)
        return answer.refused(self.server.quoted(said), advice)

    # The token

    def _valid_token(self) -> str:
        if not self._token:
            self._token = self._log_in() if self._options["vault_role_id"] else self._given_token()
            self.server.hide(self._token)
        return self._token

    def _given_token(self) -> str:
        """Return the token that the user has: of the option's file, the variable, or the CLI's own file."""
        path = str(self._options["vault_token_file"] or "")
        if path:
            return _secret_in(path, "token")
        given = self._options["vault_token"]
        if given:
            return _checked(str(given), "The token in the variable")
        own = os.path.join(home.directory(), _OWN_FILE)
        if os.path.isabs(own) and os.path.exists(own):
            return _secret_in(own, "token")
        raise CertificateError(
            'The authority "vault" has no token: neither VAULT_TOKEN nor BAO_TOKEN is set, and there is no '
            f"~/{_OWN_FILE}, which `vault login` or `bao login` writes. For programs, use an AppRole: "
            + option("vault-role-id", "ID")
            + " and "
            + option("vault-secret-id-file", "FILE")
            + "."
        )

    def _login_key(self) -> tuple[str, ...]:
        role_id, mount = str(self._options["vault_role_id"] or ""), str(self._options["vault_approle_mount"])
        return self.server.address, self.namespace, mount, role_id

    def _log_in(self) -> str:
        key = self._login_key()
        token, until = _logins.get(key, ("", 0.0))
        if token and time.monotonic() < until:
            return token
        path = f"auth/{key[2].strip('/')}/login"
        body = {"role_id": key[3]}
        secret = self._secret_id()
        if secret:
            self.server.hide(secret)
            body["secret_id"] = secret
        begun = time.monotonic()
        answer = self._call("POST", path, body, "")
        if not answer.ok:
            raise self._refused(answer, path)
        found = answer.json().get("auth")
        issued = found.get("client_token") if isinstance(found, dict) else None
        if not isinstance(found, dict) or not isinstance(issued, str) or not issued:
            raise self.server.unusable("the login gave no token; is it one that asks for a second factor?")
        token, seconds = _checked(issued, "The token of the login"), found.get("lease_duration")
        lasting = seconds if isinstance(seconds, int) and seconds > 0 else _ENDLESS_SECONDS
        self._fresh = True
        _logins[key] = token, begun + lasting - _SPARE_SECONDS
        return token

    def _secret_id(self) -> str:
        path = str(self._options["vault_secret_id_file"] or "")
        if path:
            return _secret_in(path, "secret id")
        given = self._options["vault_secret_id"]
        return _checked(str(given), "The secret id in the variable") if given else ""


def _secret_in(path: str, what: str) -> str:
    try:
        found = files.read(path, largest=_LARGEST_SECRET)
    except OSError as error:
        why = error.strerror or str(error)
        raise CertificateError(f"The {what} cannot be read from {path}: {why}.") from error
    return _checked(found.decode("ascii", "replace").strip(), f"What is in {path}")


def _checked(secret: str, what: str) -> str:
    """Return a token or a secret id that can stand in a header. Raises CertificateError."""
    if not secret or not secret.isascii() or not secret.isprintable() or " " in secret:
        raise CertificateError(f"{what} is not one: it is empty, or has other signs than a token has.")
    return secret


def _errors(answer: Answer) -> list[str]:
    return [" ".join(each.split()) for each in _texts(answer.json().get("errors"))]


def _texts(found: object) -> list[str]:
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []
