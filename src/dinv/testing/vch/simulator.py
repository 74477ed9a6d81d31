"""VchSimulator: a VCH for the duration of a `with`."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dinv.errors import DinvError, InputError
from dinv.system import files
from dinv.testing.vch import folder as certificates
from dinv.testing.vch.calls.routes import Router
from dinv.testing.vch.faults import Faults
from dinv.testing.vch.log import Calls
from dinv.testing.vch.rules import ports
from dinv.testing.vch.settings import PLAIN_PORT, TLS_PORT, ContainerNetwork, Settings
from dinv.testing.vch.state import LABEL, PREFIX, Vch
from dinv.testing.vch.wire.behind import Behind, BehindError
from dinv.testing.vch.wire.server import Server, listen, tls_context

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

    from dinv.engine.wire.tls_files import TLSFiles
    from dinv.testing.vch.settings import TLSMode
    from dinv.testing.vch.state import Volume

_REMOVE_SECONDS = 60.0


class VchSimulator:
    """A VCH in front of a Docker Engine. It serves at once; close it, or use it in a `with`.

    `engine`: address of the Docker Engine behind; `engine_tls` if that needs TLS. `version`: which VIC,
    "1.1", "1.2" or "1.5". `tls`: "verify" (clients need a certificate), "server" (only the server has one)
    or "none". `name`: the VCH's. `folder`: where the certificates and `<name>.env` go, as vic-machine would
    leave them; by default a temporary directory that is removed at the end. `listen` and `port`: where it
    serves, port 0 for any. `tls_cname`: the name in the server's certificate, used in `address` instead of
    its IP. `public_address`: the IP address that ports are published on, if not the one it listens on.
    `volume_stores`: their labels. `container_networks`: networks of vSphere's, each standing for one of the
    engine behind (a name to a name, or `ContainerNetwork`). `start_delay`: seconds that a container VM takes
    to boot. `retry_seconds`: how long VIC retries a start that meets a conflict, such as a disk that another
    VM has, 78 on the real one. `max_containers`: a quota, 0 for none. `registry_whitelist`: the registries
    that may be pulled from, empty for all. `fail_every`: see `Faults`. `log`: a file for the calls, as lines
    of JSON. `wrong_cert_path`: see `folder.write_env`.

    Raises InputError, EndpointError if the engine behind cannot be used, OSError if it cannot listen or write
    its files.
    """

    def __init__(
        self,
        *,
        engine: str,
        engine_tls: TLSFiles | None = None,
        version: str = "1.5",
        tls: TLSMode = "verify",
        name: str = "virtual-container-host",
        folder: str = "",
        listen: str = "127.0.0.1",
        port: int = 0,
        tls_cname: str = "",
        public_address: str = "",
        volume_stores: Sequence[str] = ("default",),
        container_networks: Mapping[str, str] | Sequence[ContainerNetwork] = (),
        start_delay: float = 0.0,
        retry_seconds: float = 1.0,
        max_containers: int = 0,
        registry_whitelist: Sequence[str] = (),
        fail_every: int = 0,
        log: str = "",
        wrong_cert_path: bool = False,
    ) -> None:
        self._closed = False
        self._undo = contextlib.ExitStack()
        self.settings = Settings(
            engine=engine,
            engine_tls=engine_tls,
            version=version,
            name=name,
            listen=listen,
            port=port,
            tls=tls,
            tls_cname=tls_cname,
            public_address=public_address,
            volume_stores=tuple(volume_stores),
            container_networks=_networks(container_networks),
            start_delay=start_delay,
            retry_seconds=retry_seconds,
            max_containers=max_containers,
            registry_whitelist=tuple(registry_whitelist),
        )
        self.faults = Faults(fail_every)
        try:
            self.calls = Calls(log)
            self._undo.callback(self.calls.close)
            self.folder = self._folder(folder)
            self._begin(wrong_cert_path=wrong_cert_path)
        except BaseException:
            self._undo.close()
            raise

    def _folder(self, folder: str) -> str:
        if folder:
            return os.path.abspath(folder)
        made = tempfile.mkdtemp(prefix="dinv-vch-")
        self._undo.callback(files.remove_tree, made)
        return os.path.join(made, self.settings.name)

    def _begin(self, *, wrong_cert_path: bool) -> None:
        settings = self.settings
        listener = listen(settings.listen, settings.port)
        self._undo.callback(listener.close)
        behind = Behind(settings.engine, settings.engine_tls)
        self._undo.callback(behind.close)
        for network in settings.container_networks:
            _check_network(behind, network)
        self.state = Vch(secrets.token_hex(4), settings, behind, self.faults)
        certificates.make(
            self.folder,
            name=settings.name,
            common_name=settings.host,
            names=_own_names(settings),
            tls=settings.tls,
        )
        allowed = frozenset(name.lower() for name in _own_names(settings)) if settings.tls == "none" else None
        router = Router(self.state, self.calls, allowed_hosts=allowed)
        self.port = self.state.api_port = int(listener.getsockname()[1])
        self._server = Server(
            listener, router, tls_context(settings.tls, self.folder), lambda: ports.api_holder(self.state)
        )
        self.env_file = certificates.write_env(
            self.folder,
            name=settings.name,
            host=settings.host,
            port=self.port,
            tls=settings.tls,
            wrong_path=wrong_cert_path,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def identity(self) -> str:
        """The identifier that tells this simulator's objects on the engine behind from others."""
        return self.state.identity

    @property
    def address(self) -> str:
        """The address for clients: tcp://HOST:PORT."""
        host = self.settings.host
        return f"tcp://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def start_delay(self) -> float:
        """Seconds that a container VM takes to boot; can be set, also for those that boot."""
        return self.state.start_delay

    @start_delay.setter
    def start_delay(self, seconds: float) -> None:
        self.state.start_delay = seconds

    @property
    def clock_ahead(self) -> float:
        """The seconds by which its clock is ahead of this computer's, negative for behind; can be set."""
        return self.state.clock_ahead

    @clock_ahead.setter
    def clock_ahead(self, seconds: float) -> None:
        self.state.clock_ahead = seconds

    @property
    def volumes(self) -> dict[str, Volume]:
        """Its volumes by name, with their stores and sizes (MB)."""
        with self.state.lock:
            return dict(self.state.volumes)

    @property
    def containers(self) -> list[str]:
        """The names of its containers."""
        with self.state.lock:
            return [container.name for container in self.state.containers.values()]

    def vanish(self, container: str) -> None:
        """Remove a container behind the clients' back, as vSphere's administrator would. Raises VicError."""
        found = self.state.find(container)
        self.state.behind.json(
            "DELETE", f"/containers/{found.id}", query={"force": "1"}, seconds=_REMOVE_SECONDS
        )

    def power_off(self, container: str) -> None:
        """Power a container's VM off behind the clients' back, as vSphere's administrator would.

        That is the only way to stop one that was started with the port of the VCH's own API published. Raises
        VicError.
        """
        found = self.state.find(container)
        self.state.on(found, "POST", "/kill", query={"signal": "KILL"})
        self.state.await_listed(found)

    def behind_name(self, name: str) -> str:
        """Return the name of a container or a volume on the engine behind."""
        return self.state.behind_name(name)

    def close(self) -> None:
        """Stop serving, and remove everything that was made on the engine behind. May be called again.

        Raises DinvError if something could not be removed.
        """
        if self._closed:
            return
        self._closed = True
        self.state.closing.set()
        # First what is waited for in the engine behind, then who waits for it; then nobody makes anything.
        self.state.behind.close()
        self._server.close()
        try:
            remove_leftovers(self.settings.engine, self.settings.engine_tls, identity=self.identity)
        finally:
            self._undo.close()


def _networks(given: Mapping[str, str] | Sequence[ContainerNetwork]) -> tuple[ContainerNetwork, ...]:
    if isinstance(given, Mapping):
        return tuple(ContainerNetwork(name, network) for name, network in given.items())
    return tuple(given)


def _check_network(behind: Behind, network: ContainerNetwork) -> None:
    try:
        behind.json("GET", f"/networks/{network.engine_network}")
    except BehindError as error:
        raise InputError(
            f"{behind.address} has no network {network.engine_network} to stand for container network "
            f"{network.name}. Make it there first: docker network create {network.engine_network}"
        ) from error


def _own_names(settings: Settings) -> list[str]:
    """Return how the VCH can be reached: its IP address, and the names that resolve to it."""
    names = [settings.public]
    with contextlib.suppress(OSError):
        name, aliases, _ = socket.gethostbyaddr(settings.public)
        names += [name, *aliases]
    return list(dict.fromkeys(name.rstrip(".") for name in names if name))


def remove_leftovers(engine: str, engine_tls: TLSFiles | None = None, *, identity: str = "") -> list[str]:
    """Remove a simulator's objects from an engine, or those of all simulators; return their names.

    An object is a simulator's by its label and its name together: an image committed from one inherits its
    labels. Raises DinvError.
    """
    behind = Behind(engine, engine_tls)
    try:
        return _remove_all(behind, identity)
    finally:
        behind.close()


def _remove_all(behind: Behind, identity: str) -> list[str]:
    label = f"{LABEL}={identity}" if identity else LABEL
    query = {"filters": json.dumps({"label": [label]})}
    prefix = f"{PREFIX}{identity}-" if identity else PREFIX
    removed, failed = [], []

    def remove(name: str, path: str, options: dict[str, str]) -> None:
        if not name.startswith(prefix):
            return
        try:
            behind.json("DELETE", path, query=options, seconds=_REMOVE_SECONDS)
            removed.append(name)
        except BehindError as error:
            if error.status != 404:  # somebody else was faster
                failed.append(f"{name}: {error.message}")

    for found in _list(behind, "/containers/json", {**query, "all": "1"}):
        remove(found["Names"][0].lstrip("/"), f"/containers/{found['Id']}", {"force": "1", "v": "1"})
    for found in _list(behind, "/volumes", query):
        remove(found["Name"], f"/volumes/{found['Name']}", {})
    for found in _list(behind, "/networks", query):
        remove(found["Name"], f"/networks/{found['Id']}", {})
    if failed:
        raise DinvError(
            f"{behind.address}: what the VCH simulator made could not be removed: {'; '.join(failed)}"
        )
    return removed


def _list(behind: Behind, path: str, query: dict[str, str]) -> list[dict[str, Any]]:
    found = behind.json("GET", path, query=query)
    if isinstance(found, dict):
        found = found.get("Volumes")
    return found or []


def default_port(tls: TLSMode) -> int:
    """VIC's ports: 2376 with TLS, 2375 without."""
    return PLAIN_PORT if tls == "none" else TLS_PORT
