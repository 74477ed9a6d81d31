"""The image contract seam: how a machine image takes its certificates and daemon options.

An image says by a label (`dinv.labels`) which contract it keeps; others are known by their looks.
A plugin registers an ImageContract subclass as entry point in the group `dinv.images`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from dinv import plugins
from dinv.labels import LABEL_CONTRACT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from dinv.channel import File
    from dinv.declaration import Option

GROUP = "dinv.images"
DEFAULT_IMAGE = "dinv:latest"
"""What machines are made from unless another image is named, and what `image build` makes."""

DOCKER_PID_FILES = (
    "/var/run/docker.pid",
    "/var/run/docker/containerd/containerd.pid",
    "/var/run/docker/containerd/docker-containerd.pid",
    "/var/run/docker/libcontainerd/docker-containerd.pid",
)
"""Of dockerd and of the containerd that it starts: since 18.09, before that, and before 18.02.

With the number of a process that is there, be it another one, the daemon takes itself or containerd for
running. An empty one counts for none (moby: pkg/pidfile, libcontainerd/supervisor/remote_daemon.go).
"""

_BUILT_IN = {
    "dinv": "dinv.images.dinv:DinvContract",
    "dch-photon": "dinv.images.dch_photon:DchPhotonContract",
    "dind": "dinv.images.dind:DindContract",
}
SEAM = plugins.Seam("image contract", GROUP, _BUILT_IN, "dinv.images:ImageContract")


class ImageContract(ABC):
    """What one kind of machine image promises.

    `options` are libmachine's engine options throughout, with `Driver.daemon_defaults` beside them, under
    `options.DEFAULTS`; `driver_name` stands in the engine's labels. The contract's own options are those that
    it declares, given by `--image-contract NAME` and their flags; their values are in `own_options`.
    """

    name: str
    mounts: Mapping[str, str]
    """Where in the machine the volume of each role goes: `{"cache": "/var/lib/docker"}`."""
    activation_signal: str
    """The signal to init after which new certificates and options hold; "" when it takes a restart."""
    waits_for_certificates: bool
    """Whether it can be started before its certificates are in, and takes them when they come."""
    preparation: Sequence[str] = ()
    """A command to run in it as root after each start, for what its init leaves undone; () for none."""
    pid_files: Sequence[str] = ()
    """Files of daemons that a kill leaves, and that keep the next ones from starting."""
    certificate_paths: tuple[str, str, str] = ("", "", "")
    """Where in the machine its CA's certificate, its own and its key are."""
    known_not_to_verify: str = ""
    """Which of its images let clients in without a certificate, as far as that is known."""

    adoption_files: Sequence[File] = ()
    """Beside `files`, what a container needs that has made certificates of its own."""
    own_certificates: str = ""
    """A shell command after which its next start makes certificates of its own; "" when it makes none."""

    def __init__(self, own_options: Mapping[str, Any] | None = None) -> None:
        import os

        from dinv.declaration import from_record

        given = own_options or {}
        self.own_options = from_record(self.create_flags(), given, given, os.environ)

    @classmethod
    def create_flags(cls) -> Sequence[Option]:
        """The options this contract adds to `create`, where it is named with `--image-contract`."""
        return ()

    def cannot_adopt(self, config: Mapping[str, Any]) -> str:  # (those that can be told more)
        """Why a container, by its `Config`, cannot be given other certificates; "" when it can."""
        return ""

    @classmethod
    @abstractmethod
    def recognises(cls, config: Mapping[str, Any]) -> bool:
        """Whether an image keeps this contract, by its `Config` (`GET /images/NAME/json`)."""

    @abstractmethod
    def environment(self, options: Mapping[str, Any], *, wait_seconds: float) -> Mapping[str, str]:
        """What its init gets.

        With `wait_seconds` it waits so long for certificates that come after the start.
        """

    @abstractmethod
    def command(self, options: Mapping[str, Any], driver_name: str) -> Sequence[str]:
        """What its init gets as arguments; () leaves the image's own.

        Raises InputError for an option that the image cannot be given.
        """

    @abstractmethod
    def files(
        self, *, ca: bytes, certificate: bytes, key: bytes, options: Mapping[str, Any], driver_name: str
    ) -> list[File]:
        """The files that make it serve, PEM certificates among them.

        Raises InputError for an option that the image cannot be given.
        """


def find(name: str, own_options: Mapping[str, Any] | None = None) -> ImageContract:
    """The contract of this name, built in or a plugin's, with values of its own options by keyword.

    Raises PluginNotFound, PluginBroken.
    """
    return load(name)(own_options)


def known() -> list[str]:
    """The names of all image contracts there are, built in or not, sorted."""
    return SEAM.known()


def recognise(config: Mapping[str, Any]) -> str:
    """The name of the contract that an image keeps, "" when it is none that is known.

    What the image says of itself comes first: its label, which may name a plugin's.
    """
    label = str((config.get("Labels") or {}).get(LABEL_CONTRACT) or "")
    if label:
        return label
    return next((name for name in _BUILT_IN if load(name).recognises(config)), "")


def load(name: str) -> type[ImageContract]:
    """The class of the contract of this name. Raises InputError."""
    contract: type[ImageContract] = SEAM.find(name)
    return contract
