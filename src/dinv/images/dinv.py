"""The contract of dinv's own image; its other side is images/README.md."""

from __future__ import annotations

from dinv.channel import File
from dinv.errors import InputError
from dinv.images import ImageContract

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class DinvContract(ImageContract):
    """Files under /etc/dinv, read at each start and at each SIGHUP."""

    name = "dinv"
    mounts = {"cache": "/var/lib/docker"}  # noqa: RUF012  (declared as Mapping by the seam)
    activation_signal = "SIGHUP"

    def environment(self, *, wait_seconds: float) -> Mapping[str, str]:
        return {"DINV_WAIT_FOR_CERTS": f"{round(wait_seconds)}"} if wait_seconds else {}

    def files(
        self,
        *,
        ca: bytes,
        certificate: bytes,
        key: bytes,
        arguments: Sequence[str],
        environment: Mapping[str, str],
    ) -> list[File]:
        # A variable is shown without its value, which may be a password.
        for shown, text in [*((text, text) for text in arguments), *environment.items()]:
            if "\n" in text or "\0" in text:
                raise InputError(f"{shown!r}: a daemon option cannot contain a line break")
        return [
            File("/etc/dinv/dockerd.args", "".join(f"{line}\n" for line in arguments).encode()),
            # May hold a proxy's password.
            File(
                "/etc/dinv/dockerd.env",
                "".join(f"{key}={value}\n" for key, value in environment.items()).encode(),
                0o600,
            ),
            File("/etc/dinv/certs/ca.pem", ca),
            File("/etc/dinv/certs/server.pem", certificate),
            # The last one: an image that waits for its certificates begins when all are there.
            File("/etc/dinv/certs/server-key.pem", key, 0o600),
        ]
