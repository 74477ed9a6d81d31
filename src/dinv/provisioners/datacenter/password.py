"""The administrator's password of UCP: given, or made up; kept in the machine's directory for its owner only.

It is in no record, on no command line, and in no message.
"""

from __future__ import annotations

import os

from dinv.errors import OptionError
from dinv.system import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

FILE = "ucp-admin-password"
LARGEST = 4096
SHORTEST = 8
"""UCP's own minimum."""


def given(options: Mapping[str, Any]) -> str:
    """Return the password in the options; "" if none is given. A file wins over a variable.

    Raises OptionError.
    """
    path = options.get("ucp_admin_password_file")
    if path:
        try:
            text = files.read(path, largest=LARGEST).decode()
        except OSError as error:
            raise OptionError(
                f"cannot be read: {error.strerror}", option="ucp-admin-password-file", value=path
            ) from error
        except UnicodeDecodeError as error:
            raise OptionError("is not text", option="ucp-admin-password-file", value=path) from error
        return _checked(text.removesuffix("\n").removesuffix("\r"), "ucp-admin-password-file")
    found = str(options.get("ucp_admin_password") or "")
    return _checked(found, "ucp-admin-password") if found else ""


def _checked(password: str, option: str) -> str:
    if len(password) < SHORTEST:
        raise OptionError(f"is too short for UCP: it wants {SHORTEST} characters or more", option=option)
    if not password.isprintable():
        raise OptionError("has characters that are not printable", option=option)
    return password


def kept(directory: str) -> str:
    """Return the password in a machine's directory; "" if there is none."""
    try:
        return files.read(os.path.join(directory, FILE), largest=LARGEST).decode().removesuffix("\n")
    except (OSError, UnicodeDecodeError):
        return ""


def keep(directory: str, password: str) -> None:
    """Keep a password in a machine's directory. Raises OSError."""
    if kept(directory) != password:
        files.write(os.path.join(directory, FILE), f"{password}\n".encode(), mode=0o600)


def made_up() -> str:
    """Return a new one: 24 letters, digits, "-" and "_"."""
    import secrets

    return secrets.token_urlsafe(18)
