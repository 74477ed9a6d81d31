"""Which Docker API endpoint machines are made on, and how it is reached.

The order is `--endpoint`, `$DINV_ENDPOINT`, `$DOCKER_HOST`, `$DOCKER_CONTEXT` or the current docker
context, the default Docker socket, Podman's sockets, dinv's own local engine. An endpoint that the user named
is used without alternatives, and it is an error if it does not answer; of the default sockets, the first that
answers is used.

A machine is a Docker API too: after `eval $(dinv env dev)` DOCKER_HOST points at one. Its user does not mean
to make machines inside it, so variables and contexts that lead to a machine of the store are skipped, with a
note.
"""

from __future__ import annotations

import os

from dinv.errors import DinvError, EndpointError, InputError, NoEndpoint
from dinv.system import home
from dinv.timeouts import STATE_SECONDS
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from dinv.engine import Engine
    from dinv.engine.wire.tls_files import TLSFiles
    from dinv.store.store import Store

PROBE_SECONDS = 3.0
LONGEST_SOCKET = 107
"""The longest path of a unix socket, in bytes (unix(7))."""
_SCHEMES = ("unix", "tcp", "http", "https", "ssh", "fd", "npipe")

_NAMED = "--endpoint"


class Endpoint:
    """How to reach one Docker API.

    `url` is unix://, tcp:// or ssh://; `context` the docker context it was taken from, or "";
    `source` says in messages where it was found, `file` is vic-machine's that says all of it, or "".
    """

    def __init__(
        self,
        url: str,
        *,
        tls: TLSFiles | None = None,
        context: str = "",
        source: str = "",
        file: str = "",
    ) -> None:
        self.file = file
        self.url = url
        self.tls = tls
        self.context = context
        self.source = source

    def __str__(self) -> str:
        return self.url

    @property
    def origin(self) -> str:
        """Who named it, for errors; "" if it was named on the command line, or is a default."""
        if self.source in ("", _NAMED):
            return ""
        return f"The endpoint is from {self.source}. Another one is named with " + option("endpoint") + "."

    def record(self) -> dict[str, Any]:
        """Return what a machine's config.json keeps of its endpoint; `recorded` reads it."""
        tls = self.tls
        return {
            "URL": self.url,
            "Context": self.context,
            "TLS": tls
            and {"CA": tls.ca or "", "Cert": tls.cert or "", "Key": tls.key or "", "Verify": tls.verify},
        }

    def options(self) -> dict[str, str]:
        """Return the options that name it again, by keyword, whatever the variables and the directory are.

        Raises InputError for TLS that no option asks for.
        """
        if self.context or self.file:
            return {"endpoint": self.context or self.file}
        if self.tls is None:
            return {"endpoint": self.url}
        directory = os.path.dirname(self.tls.ca or "")
        if not self.tls.verify or not directory:
            raise InputError(
                f"{self.url} is reached without verifying it, by variables that are not recorded. Make a "
                "docker context of it (docker context create), and name that with " + option("endpoint") + "."
            )
        return {"endpoint": self.url, "endpoint_cert_path": directory}

    @classmethod
    def recorded(cls, record: Mapping[str, Any]) -> Endpoint:
        """Return the endpoint of a machine from its config.json.

        One that came from a docker context is read from the context again, which may have been updated
        meanwhile; if the context is gone, the record is used. Raises EndpointError for an invalid record.
        """
        url, tls = (record.get("URL", ""), record.get("TLS")) if isinstance(record, dict) else (None, None)
        if not isinstance(url, str) or not isinstance(tls, dict | None):
            raise EndpointError(
                "What the machine's config.json has under Driver.Endpoint is not an endpoint."
            )
        context = str(record.get("Context") or "")
        if context:
            found = _from_context(context, source="")
            if found is not None:
                return found
        files = None
        if tls:
            ca, cert, key = (str(tls.get(file) or "") for file in ("CA", "Cert", "Key"))
            files = _tls(ca, cert, key, tls.get("Verify") is not False)
        return cls(url, tls=files, context=context)

    def engine(self, *, timeout: float = STATE_SECONDS, trace: Callable[[str], None] | None = None) -> Engine:
        """A client of this endpoint; `timeout` in seconds is each call's deadline unless it has its own."""
        from dinv.engine import Engine, UnixTransport, parse_address
        from dinv.engine.calls import newest_api_version

        try:
            transport = parse_address(self.url, self.tls)
        except InputError as error:
            if self.origin:
                error.add_note(self.origin)
            raise
        if isinstance(transport, UnixTransport):
            transport.absent = _own_engine_advice(transport.path)
        newest = newest_api_version(os.environ.get("DOCKER_API_VERSION", ""))
        engine = Engine(transport, timeout=timeout, trace=trace, max_api_version=newest)
        engine.origin = self.origin
        return engine


def resolve(
    named: str | None,
    store: Store,
    *,
    machine_urls: Callable[[Store], Mapping[str, str]],
    cert_path: str | None = None,
    note: Callable[[str], None] = lambda _text: None,
    trace: Callable[[str], None] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Endpoint:
    """Find the endpoint to make a machine on; `named` is the value of `--endpoint` or `$DINV_ENDPOINT`.

    `machine_urls` says which machines of a store are where (`drivers.machine_urls`): they are not endpoints.
    `cert_path` is a directory with ca.pem, cert.pem and key.pem for a tcp:// endpoint. `note` is told
    what was skipped and why. Raises NoEndpoint, InputError.
    """
    named = (named or "").strip()
    if named:
        return _named(named, store, cert_path, environ, machine_urls)
    machines = machine_urls(store)
    tried: list[tuple[str, str]] = []
    host = environ.get("DOCKER_HOST", "").strip()
    if host and (machine := machines.get(canonical(host))):
        note(f"DOCKER_HOST points at machine {machine}, not at an endpoint: passed over")
        tried.append(("$DOCKER_HOST", f"points at machine {machine}"))
    elif host:
        return _at(_with_scheme(host), store, environ, source="DOCKER_HOST")
    found = _chosen_context(environ, machines, note, tried)
    if found is not None:
        return found
    for path in _sockets(store, environ):
        endpoint = Endpoint(f"unix://{path}")
        said = _probe(endpoint, path, trace)
        if not said:
            return endpoint
        tried.append((endpoint.url, said))
    raise NoEndpoint(tried)


def local_engine_socket(store: Store) -> str:
    """Return the socket of dinv's own local engine.

    It is under the store, unless that is too long for a socket's address (LONGEST_SOCKET).
    """
    path = os.path.join(store.path, "engine", "docker.sock")
    if len(os.fsencode(path)) <= LONGEST_SOCKET:
        return path
    import hashlib

    runtime = os.environ.get("XDG_RUNTIME_DIR") or "/tmp"  # noqa: S108  (the directory is made 0700, and checked)
    name = hashlib.sha256(os.fsencode(store.path)).hexdigest()[:12]
    return os.path.join(runtime, f"dinv-{os.getuid()}-{name}", "docker.sock")


def _own_engine_advice(socket: str) -> str:
    """Return advice for a socket where nothing listens, if it is that of a store's own engine; else ""."""
    directory = os.path.dirname(socket)
    if os.path.basename(directory) != "engine" or not os.path.exists(os.path.join(directory, "daemon.json")):
        return ""
    store = os.path.dirname(directory)
    return (
        f"dinv's own engine is not running. Start it: sudo dinv -s {store} engine start (at each boot: "
        f"engine enable)"
    )


def _named(
    named: str,
    store: Store,
    cert_path: str | None,
    environ: Mapping[str, str],
    machine_urls: Callable[[Store], Mapping[str, str]],
) -> Endpoint:
    host = environ.get("DOCKER_HOST", "").strip()
    if named == "default" and host and canonical(host) not in machine_urls(store):
        # docker's name for using no context (docker/cli: resolveDefaultDockerEndpoint).
        return _at(_with_scheme(host), store, environ, source="DOCKER_HOST")
    if "://" not in named:
        found = _from_context(named, source=f"docker context {named}") if "/" not in named else None
        found = found or _from_vic_machine(named)
        if found is not None:
            return found
        if ":" not in named and not named.startswith("/"):
            from dinv.endpoints import contexts
            from dinv.suggestions import did_you_mean

            meant = did_you_mean(named, contexts.names())
            raise InputError(
                f'"{named}" is neither a docker context nor a file or folder of vic-machine\'s. An endpoint '
                f"is one of these, or unix://PATH, tcp://HOST:PORT, ssh://USER@HOST. See: docker context ls"
                + (f"\n{meant}" if meant else "")
            )
    url = _with_scheme(named)
    source = "DINV_ENDPOINT" if named == environ.get("DINV_ENDPOINT", "").strip() else _NAMED
    if not cert_path:
        return _at(url, store, environ, source=source)
    if not _is_tcp(url):
        raise InputError(
            option("endpoint-cert-path") + f" is for tcp:// endpoints; {url} has no TLS of its own"
        )
    return Endpoint(url, tls=_directory_tls(cert_path, verify=True), source=source)


def _at(url: str, store: Store, environ: Mapping[str, str], *, source: str) -> Endpoint:
    """Return the endpoint at an address, with TLS from the variables if the transport can have it."""
    return Endpoint(url, tls=_environment_tls(store, environ) if _is_tcp(url) else None, source=source)


def _from_vic_machine(path: str) -> Endpoint | None:
    from dinv.endpoints import vic_machine

    file = vic_machine.find(path)
    if file is None:
        return None
    found = vic_machine.read(file)
    return Endpoint(_with_scheme(found.host), tls=found.tls, source=file, file=file)


def _with_scheme(host: str) -> str:
    """Return the address as it is recorded: with its scheme, and with an absolute socket path."""
    scheme, separator, rest = host.partition("://")
    if not separator:
        before, colon, after = host.partition(":")
        if colon and before.lower() in _SCHEMES and not after.partition("/")[0].isdecimal():
            return host  # `unix:/path`: the error is about the slashes, not about a host called "unix"
        # docker takes any word for a host's name (docker/cli: opts/hosts.go); a path can only be a socket.
        return f"unix://{host}" if host.startswith("/") else f"tcp://{host}"
    if scheme.lower() == "unix" and rest and not rest.startswith("/"):
        from dinv.engine import parse_address

        return parse_address(host).address
    return f"{scheme.lower()}://{rest}"


def _is_tcp(url: str) -> bool:
    return url.startswith(("tcp://", "http://", "https://"))


def _environment_tls(store: Store, environ: Mapping[str, str]) -> TLSFiles | None:
    """Return TLS settings as the docker CLI reads them: any value of DOCKER_TLS_VERIFY turns it on, even "0".

    (docker/cli: cli/flags/options.go.) DOCKER_CERT_PATH of a machine says nothing about an endpoint.
    """
    verify = bool(environ.get("DOCKER_TLS_VERIFY"))
    if not verify and not environ.get("DOCKER_TLS"):
        return None
    directory = environ.get("DOCKER_CERT_PATH") or environ.get("DOCKER_CONFIG") or "~/.docker"
    directory = home.absolute(directory)
    if directory.startswith(store.machines_directory + os.sep):
        return None
    return _directory_tls(directory, verify=verify)


def _directory_tls(directory: str, *, verify: bool) -> TLSFiles:
    directory = home.absolute(directory)
    if not os.path.isdir(directory):
        raise InputError(f"There is no directory {directory} to take ca.pem, cert.pem and key.pem from")
    files = {name: os.path.join(directory, f"{name}.pem") for name in ("ca", "cert", "key")}
    have = {name: path for name, path in files.items() if os.path.exists(path)}
    if ("cert" in have) != ("key" in have):
        raise InputError(f"{directory} has only one of cert.pem and key.pem; a client needs both")
    if verify and "ca" not in have:
        raise InputError(f"{directory} has no ca.pem to verify the endpoint with")
    return _tls(have.get("ca"), have.get("cert"), have.get("key"), verify)


def _tls(ca: str | None, cert: str | None, key: str | None, verify: bool) -> TLSFiles:  # noqa: FBT001
    from dinv.engine.wire.tls_files import TLSFiles

    return TLSFiles(ca or None, cert or None, key or None, verify=verify)


def _chosen_context(
    environ: Mapping[str, str],
    machines: Mapping[str, str],
    note: Callable[[str], None],
    tried: list[tuple[str, str]],
) -> Endpoint | None:
    from dinv.endpoints import contexts

    name = environ.get("DOCKER_CONTEXT") or ""
    source = "DOCKER_CONTEXT" if name else "the current docker context"
    if not name:
        # As in the docker CLI, DOCKER_HOST has precedence over the current context; a DOCKER_HOST that
        # was skipped above does not.
        name = contexts.current()
    if not name or name == "default":
        return None
    found = _from_context(name, source=f"{source}, {name}")
    if found is None and environ.get("DOCKER_CONTEXT"):
        raise InputError(f"DOCKER_CONTEXT names no docker context: {name}. See: docker context ls")
    if found is None:
        note(f"config.json names a docker context {name}, which is not there: passed over")
        tried.append((source, f"there is no docker context {name}"))
        return None
    if machine := machines.get(canonical(found.url)):
        note(f"{source} ({name}) points at machine {machine}, not at an endpoint: passed over")
        tried.append((source, f"{name} points at machine {machine}"))
        return None
    return found


def _from_context(name: str, *, source: str) -> Endpoint | None:
    from dinv.endpoints import contexts

    if name == "default":
        from dinv.engine.wire.transport import DEFAULT_SOCKET

        return Endpoint(f"unix://{DEFAULT_SOCKET}", source=source)
    context = contexts.read(name)
    if context is None:
        return None
    if not context.host:
        raise EndpointError(f"The docker context {name} has no Docker endpoint")
    tls = None
    if context.ca or context.cert or context.skip_tls_verify:
        tls = _tls(context.ca, context.cert, context.key, not context.skip_tls_verify)
    return Endpoint(context.host, tls=tls, context=name, source=source)


def canonical(url: str) -> str:
    """Return a daemon's URL in a canonical form for comparison."""
    return _with_scheme(url).rstrip("/").lower().replace("//localhost:", "//127.0.0.1:")


def _sockets(store: Store, environ: Mapping[str, str]) -> list[str]:
    """Return the default sockets: Docker's, Podman's (podman-system-service(1)), dinv's own."""
    from dinv.engine.wire.transport import DEFAULT_SOCKET

    runtime = environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    return [
        DEFAULT_SOCKET,
        f"{runtime}/docker.sock",
        "/run/podman/podman.sock",
        f"{runtime}/podman/podman.sock",
        local_engine_socket(store),
    ]


def _probe(endpoint: Endpoint, path: str, trace: Callable[[str], None] | None) -> str:
    """Return why the socket cannot be used; "" if a Docker API answers on it."""
    if not os.path.exists(path):
        return "no such socket"
    try:
        with endpoint.engine(trace=trace) as engine:
            engine.ping(timeout=PROBE_SECONDS)
    except DinvError as error:
        return getattr(error, "reason", "") or str(error)
    return ""
