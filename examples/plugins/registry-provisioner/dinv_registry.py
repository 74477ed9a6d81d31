"""A provisioner of machines that serve a registry of images, by mutual TLS, beside their Docker daemon.

The registry is docker-registry (distribution), which the machine image has to have: image/Dockerfile makes
one that has. It runs as a service of the image, on a socket, and keeps what it stores on the machine's
volume. A second service stands in front of it, the haproxy that dinv's image has: with the machine's
own certificates it lets in those who have a client certificate of the machine's CA that has not been revoked.
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
FRONT_CONFIGURATION = "/etc/dinv-registry/haproxy.cfg"
SERVICE = "registry"
FRONT_SERVICE = "registry-front"
RUN = "/run/dinv-registry"
SOCKET = f"{RUN}/socket"
FOLDER = "registry"
"""On the machine's volume, where it outlives an upgrade of the machine."""
SERVICES_SECONDS = 30.0
RESTART_SECONDS = 10.0
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
        front = self.contract.service_file(FRONT_SERVICE, self._front_script())
        channel = self.driver.channel()
        if service is None or front is None or not self.has_program(self.contract.services_command):
            raise self._cannot("its image cannot run services")
        if channel.stat(PROGRAM) is None:
            raise self._cannot(f"its image has no {PROGRAM}")
        # First ours: with its certificates, which come last in super's, the machine begins to serve.
        configurations = (
            File(CONFIGURATION, self._configuration(), 0o600),
            File(FRONT_CONFIGURATION, _front_configuration(self.options["registry_port"]), 0o600),
        )
        channel.put([*configurations, service, front])
        super().provision()

    def _cannot(self, why: str) -> MachineError:
        return MachineError(
            self.config.name,
            f'Machine "{self.config.name}" cannot serve a registry: {why}. Build one that can, as the README '
            f"of dinv-registry says, and name it with --image.",
        )

    def _configuration(self) -> bytes:
        """JSON, which is YAML."""
        storage = {
            "filesystem": {"rootdirectory": f"{self.contract.mounts['cache']}/{FOLDER}"},
            "delete": {"enabled": True},
        }
        return json.dumps(
            {
                "version": "0.1",
                "log": {"level": "warn", "accesslog": {"disabled": True}},
                "storage": storage,
                "http": {"net": "unix", "addr": SOCKET, "draintimeout": "5s"},
            },
            indent=1,
        ).encode()

    def _front_script(self) -> bytes:
        """The certificates, and the list of those that are refused, are what dinv puts in for the daemon."""
        ca, certificate, key = self.contract.certificate_paths
        refused = self.contract.revocations(())
        listed = f"[ ! -f {refused.path} ] || cat {refused.path}" if refused is not None else ":"
        return f"""#!/bin/sh
set -e
umask 077
mkdir -p {RUN}
{{ cat {certificate} && echo && cat {key}; }} >{RUN}/server.pem
cat {ca} >{RUN}/ca.pem
{{ {listed}; }} | tr A-F a-f | sed 's/^0*//' >{RUN}/revoked
exec haproxy -db -q -f {FRONT_CONFIGURATION}
""".encode()

    # Making a running machine use it

    def activate(self, *, starting: bool = False) -> None:
        super().activate(starting=starting)
        self._services("reload")

    def activate_certificates(self, *, starting: bool = False) -> None:
        """The front reads certificates and revocations as it starts. The registry and the daemon go on."""
        super().activate_certificates(starting=starting)
        self._services("reload")
        self._services("restart", FRONT_SERVICE)
        where = address(self.config)
        if not starting and where is not None:
            # Until it listens again. Whether it serves is for `health` to say.
            end = time.monotonic() + RESTART_SECONDS
            while self._refuses(where, with_certificate=True) and time.monotonic() < end:
                time.sleep(POLL_SECONDS)

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
    return f"""#!/bin/sh
export OTEL_TRACES_EXPORTER=none
umask 077
mkdir -p {RUN}
rm -f {SOCKET}
exec {PROGRAM} serve {CONFIGURATION}
""".encode()


def _front_configuration(port: int) -> bytes:
    """Of haproxy 2.6 or newer. A client that is refused must not get in by resuming a session."""
    return f"""global
    maxconn 500
    tune.ssl.cachesize 0
    ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets
    httpclient.ssl.verify none

defaults
    mode http
    timeout connect 5s
    timeout client 10m
    timeout server 10m

frontend registry
    bind :{port} ssl crt {RUN}/server.pem ca-file {RUN}/ca.pem verify required
    http-request set-var(txn.serial) ssl_c_serial,hex,lower,regsub(^0+,)
    http-request deny deny_status 403 if {{ var(txn.serial) -m str -f {RUN}/revoked }}
    http-request set-header X-Forwarded-Proto https
    default_backend registry

backend registry
    server registry unix@{SOCKET}
""".encode()
