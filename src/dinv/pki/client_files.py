"""The client's TLS files: DOCKER_CERT_PATH is a directory with all three of them."""

from __future__ import annotations

import os

NAMES = ("ca.pem", "cert.pem", "key.pem")


def complete(directory: str) -> bool:
    """Return whether a directory has all the files that a client needs for mutual TLS."""
    return all(os.path.exists(os.path.join(directory, name)) for name in NAMES)
