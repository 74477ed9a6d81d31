"""Files in PEM, read: a key or certificates, as they are."""

from __future__ import annotations

import errno
import os

from dinv.errors import CertificateError
from dinv.system import files


def read(path: str) -> bytes:
    """The content of a file that has to be there. Raises CertificateError."""
    found = read_if_there(path)
    if found is None:
        raise CertificateError(f"{path} cannot be read: {os.strerror(errno.ENOENT)}")
    return found


def read_if_there(path: str) -> bytes | None:
    """The content of a file, None when there is none. Raises CertificateError."""
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
