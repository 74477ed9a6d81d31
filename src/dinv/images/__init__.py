"""The image contract seam: how a machine image takes its certificates and daemon options.

An image says by a label (`dinv.labels`) which contract it keeps; other images are recognised by their config.
A plugin registers an ImageContract subclass as entry point in the group `dinv.images`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from dinv import plugins
from dinv.labels import LABEL_CONTRACT, LABEL_FEATURES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from dinv.channel import Channel, File
    from dinv.declaration import Option

GROUP = "dinv.images"
DEFAULT_IMAGE = "dinv:latest"
"""The image of machines unless another is named, and of `image build`."""

DOCKER_PID_FILES = (
    "/var/run/docker.pid",
    "/var/run/docker/containerd/containerd.pid",
    "/var/run/docker/containerd/docker-containerd.pid",
    "/var/run/docker/libcontainerd/docker-containerd.pid",
)
"""Of dockerd and of the containerd that it starts: since 18.09, before that, and before 18.02.

If any process has the number in one, the daemon takes itself or containerd for running. An empty file counts
for none (moby: pkg/pidfile, libcontainerd/supervisor/remote_daemon.go).
"""

_BUILT_IN = {
    "dinv": "dinv.images.dinv:DinvContract",
    "dch-photon": "dinv.images.dch_photon:DchPhotonContract",
    "dind": "dinv.images.dind:DindContract",
}
SEAM = plugins.Seam("image contract", GROUP, _BUILT_IN, "dinv.images:ImageContract")


class ImageContract(ABC):
    """The interface of one kind of machine image.

    `options` are libmachine's engine options throughout, with `Driver.daemon_defaults` in addition, under
    `options.DEFAULTS`; `driver_name` is put in the engine's labels. The contract's own options are those that
    it declares, given by `--image-contract NAME` and their flags; their values are in `own_options`.
    """

    name: str
    mounts: Mapping[str, str]
    """The path in the machine for the volume of each role: `{"cache": "/var/lib/docker"}`."""
    activation_signal: str
    """The signal to init after which new certificates and options apply; "" if that takes a restart."""
    certificate_reload: Sequence[str] = ()
    """A command to run in it as root, by which it uses new certificates and revocations and cuts no stream.

    Only in machines where `rotates_in_place`. Its exit status is 0 once that is so, and connections of
    revoked certificates are cut; otherwise its last line says why, and the former files are in use.
    """
    waits_for_certificates: bool
    """Whether it can be started before its certificates are in, and uses them when they arrive."""
    preparation: Sequence[str] = ()
    """A command to run in it as root after each start, for what its init leaves undone; () for none."""
    reload_command: Sequence[str] = ()
    """A command to run in it as root: its running daemon takes the options in its files, as far as `reloads`
    says that it can. It fails, with a reason on standard error, if the daemon goes on as before. () for none;
    machines from older images may lack the program."""
    check_command: Sequence[str] = ()
    """A command to run in it as root, with new options in its files: it fails, with a reason on standard
    error, if its daemon could not start with them. () for none; older images may lack it, too."""
    pending_command: Sequence[str] = ()
    """A command whose exit status is 1 if its daemon was started with the options in its files. () for none;
    machines from older images may lack the program."""
    services_command: Sequence[str] = ()
    """A command to run in it as root, with an argument: `reload` has the files of `service_file` used,
    `restart NAME` and `status [NAME]` are about one. () where no programs are kept running beside its daemon.
    Only images with the feature `services` have the program (`features`)."""
    authorized_keys: str = ""
    """The path in the machine of the public keys that its SSH server lets in, as root; "" if it takes none.
    Only images with the feature `sshd` have such a server (`features`)."""
    host_key: str = ""
    """The path in the machine of the private Ed25519 key of that server; `.pub` is added for the public."""
    activity_command: Sequence[str] = ()
    """A command to run in it as root, which says how much it is used, in lines (`dinv.leases.activity`). ()
    where nobody knows. Only images with the feature `activity` have the program (`features`)."""
    daemon_json: str = ""
    """The path in the machine of its daemon's configuration file, if `live_restore` can tell from that."""
    pid_files: Sequence[str] = ()
    """Files that killed daemons leave, and that keep the next ones from starting."""
    certificate_paths: tuple[str, str, str] = ("", "", "")
    """The paths in the machine of its CA's certificate, its own and its key."""
    known_not_to_verify: str = ""
    """Which of its images accept clients without a certificate, as far as that is known."""

    adoption_files: Sequence[File] = ()
    """Further files for a container that has made certificates of its own."""
    own_certificates: str = ""
    """A shell command after which its next start makes certificates of its own; "" if it makes none."""

    def __init__(self, own_options: Mapping[str, Any] | None = None) -> None:
        import os

        from dinv.declaration import from_record

        given = own_options or {}
        self.own_options = from_record(self.create_flags(), given, given, os.environ)

    @classmethod
    def create_flags(cls) -> Sequence[Option]:
        """Return the options this contract adds to `create`, if it is named with `--image-contract`."""
        return ()

    def rotates_in_place(self, channel: Channel) -> bool:  # (of those with a `certificate_reload`)
        """Return whether this machine has what `certificate_reload` needs. It need not run."""
        return False

    def live_restore(self, daemon_json: bytes) -> bool | None:
        """Return how somebody in the machine, or the image's owner, has set live-restore in `daemon_json`.

        None if nobody has: then containers go on while the image itself restarts its daemon.
        """
        import json

        try:
            found = json.loads(daemon_json)
        except (ValueError, RecursionError):
            return None
        setting = found.get("live-restore") if isinstance(found, dict) else None
        return setting if isinstance(setting, bool) else None

    def revocations(self, serials: Iterable[str]) -> File | None:  # (where it can refuse one)
        """Return the file that says which client certificates are refused; None if it cannot be told.

        `serials` are their serial numbers, in lower-case hexadecimal without leading zeros.
        """
        return None

    def service_file(self, name: str, script: bytes) -> File | None:  # (where it keeps services running)
        """Return the file that makes the program `script` a service of the machine; None if it has none.

        The machine starts it, in the foreground and as root, once it is prepared, whether its daemon runs
        or not; and again whenever it ends. Raises ValueError for a name with anything but letters, digits,
        "_" and "-".
        """
        return None

    def cannot_adopt(self, config: Mapping[str, Any]) -> str:  # (those that can be told more)
        """Return why a container, by its `Config`, cannot be given other certificates; "" if it can."""
        return ""

    @classmethod
    @abstractmethod
    def recognises(cls, config: Mapping[str, Any]) -> bool:
        """Return whether an image keeps this contract, by its `Config` (`GET /images/NAME/json`)."""

    @abstractmethod
    def environment(self, options: Mapping[str, Any], *, wait_seconds: float) -> Mapping[str, str]:
        """Return the environment of its init.

        With `wait_seconds` it waits that long for certificates that arrive after the start.
        """

    @abstractmethod
    def command(self, options: Mapping[str, Any], driver_name: str) -> Sequence[str]:
        """Return the arguments of its init; () leaves the image's own.

        Raises InputError for an option that the image cannot be given.
        """

    def reloads(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
        """Return whether `reload_command` does to go from engine options to others."""
        return False

    @abstractmethod
    def files(
        self, *, ca: bytes, certificate: bytes, key: bytes, options: Mapping[str, Any], driver_name: str
    ) -> list[File]:
        """Return the files that make it serve, with the certificates in PEM.

        Raises InputError for an option that the image cannot be given.
        """


def find(name: str, own_options: Mapping[str, Any] | None = None) -> ImageContract:
    """Return the contract of this name, built in or a plugin's, with values of its own options by keyword.

    Raises PluginNotFound, PluginBroken.
    """
    return load(name)(own_options)


def known() -> list[str]:
    """Return the names of all image contracts, built in or not, sorted."""
    return SEAM.known()


def recognise(config: Mapping[str, Any]) -> str:
    """Return the name of the contract that an image keeps, "" if none is recognised.

    The image's own label comes first: it may name a plugin's.
    """
    label = str((config.get("Labels") or {}).get(LABEL_CONTRACT) or "")
    if label:
        return label
    return next((name for name in _BUILT_IN if load(name).recognises(config)), "")


def features(config: Mapping[str, Any]) -> frozenset[str]:
    """Return what an image says that it has besides a daemon, by its `Config`: {"services", "sshd"}."""
    label = str((config.get("Labels") or {}).get(LABEL_FEATURES) or "")
    return frozenset(name.strip() for name in label.split(",") if name.strip())


def load(name: str) -> type[ImageContract]:
    """Return the class of the contract of this name. Raises InputError."""
    contract: type[ImageContract] = SEAM.find(name)
    return contract
