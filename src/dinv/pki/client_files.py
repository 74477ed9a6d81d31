"""The files by which a client is let in: DOCKER_CERT_PATH is a directory with all three of them."""

from __future__ import annotations

import os

NAMES = ("ca.pem", "cert.pem", "key.pem")


def complete(directory: str) -> bool:
    """Whether a directory has all that a client needs for mutual TLS."""
    return all(os.path.exists(os.path.join(directory, name)) for name in NAMES)
