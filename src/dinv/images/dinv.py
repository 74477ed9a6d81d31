"""The contract of dinv's own image; images/README.md describes the other side."""

from __future__ import annotations

import json

from dinv.channel import File
from dinv.errors import InputError
from dinv.images import ImageContract
from dinv.images.options import (
    FORGOTTEN,
    default_arguments,
    dockerd_arguments,
    dockerd_environment,
    reloadable,
)
from dinv.labels import LABEL_CONTRACT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from dinv.channel import Channel


_FRONT = "/usr/local/lib/dinv/front"
"""What manages the TLS front in the machine. Images of dinv 0.1 have none."""


_DAEMON = "/usr/local/lib/dinv/dockerd"
"""What tells the machine's daemon of new options. Images of dinv 0.1 have none."""

_SERVICES = "/usr/local/lib/dinv/services"
"""What keeps services running, and `services.d` beside it has those of the image's owner."""

_SWITCHED = b'{"live-restore":'
"""How daemon.json begins where the image switches live-restore itself (`ours` in its config.sh)."""

_SERVICE_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


class DinvContract(ImageContract):
    """Files under /etc/dinv, read at each start and at each SIGHUP; certificates by a command, too."""

    name = "dinv"
    mounts = {"cache": "/var/lib/docker"}  # noqa: RUF012  (declared as Mapping by the seam)
    activation_signal = "SIGHUP"
    certificate_reload = (_FRONT, "reload")
    daemon_json = "/etc/docker/daemon.json"
    pending_command = ("/usr/local/lib/dinv/pending",)
    waits_for_certificates = True
    reload_command = (_DAEMON, "reload")
    check_command = (_DAEMON, "check")
    services_command = (_SERVICES,)
    activity_command = ("/usr/local/lib/dinv/activity",)
    authorized_keys = "/etc/dinv/ssh/authorized_keys"
    host_key = "/etc/dinv/ssh/ssh_host_ed25519_key"
    certificate_paths = (
        "/etc/dinv/certs/ca.pem",
        "/etc/dinv/certs/server.pem",
        "/etc/dinv/certs/server-key.pem",
    )

    @classmethod
    def recognises(cls, config: Mapping[str, Any]) -> bool:
        return (config.get("Labels") or {}).get(LABEL_CONTRACT) == cls.name

    def rotates_in_place(self, channel: Channel) -> bool:
        return channel.stat(_FRONT) is not None

    def live_restore(self, daemon_json: bytes) -> bool | None:
        # The image adds its own entry unless the file has one, or what looks like one, already.
        if daemon_json.startswith(_SWITCHED) or b'"live-restore"' not in daemon_json:
            return None
        return bool(super().live_restore(daemon_json))

    def revocations(self, serials: Iterable[str]) -> File | None:
        return File("/etc/dinv/certs/revoked", "".join(f"{serial}\n" for serial in serials).encode())

    def service_file(self, name: str, script: bytes) -> File | None:
        if not name or not set(name) <= _SERVICE_LETTERS:
            raise ValueError(f"{name!r} is not a service's name: letters, digits, _ and - only")
        return File(f"/etc/dinv/services/{name}", script, 0o755)

    def environment(self, options: Mapping[str, Any], *, wait_seconds: float) -> Mapping[str, str]:
        return {"DINV_WAIT_FOR_CERTS": f"{round(wait_seconds)}"} if wait_seconds else {}

    def command(self, options: Mapping[str, Any], driver_name: str) -> Sequence[str]:
        # They are in a file; values that it cannot hold are rejected before anything is made.
        _lines(dockerd_arguments(options, driver_name), dockerd_environment(options))
        return ()

    def reloads(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
        if dockerd_environment(before) != dockerd_environment(after):
            return False
        (told, rest), (tell, remaining) = (
            reloadable(dockerd_arguments(options, "")) for options in (before, after)
        )
        return rest == remaining and not any(key in told and key not in tell for key in FORGOTTEN)

    def files(
        self, *, ca: bytes, certificate: bytes, key: bytes, options: Mapping[str, Any], driver_name: str
    ) -> list[File]:
        arguments, environment = _lines(dockerd_arguments(options, driver_name), dockerd_environment(options))
        ca_path, certificate_path, key_path = self.certificate_paths
        defaults = default_arguments(options)
        # Images before these options could be reloaded take all of them as arguments; later ones leave out
        # of the arguments what the other file has.
        told, _ = reloadable(dockerd_arguments(options, driver_name))
        return [
            File("/etc/dinv/dockerd.args", arguments),
            File("/etc/dinv/daemon.json", f"{json.dumps(told)}\n".encode()),
            File("/etc/dinv/dockerd.defaults", "".join(f"{line}\n" for line in defaults).encode()),
            # May hold a proxy's password.
            File("/etc/dinv/dockerd.env", environment, 0o600),
            File(ca_path, ca),
            File(certificate_path, certificate),
            # The last one: an image that waits for its certificates begins when it exists.
            File(key_path, key, 0o600),
        ]


def _lines(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[bytes, bytes]:
    """Return the two files, one entry per line. Raises InputError."""
    # A variable is shown without its value, which may be a password.
    for shown, text in [*((text, text) for text in arguments), *environment.items()]:
        if "\n" in text or "\0" in text:
            raise InputError(f"{shown!r}: a daemon option cannot contain a line break")
    return (
        "".join(f"{line}\n" for line in arguments).encode(),
        "".join(f"{name}={value}\n" for name, value in environment.items()).encode(),
    )
