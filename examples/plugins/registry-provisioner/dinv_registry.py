"""A provisioner of machines that serve a registry of images, by mutual TLS, beside their Docker daemon.

The registry is docker-registry (distribution), which the machine image has to have: image/Dockerfile makes
one that has. It runs as a service of the image, with the machine's own certificates, lets in those who have a
client certificate of the machine's CA, and keeps what it stores on the machine's volume.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import time
from typing import TYPE_CHECKING, Any

from dinv import drivers
from dinv.channel import File
from dinv.declaration import INTEGER, Option
from dinv.errors import MachineError
from dinv.formats.host_port import join
from dinv.provisioners.docker import DockerProvisioner

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dinv.progress import Progress
    from dinv.store.record import MachineConfig

PROGRAM = "/usr/local/bin/docker-registry"
CONFIGURATION = "/etc/dinv-registry/config.json"
SERVICE = "registry"
FOLDER = "registry"
"""On the machine's volume, where it outlives an upgrade of the machine."""
SERVICES_SECONDS = 30.0
CALL_SECONDS = 5.0
POLL_SECONDS = 0.1
LOG_LINES = 20

PORT = Option(
    "registry-port",
    "DINV_REGISTRY_PORT",
    "port of the registry in the machine (5000)",
    type=INTEGER,
    metavar="PORT",
    default=5000,
)


class RegistryProvisioner(DockerProvisioner):
    """dinv's own, and a registry."""

    name = "registry"

    # Options

    @classmethod
    def create_flags(cls) -> Sequence[Option]:
        return (*super().create_flags(), PORT)

    @classmethod
    def record(cls, config: MachineConfig, options: Mapping[str, Any]) -> None:
        """Called before anything is made: what cannot work is refused here."""
        if not 0 < options["registry_port"] < 1 << 16 or options["registry_port"] == 2376:
            raise PORT.refused(options["registry_port"], "is not a port that a registry can have")
        super().record(config, options)

    # What is put into the machine, whether it runs or not; and again by `provision`, `upgrade`, renewals

    def provision(self) -> None:
        service = self.contract.service_file(SERVICE, _script())
        channel = self.driver.channel()
        if service is None or not self.has_program(self.contract.services_command):
            raise self._cannot("its image cannot run services")
        if channel.stat(PROGRAM) is None:
            raise self._cannot(f"its image has no {PROGRAM}")
        # First ours: with its certificates, which come last in super's, the machine begins to serve.
        channel.put([File(CONFIGURATION, self._configuration(), 0o600), service])
        super().provision()

    def _cannot(self, why: str) -> MachineError:
        return MachineError(
            self.config.name,
            f'Machine "{self.config.name}" cannot serve a registry: {why}. Build one that can, as the README '
            f"of dinv-registry says, and name it with --image.",
        )

    def _configuration(self) -> bytes:
        """JSON, which is YAML. The certificates are those that dinv puts in for the machine's daemon."""
        ca, certificate, key = self.contract.certificate_paths
        tls = {"certificate": certificate, "key": key, "clientcas": [ca], "minimumtls": "tls1.2"}
        storage = {
            "filesystem": {"rootdirectory": f"{self.contract.mounts['cache']}/{FOLDER}"},
            "delete": {"enabled": True},
        }
        return json.dumps(
            {
                "version": "0.1",
                "log": {"level": "warn", "accesslog": {"disabled": True}},
                "storage": storage,
                "http": {"addr": f":{self.options['registry_port']}", "tls": tls, "draintimeout": "5s"},
            },
            indent=1,
        ).encode()

    # Making a running machine use it

    def activate(self, *, starting: bool = False) -> None:
        super().activate(starting=starting)
        self._services("reload")

    def activate_certificates(self, *, starting: bool = False) -> None:
        """A registry reads its certificates when it starts. The Docker daemon goes on."""
        super().activate_certificates(starting=starting)
        self._services("reload")
        self._services("restart", SERVICE)

    def _services(self, *words: str) -> None:
        said = bytearray()
        command = [*self.contract.services_command, *words]
        status = self.driver.channel().run(
            command, stdout=said.extend, stderr=said.extend, timeout=SERVICES_SECONDS
        )
        if status:
            why = said.decode(errors="replace").strip() or f"exit status {status}"
            raise MachineError(
                self.config.name, f'The registry of machine "{self.config.name}" cannot be started: {why}'
            )

    # Whether it serves

    def health(self, *, timeout: float, progress: Progress) -> str:
        end = time.monotonic() + timeout
        version = super().health(timeout=timeout, progress=progress)
        where = address(self.config)
        if where is None:
            port = self.options["registry_port"]
            raise MachineError(
                self.config.name,
                f'Nobody reaches the registry of machine "{self.config.name}": it has no address of its own, '
                f"and port {port} is not published. Create it with --publish-ports {port}.",
            )
        with progress.working("Registry", f"starting at {join(*where)}"):
            while (reason := self._refuses(where, with_certificate=True)) and time.monotonic() < end:
                time.sleep(POLL_SECONDS)
        if reason:
            log = "".join(f"\n  {line}" for line in self.driver.last_log_lines(LOG_LINES))
            raise MachineError(
                self.config.name,
                f'The registry of machine "{self.config.name}" at {join(*where)} did not answer within '
                f"{timeout:g} seconds: {reason}. The machine's last output:{log}",
            )
        if not self._refuses(where, with_certificate=False):
            raise MachineError(
                self.config.name, f"The registry at {join(*where)} lets in anybody, without a certificate."
            )
        progress.line("Registry", f"ready at {join(*where)}")
        return version

    def _refuses(self, where: tuple[str, int], *, with_certificate: bool) -> str:
        """Why GET /v2/ does not answer with 200; "" if it does."""
        directory = self.config.directory
        tls = ssl.create_default_context(cafile=os.path.join(directory, "ca.pem"))
        if with_certificate:
            tls.load_cert_chain(os.path.join(directory, "cert.pem"), os.path.join(directory, "key.pem"))
        connection = http.client.HTTPSConnection(*where, timeout=CALL_SECONDS, context=tls)
        try:
            connection.request("GET", "/v2/")
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return str(error) or type(error).__name__
        finally:
            connection.close()
        return "" if status == http.HTTPStatus.OK else f"it answers with {status}"

    # What clients are told: `dinv env`

    @classmethod
    def credentials(cls, config: MachineConfig) -> Mapping[str, str]:
        where = address(config)
        return {**super().credentials(config), **({"DINV_REGISTRY": join(*where)} if where else {})}


def address(config: MachineConfig) -> tuple[str, int] | None:
    """Host and port of a machine's registry, for clients. Makes no calls."""
    port = int(config.provisioner_options.get("registry_port") or PORT.default)
    return drivers.of(config).reached_at(config, port)


def _script() -> bytes:
    """What the supervisor of the image runs, starts again when it ends, and has in the machine's log."""
    return f"#!/bin/sh\nexport OTEL_TRACES_EXPORTER=none\nexec {PROGRAM} serve {CONFIGURATION}\n".encode()
