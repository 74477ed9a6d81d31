"""The keys of SSH into a machine: its user's, by which its SSH server lets in, and the server's own.

Both pairs are in the machine's directory, made once and kept for as long as the machine exists, and so is
`known_hosts`, by which ssh knows the server under a name that does not change with its address. OpenSSH's
formats: ssh-keygen(1), sshd(8) "SSH_KNOWN_HOSTS FILE FORMAT".
"""

from __future__ import annotations

import contextlib
import os

from dinv.system import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

USER = "id_ed25519"
USER_ELSEWHERE = "id_rsa"
"""What scripts written for docker-machine name: a link to the key. ssh goes by the content, not the name."""
SERVER = "ssh_host_ed25519_key"
KNOWN_HOSTS = "known_hosts"
LARGEST = 16 * 1024
"""Bytes of a key in OpenSSH's formats; those here have some 400."""


def user_key(directory: str, comment: str) -> bytes:
    """Return the public key of the user, as a line; make the pair if there is none.

    The caller must have the machine's lock. Raises OSError, ValueError for a private key that cannot be used.
    """
    public, _ = _pair(directory, USER, comment)
    with contextlib.suppress(OSError):  # it is there; or a file system has no links: nothing of ours needs it
        os.symlink(USER, os.path.join(directory, USER_ELSEWHERE))
    return public


def server_key(directory: str, comment: str, alias: str) -> tuple[bytes, bytes]:
    """Return the public key of the server, as a line, and its private one; make the pair if there is none.

    known_hosts has the public one afterwards, and no other, by the name `alias`. Otherwise as `user_key`.
    """
    public, private = _pair(directory, SERVER, comment)
    path = os.path.join(directory, KNOWN_HOSTS)
    known = alias.encode() + b" " + b" ".join(public.split()[:2]) + b"\n"
    with contextlib.suppress(OSError):
        if files.read(path, largest=LARGEST) == known:
            return public, private
    files.write(path, known, mode=0o644)
    return public, private


def _pair(directory: str, name: str, comment: str) -> tuple[bytes, bytes]:
    """Return both halves of a pair. Of a private key alone the public half is made again."""
    path = os.path.join(directory, name)
    with contextlib.suppress(FileNotFoundError):
        private = files.read(path, largest=LARGEST)
        return files.read(f"{path}.pub", largest=LARGEST), private
    # Imported here: it takes longer than everything else, and is needed once in a machine's life.
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        private, made = files.read(path, largest=LARGEST), False
        key = _loaded(private)
    except FileNotFoundError:
        key, made = Ed25519PrivateKey.generate(), True
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
    line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    public = line + b" " + comment.encode() + b"\n"
    # The private one last: as long as it is not there, a pair is made.
    files.write_all([(f"{path}.pub", public, 0o644), *([(path, private, 0o600)] if made else [])])
    return public, private


def _loaded(content: bytes) -> Ed25519PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        key = serialization.load_ssh_private_key(content, password=None)
    except (TypeError, UnsupportedAlgorithm) as error:  # one with a passphrase
        raise ValueError(str(error)) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("not an Ed25519 key")  # noqa: TRY004  (it is what the file holds)
    return key
