"""A store and the dinv server that its machines are asked from: `Machines.server`."""

from __future__ import annotations

import os

from dinv.store.login import Login
from dinv.timeouts import LIST_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.store.store import Store


class TeamServer:
    """The server that `store` is logged in to, or may be. Nothing is asked before a call."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def login(self) -> Login | None:
        """Which server it is, and who one is there; None without one. Raises StoreError."""
        return Login.of(self._store.path)

    def log_in(
        self,
        url: str,
        *,
        token: str = "",
        token_file: str | None = None,
        ca: str = "",
        ca_file: str | None = None,
        show: Callable[[str, str], None] | None = None,
    ) -> Login:
        """Have `Machines.create` ask the dinv server at `url` from now on; the store keeps it, and the token.

        The token is `token`, or the first line of `token_file` ("-" for standard input), or in $DINV_TOKEN;
        else somebody has to allow it in a browser: `show` is called with the address to open and the code
        that it shows. `ca`, PEM, or `ca_file` is what the server's certificate has to be from, if that is
        not a CA of the system. Raises NotLoggedIn, ServerUnreachable, InputError.
        """
        from dinv.drivers.server import signing_in

        found = signing_in.log_in(
            url,
            token=token or signing_in.given_token(token_file, os.environ),
            ca=ca or signing_in.given_ca(ca_file),
            show=show,
        )
        found.save(self._store.path)
        return found

    def untrusted_ca(self, url: str) -> tuple[str, str]:
        """Return what to give as `ca` to `log_in`, and its SHA-256 fingerprint, to be compared before.

        Both are "" for a server with a certificate of a CA that is trusted. Raises ServerUnreachable.
        """
        from dinv.drivers.server import signing_in

        return signing_in.untrusted_ca(url)

    def has_changed(self, url: str, ca: str) -> bool:
        """Return whether the store knows the server by another CA than `ca`, PEM. Raises OptionError."""
        from dinv.drivers.server.calls import canonical

        known = self.login
        return (
            known is not None
            and known.url == canonical(url)
            and bool(known.ca)
            and ca.strip() not in known.ca.replace("\r", "")
        )

    def log_out(self) -> tuple[str, str]:
        """Forget the server and the token, and have the token revoked there.

        Returns the server's URL, "" if there was none, and why the token could not be revoked, or "".
        """
        from dinv.drivers.server import signing_in

        return signing_in.log_out(self._store.path)

    def others(self, *, timeout: float = LIST_SECONDS) -> list[str]:
        """Return one's machines that are on the server only: `Machines.get` takes them up.

        None without a login, or without an answer within `timeout` seconds.
        """
        from dinv.store import login

        if not login.exists(self._store.path):
            return []
        from dinv.drivers.server.machines import others

        return others(self._store.path, self._store.names(), timeout=timeout)
