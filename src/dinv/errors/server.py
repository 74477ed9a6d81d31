"""`dinv serve` cannot run."""

from __future__ import annotations

from dinv.errors.local import LocalError


class ServerNotInstalled(LocalError):
    """Packages that the server needs are missing; `missing` are their modules."""

    def __init__(self, missing: list[str]) -> None:
        super().__init__(
            f"The server needs packages that are not installed ({', '.join(missing)}). "
            f"Install them with: pip install 'dinv[server]'"
        )
        self.missing = missing
