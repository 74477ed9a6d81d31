"""The none driver: a Docker daemon that somebody else manages, known to dinv by its URL.

As in docker-machine (docker/machine: drivers/none/driver.go) its state is always Running, since there is
nobody to ask, and nothing that changes a machine works on it. Its certificates are those in the store's
directory `certs`, also as there, and there may be none. New here: it can have TLS files of its own, and `ls`
checks whether something listens at the URL.
"""

from __future__ import annotations

import os

from dinv import errors
from dinv.drivers.recorded import RecordedDriver
from dinv.formats.host_port import of_url
from dinv.formats.urls import PLAIN_PORT, TLS_PORT, is_url
from dinv.pki import client_files
from dinv.states import RUNNING, Status
from dinv.store.record import STORE_CERTS
from dinv.system import home
from dinv.system.files import read
from dinv.wording import either, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, ClassVar, NoReturn

    from dinv.channel import Channel
    from dinv.declaration import Option
    from dinv.formats.kinds import Kinds
    from dinv.progress import Progress
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store

_STORE_CERTIFICATES = {
    "CertDir": STORE_CERTS,
    "CaCertPath": f"{STORE_CERTS}/ca.pem",
    "CaPrivateKeyPath": f"{STORE_CERTS}/ca-key.pem",
    "ClientCertPath": f"{STORE_CERTS}/cert.pem",
    "ClientKeyPath": f"{STORE_CERTS}/key.pem",
}
"""The paths as docker-machine writes them into a record (commands/create.go), relative to the store."""
LARGEST_FILE = 1024 * 1024
"""Bytes. A chain of certificates has a few thousand."""

_DONE = {
    "start": "started",
    "stop": "stopped",
    "kill": "killed",
    "restart": "restarted",
    "signal": "sent a signal",
}


class NoneDriver(RecordedDriver):
    """A daemon at a URL. `ci-test` is another name of this driver."""

    name = "none"
    kinds: ClassVar[Kinds] = {"CertificateSource": str, "TLS": bool}

    @classmethod
    def create_flags(cls) -> tuple[Option, ...]:
        # Not with the module, which `status` and `env` load.
        from dinv.declaration import Option

        return (
            Option("url", "DINV_URL", "URL of the Docker daemon, such as tcp://HOST:2376", metavar="URL"),
            Option(
                "url-cert-path",
                "DINV_URL_CERT_PATH",
                "directory with ca.pem, cert.pem and key.pem for the URL; they are copied (without it: those "
                'in the store\'s certs directory, if there are any; "": no TLS)',
                metavar="DIR",
            ),
        )

    def set_config_from_flags(self, values: Mapping[str, Any], progress: Progress) -> None:
        url = str(values.get("url") or "")
        if not url:
            raise errors.OptionError(option("url") + " option is required when no driver is selected")
        if not is_url(url):
            raise errors.OptionError(
                "is not the URL of a Docker daemon, such as tcp://HOST:2376", option="url", value=url
            )
        directory = values.get("url_cert_path")
        kept = self.config.driver
        kept["URL"] = url
        kept["IPAddress"] = (of_url(url) or ("", 0))[0]
        if directory:
            kept["TLS"] = True
            kept["CertificateSource"] = home.absolute(str(directory))
            return
        # A socket has none. Else it is as in docker-machine, unless it was said that there is none.
        kept["TLS"] = None if directory is None and not url.startswith("unix:") else False
        if kept["TLS"] is None:
            self._use_those_of_the_store(url, progress)
        if not kept["TLS"]:
            progress.note(f"{url} is used without TLS: nothing says who answers there, or who asks")

    def _use_those_of_the_store(self, url: str, progress: Progress) -> None:
        """From now on, or from when there are some: that is looked for whenever it is connected to."""
        self.config.auth_options.update(_STORE_CERTIFICATES)
        directory = os.path.join(self.store.path, STORE_CERTS)
        if client_files.complete(directory):
            # Recorded: it is not to be reached without TLS when they are lost.
            self.config.driver["TLS"] = True
            progress.note(
                f"{url} is used with TLS, by the certificates in {directory}. For a daemon without TLS: "
                + either('url_cert_path=""', '--url-cert-path ""')
            )

    def pre_create_check(self, progress: Progress) -> None:
        self._certificates()

    def _certificates(self) -> list[tuple[str, bytes]]:
        """Return the TLS files as they are at their source. Raises InputError."""
        source = str(self.config.driver.get("CertificateSource") or "")
        found = []
        for name in client_files.NAMES if source else ():
            path = os.path.join(source, name)
            try:
                found.append((name, read(path, largest=LARGEST_FILE)))
            except OSError as error:
                raise _unusable(source, f"{path}: {error.strerror}") from error
            if b"-----BEGIN " not in found[-1][1]:
                raise _unusable(source, f"{path} holds nothing in PEM")
        return found

    def create(
        self,
        environment: Mapping[str, str],
        command: Sequence[str],
        mounts: Mapping[str, str],
    ) -> None:
        from dinv.system.files import write_all

        directory = self.config.directory
        write_all(
            (os.path.join(directory, name), data, 0o600 if name == "key.pem" else 0o644)
            for name, data in self._certificates()
        )

    def refuse(self, doing: str) -> NoReturn:
        if doing == "logs":
            raise errors.NotSupported(
                self.config.name,
                f'Machine "{self.config.name}" has no driver: its log is kept where it runs.',
            )
        raise errors.WithoutDriver(self.config.name, _DONE[doing], self._whose(_DONE[doing]))

    def already_running(self) -> errors.DinvError:
        whose = self._whose("started")
        if whose:
            return errors.WithoutDriver(self.config.name, "started", whose)
        return super().already_running()

    def _whose(self, done: str) -> str:
        name, owner = self.config.name, self.config.shared.get("Owner")
        return (
            f'Machine "{name}" is shared with you by {owner}: only they can have it {done}.' if owner else ""
        )

    def renewal(self, file: str) -> str:
        owner = self.config.shared.get("Owner")
        return f"ask {owner} for a new one" if owner else super().renewal(file)

    @property
    def left_alone(self) -> str:
        owner = self.config.shared.get("Owner")
        return (
            f"is shared with you by {owner}, who looks after it: only they can change it or give access"
            if owner
            else super().left_alone
        )

    @classmethod
    def states(
        cls,
        configs: Iterable[MachineConfig],
        store: Store,
        *,
        timeout: float,
        trace: Callable[[str], None] | None = None,
    ) -> dict[str, Status]:
        from dinv.drivers import listening

        daemons = {}
        for config in configs:
            url = str(config.driver.get("URL", ""))
            port = PLAIN_PORT if config.driver.get("TLS") is False else TLS_PORT
            daemons[config.name] = (url, of_url(url, missing=port))
        found = listening.states(daemons, timeout=timeout)
        return {name: Status(RUNNING, status.error) for name, status in found.items()}

    def channel(self) -> Channel:
        raise errors.NotSupported(
            self.config.name,
            f'Machine "{self.config.name}" has no driver: there is no way into it but its Docker API. '
            f"For a shell beside its containers: docker run -it IMAGE sh",
        )


def _unusable(directory: str, why: str) -> errors.OptionError:
    return errors.OptionError(f"cannot be used: {why}", option="url-cert-path", value=directory)
