"""Logging in to a dinv server: with a token, or by the device flow (RFC 8628), in a browser anywhere.

A server with a CA of its own is asked for it first: whoever logs in compares its fingerprint with
what the server's operators tell, as with ssh. From then on the server has to have a certificate by that one.
"""

from __future__ import annotations

import time

from dinv.drivers.server.calls import Calls, number, text
from dinv.errors import DinvServerError, InputError, NotLoggedIn, ServerRefused, ServerUnreachable
from dinv.store import login
from dinv.store.login import Login
from dinv.system import files
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VARIABLE = "DINV_TOKEN"
LONGEST_TOKEN = 1000
"""Characters."""
LARGEST_CA = 256 * 1024
LONGEST_SECONDS = 900.0
SHORTEST_INTERVAL = 0.2
LONGEST_INTERVAL = 30.0


def untrusted_ca(url: str) -> tuple[str, str]:
    """Return a CA to trust, PEM, and its fingerprint; "" and "" if the server is trusted as it is.

    The fingerprint is SHA-256, as `openssl x509 -fingerprint -sha256` writes it. Raises ServerUnreachable.
    """
    calls = Calls(url)
    try:
        calls.call("GET", "me", timeout=15)
    except NotLoggedIn:
        return "", ""
    except ServerUnreachable as error:
        if "signed by another CA" not in error.reason and "self-signed" not in error.reason:
            raise
    finally:
        calls.close()
    return _own_ca(url)


def _own_ca(url: str) -> tuple[str, str]:
    """Return the CA that the server says it has, and its fingerprint. Nothing of it is trusted yet."""
    import hashlib
    import ssl

    calls = Calls(url, verify=False)
    try:
        found = calls.text("/ca.pem", largest=LARGEST_CA)
        der = ssl.PEM_cert_to_DER_cert(found.strip())
    except (ServerRefused, ValueError) as error:
        raise ServerUnreachable(
            calls.url,
            "has a certificate that is not from a CA that this computer trusts, and names no CA of its own",
            "Name the CA: " + option("ca", "FILE"),
        ) from error
    finally:
        calls.close()
    digest = hashlib.sha256(der).hexdigest().upper()
    return ssl.DER_cert_to_PEM_cert(der), ":".join(digest[at : at + 2] for at in range(0, 64, 2))


def given_token(file: str | None, environ: Mapping[str, str]) -> str:
    """Return the first line of a file, "-" for standard input; else the variable's value, or "".

    Raises InputError.
    """
    if not file:
        return environ.get(VARIABLE, "")
    import sys

    try:
        if file == "-":
            return sys.stdin.readline(LONGEST_TOKEN).strip()
        with open(file, encoding="utf-8") as opened:
            return opened.readline(LONGEST_TOKEN).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The token cannot be read: {file}: {_why(error)}") from error


def given_ca(file: str | None) -> str:
    """Return the content of a file, PEM; "" for none. Raises InputError."""
    if not file:
        return ""
    try:
        found = files.read(file, largest=LARGEST_CA).decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The CA cannot be read: {file}: {_why(error)}") from error
    if "-----BEGIN CERTIFICATE-----" not in found:
        raise InputError(f"The CA cannot be used: {file} has no certificate in PEM.")
    return found


def _why(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "it is not text"


def log_in(url: str, *, token: str, ca: str, show: Callable[[str, str], None] | None) -> Login:
    """Return the login with a token, or without one by a browser; see `Machines.log_in`."""
    if token:
        return with_token(url, token, ca=ca)
    if show is None:
        raise InputError("Logging in needs a token, or a `show` to tell somebody where to allow it.")
    return by_browser(url, ca=ca, show=show)


def with_token(url: str, token: str, *, ca: str = "") -> Login:
    """Return the login with a token that somebody has. Raises NotLoggedIn, ServerUnreachable, OptionError."""
    calls = Calls(url, token=token, ca=ca)
    try:
        _, me = calls.call("GET", "me")
        person = me.get("person") if isinstance(me, dict) else None
        name = text(person if isinstance(person, dict) else {}, "name", calls.url)
    finally:
        calls.close()
    return Login(calls.url, token, ca=ca, person=name)


def by_browser(url: str, *, ca: str, show: Callable[[str, str], None]) -> Login:
    """Return the login that somebody allows in a browser, on any computer.

    `show` is called with the address to open and the code to compare. Waits as long as the server does, 15
    minutes at most. Raises NotLoggedIn if it is refused or too late, ServerUnreachable, OptionError.
    """
    calls = Calls(url, ca=ca)
    try:
        _, begun = calls.call("POST", "device")
        begun = begun if isinstance(begun, dict) else {}
        code = text(begun, "device_code", calls.url)
        end = time.monotonic() + min(number(begun, "expires_in", calls.url), LONGEST_SECONDS)
        interval = min(max(number(begun, "interval", calls.url), SHORTEST_INTERVAL), LONGEST_INTERVAL)
        show(text(begun, "verification_uri_complete", calls.url), text(begun, "user_code", calls.url))
        while time.monotonic() < end:
            time.sleep(interval)
            try:
                status, answer = calls.call("POST", "device/token", {"device_code": code})
            except ServerRefused as error:
                if error.status != 429:
                    raise
                interval = min(interval * 2, LONGEST_INTERVAL)
                continue
            if status != 202:
                token = text(answer if isinstance(answer, dict) else {}, "token", calls.url)
                return with_token(url, token, ca=ca)
    finally:
        calls.close()
    raise NotLoggedIn(calls.url, "nobody allowed it in time")


def log_out(store: str) -> tuple[str, str]:
    """Forget the login of a store, and have its token revoked; see `Machines.log_out`."""
    found = Login.of(store)
    if found is None:
        return "", ""
    remark = ""
    calls = Calls.of(found)
    try:
        calls.call("DELETE", "tokens/current", timeout=10)
    except NotLoggedIn:
        pass  # it is not valid any more
    except DinvServerError as error:
        remark = f"The token is still valid there: revoke it on the server's page. {error}"
    finally:
        calls.close()
    login.remove(store)
    return found.url, remark
