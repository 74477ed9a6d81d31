"""Reading PEM files: keys and certificates, unparsed."""

from __future__ import annotations

import errno
import os

from dinv.errors import CertificateError
from dinv.system import files


def read(path: str) -> bytes:
    """Return the content of a file that must exist. Raises CertificateError."""
    found = read_if_there(path)
    if found is None:
        raise CertificateError(f"{path} cannot be read: {os.strerror(errno.ENOENT)}")
    return found


def read_if_there(path: str) -> bytes | None:
    """Return the content of a file, None if it does not exist. Raises CertificateError."""
    try:
        return files.read(path)
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise CertificateError(
            f"{path} cannot be read: {error.strerror}. Give yourself access to it"
        ) from error
    except OSError as error:
        raise CertificateError(f"{path} cannot be read: {error.strerror or error}") from error
