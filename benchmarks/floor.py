"""The floor under `create`: the same work by bare API calls, with nothing checked, kept or said.

    volume, container, archive PUT, start, then TLS and `GET /_ping` every 10 ms until it is answered

Container, volume and files are copies of what dinv has made for the session's machine, keys and
certificates with them, so that no work is left out of it but dinv's own.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time

from dinv.endpoints.subnets import fixed_addresses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from benchmarks.session import Session

STEP_SECONDS = 0.01
_LONGEST_SECONDS = 120.0
_FILES = "/etc/dinv"
_PORT = "2376/tcp"


class Floor:
    """Makes machines like the session's, as fast as the API lets one."""

    def __init__(self, session: Session) -> None:
        self._session = session
        model = session.inspect()
        self._config: dict[str, Any] = model["Config"]
        self._host: dict[str, Any] = model["HostConfig"]
        self._volume: dict[str, Any] = session.engine.volumes.inspect(f"{session.container()}-cache")
        with session.engine.containers.archive_get(session.container(), _FILES) as archive:
            self._files: bytes = archive.read()
        kept = session.store.load(session.machine).driver
        self._named = str(kept["IPAddress"])
        """What the certificates are for, wherever a machine of the floor is."""
        self._network = str(kept["Network"])
        own = kept["OwnNetwork"]
        self._addresses: Iterator[str] = iter(())
        if own:
            used = int(ipaddress.IPv4Address(self._named))
            subnet = ipaddress.IPv4Network(own["Subnet"])
            self._addresses = fixed_addresses(subnet, own["Gateway"], used + 1 - int(subnet[1]))
        directory = session.store.directory(session.machine)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._tls.load_verify_locations(f"{directory}/ca.pem")
        self._tls.load_cert_chain(f"{directory}/cert.pem", f"{directory}/key.pem")

    def create(self, name: str) -> float:
        """Make a machine; returns the seconds to its first answer over TLS."""
        container, address, port = self._session.container(name), next(self._addresses, ""), 2376
        volume = f"{container}-cache"
        body = {
            **self._config,
            "Hostname": name,
            "HostConfig": {
                **self._host,
                "Binds": [
                    bind.replace(f"{self._session.container()}-cache:", f"{volume}:")
                    for bind in self._host["Binds"]
                ],
            },
        }
        if address:
            endpoint = {"IPAMConfig": {"IPv4Address": address}}
            body["NetworkingConfig"] = {"EndpointsConfig": {self._network: endpoint}}
        else:
            address, port = "127.0.0.1", _free_port()
            published = {_PORT: [{"HostIp": address, "HostPort": str(port)}]}
            body["HostConfig"] = {**body["HostConfig"], "PortBindings": published}
        engine = self._session.engine
        # The version is settled and the connection is there.
        engine.ping()
        started = time.perf_counter()
        engine.volumes.create(
            volume, labels=self._volume.get("Labels"), driver_opts=self._volume.get("Options")
        )
        engine.containers.create(container, body)
        engine.containers.archive_put(container, "/etc", self._files)
        engine.containers.start(container)
        while not self._answers(address, port):
            if time.perf_counter() - started > _LONGEST_SECONDS:
                raise TimeoutError(f"{container} has not answered within {_LONGEST_SECONDS:g} s")
            time.sleep(STEP_SECONDS)
        return time.perf_counter() - started

    def _answers(self, address: str, port: int) -> bool:
        try:
            with (
                socket.create_connection((address, port), 5) as plain,
                self._tls.wrap_socket(plain, server_hostname=self._named) as stream,
            ):
                stream.sendall(b"GET /_ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return stream.recv(1024).startswith(b"HTTP/1.1 200")
        except OSError:
            return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
