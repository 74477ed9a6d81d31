"""Which dinv server a store is logged in to: `login.json`, readable by its owner alone, since it has a token.

While it is there, `create` asks that server unless another driver is named.
"""

from __future__ import annotations

import os

from dinv.errors import StoreError
from dinv.system import files
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAME = "login.json"
LARGEST = 256 * 1024
DRIVER = "server"
"""The driver of machines that are asked from a server."""


class Login:
    """Where, and as whom.

    `url` is https://HOST[:PORT]; `token` the secret; `ca` the CA that the server's certificate has to be
    from, PEM, "" for those of the system; `person` is one's name there.
    """

    def __init__(self, url: str, token: str, *, ca: str = "", person: str = "") -> None:
        self.url = url
        self.token = token
        self.ca = ca
        self.person = person

    def save(self, store: str) -> None:
        """Write it, in place of any that was there. Raises OSError."""
        from dinv.formats import json_text

        os.makedirs(store, mode=0o700, exist_ok=True)
        document = {"Version": 1, "URL": self.url, "Person": self.person, "CA": self.ca, "Token": self.token}
        files.write(os.path.join(store, NAME), (json_text.text(document) + "\n").encode(), mode=0o600)

    @classmethod
    def of(cls, store: str) -> Login | None:
        """Read that of a store; None if there is none. Raises StoreError for one that cannot be used."""
        path = os.path.join(store, NAME)
        try:
            data = files.read(path, largest=LARGEST)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise unusable(path, error.strerror or str(error)) from error
        from dinv.formats import json_text

        try:
            found: Any = json_text.parse(data)
        except ValueError as error:
            raise unusable(path, f"it is not JSON: {error}") from error
        texts = (
            [found.get(key) for key in ("URL", "Token", "CA", "Person")]
            if isinstance(found, dict)
            else [None]
        )
        if not all(isinstance(text, str) for text in texts) or not found["URL"] or not found["Token"]:
            raise unusable(path, "it has not what a login has")
        return cls(found["URL"], found["Token"], ca=found["CA"], person=found["Person"])


def unusable(path: str, reason: str) -> StoreError:
    """Return the error for a file that cannot be used."""
    return StoreError(f"{path}: {reason}. Log in again: " + command("login", "URL"))


def exists(store: str) -> bool:
    """Whether there is one, usable or not."""
    return os.path.exists(os.path.join(store, NAME))


def remove(store: str) -> None:
    """Forget it; none is fine. Raises OSError."""
    import contextlib

    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(store, NAME))
