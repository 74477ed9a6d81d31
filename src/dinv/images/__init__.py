"""The image contract seam: how a machine image takes its certificates and daemon options.

An image says by the label `io.dinv.image.contract` which contract it keeps. A plugin registers an
ImageContract subclass as entry point in the group `dinv.images`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from dinv import plugins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dinv.channel import File

GROUP = "dinv.images"
LABEL_CONTRACT = "io.dinv.image.contract"
LABEL_VERSION = "io.dinv.image.version"

_BUILT_IN = {"dinv": "dinv.images.dinv:DinvContract"}


class ImageContract(ABC):
    """What one kind of machine image promises."""

    name: str
    mounts: Mapping[str, str]
    """Where in the machine the volume of each role goes: `{"cache": "/var/lib/docker"}`."""
    activation_signal: str
    """The signal to init after which new certificates and options hold."""

    @abstractmethod
    def environment(self, *, wait_seconds: float) -> Mapping[str, str]:
        """What its init gets.

        With `wait_seconds` it waits so long for certificates that come after the start.
        """

    @abstractmethod
    def files(
        self,
        *,
        ca: bytes,
        certificate: bytes,
        key: bytes,
        arguments: Sequence[str],
        environment: Mapping[str, str],
    ) -> list[File]:
        """The files that make it serve: PEM certificates, dockerd's arguments, dockerd's environment.

        Raises InputError for an argument or a variable that the image cannot be given.
        """


def find(name: str) -> ImageContract:
    """The contract of this name, built in or a plugin's. Raises InputError."""
    contract: type[ImageContract] = plugins.find(name, group=GROUP, built_in=_BUILT_IN, what="image contract")
    return contract()
