"""A Docker endpoint in memory, as far as the docker driver asks one."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Self

from dinv.errors import Conflict, NotFound, ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    JSON = dict[str, Any]


class Transport:
    """`host` None is this computer, by a unix socket."""

    def __init__(self, address: str, host: str | None) -> None:
        self.address, self.host = address, host


class FakeEngine:
    """Calls are noted in `calls` by what they do and to what."""

    def __init__(self, *, host: str | None = None, info: JSON | None = None) -> None:
        self.transport = Transport("tcp://h:2376" if host else "unix:///e.sock", host)
        self._info = {"ServerVersion": "26.1.5", "NCPU": 4, "MemTotal": 8 * 2**30, "OSType": "linux"} | (
            info or {}
        )
        self.calls: list[tuple[str, str]] = []
        self.containers = Containers(self)
        self.volumes = Volumes(self)
        self.networks = Networks(self)
        self.images = Images()
        self.is_vch = self._info.get("ID") == "vSphere Integrated Containers"
        self.closed = 0
        self.unanswered: list[str] = []
        self.transient: object = None

    @property
    def address(self) -> str:
        return self.transport.address

    def info(self) -> JSON:
        return self._info

    def disk_usage(self, timeout: float) -> JSON:
        """10 bytes for each letter of a volume's name; a VCH cannot tell."""
        assert timeout
        if self.is_vch:
            raise ServerError("does not implement system.df", status=501)
        sizes = {name: 10 * len(name) for name in self.volumes.there}
        return {"Volumes": [{"Name": name, "UsageData": {"Size": size}} for name, size in sizes.items()]}

    def close(self) -> None:
        self.closed += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Images:
    def __init__(self) -> None:
        self.there: dict[str, JSON] = {}

    def inspect(self, image: str) -> JSON:
        return _get(self.there, image, "image")

    def list(self, *, filters: Mapping[str, Sequence[str]]) -> list[JSON]:
        return [image for image in self.there.values() if _labelled(image.get("Labels"), filters["label"])]


class Volumes:
    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.there: dict[str, JSON] = {}
        self.refusal: Exception | None = None

    def create(self, name: str, *, labels: JSON, driver: str, driver_opts: JSON, timeout: float) -> JSON:
        self.engine.calls.append(("create volume", name))
        assert driver == "local", "a VCH has no volume plugin of any other name, nor of none"
        if self.refusal:
            raise self.refusal
        made = {"Name": name, "Labels": dict(labels), "Options": dict(driver_opts)}
        return self.there.setdefault(name, made)

    def inspect(self, name: str) -> JSON:
        return _get(self.there, name, "volume")

    def list(self, *, filters: Mapping[str, Sequence[str]] | None = None) -> list[JSON]:
        wanted = (filters or {}).get("label", ())
        return [volume for volume in self.there.values() if _labelled(volume.get("Labels"), wanted)]

    def remove(self, name: str, *, timeout: float) -> None:
        self.engine.calls.append(("remove volume", name))
        _get(self.there, name, "volume")
        del self.there[name]


class Networks:
    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.there: dict[str, JSON] = {"bridge": {"Name": "bridge", "Driver": "bridge", "Id": "bridge"}}
        self.refusals: list[Exception] = []
        """What the next calls to make one are refused with."""

    def inspect(self, network: str) -> JSON:
        return _get(self.there, network, "network")

    def list(self, *, filters: Mapping[str, Sequence[str]] | None = None) -> list[JSON]:
        wanted = (filters or {}).get("label", ())
        return [network for network in self.there.values() if _labelled(network.get("Labels"), wanted)]

    def create(
        self, name: str, *, driver: str, labels: JSON, options: JSON, ipam: JSON, timeout: float
    ) -> str:
        self.engine.calls.append(("create network", name))
        assert timeout
        if self.refusals:
            raise self.refusals.pop(0)
        if name in self.there:
            raise Conflict("network with this name exists", status=409)
        self.there[name] = {
            "Name": name,
            "Id": f"id-of-{name}",
            "Driver": driver,
            "Labels": dict(labels),
            "Options": dict(options),
            "IPAM": copy.deepcopy(ipam),
        }
        return f"id-of-{name}"

    def remove(self, network: str) -> None:
        self.engine.calls.append(("remove network", network))
        name = next((name for name, found in self.there.items() if found["Id"] == network), network)
        _get(self.there, name, "network")
        del self.there[name]

    def disconnect(self, network: str, container: str, *, force: bool) -> None:
        assert force
        self.engine.calls.append(("disconnect", network))
        self.engine.containers.inspect(container)["NetworkSettings"]["Networks"].pop(network, None)
        _get(self.there, network, "network")

    def connect(self, network: str, container: str, *, endpoint_config: JSON) -> None:
        self.engine.calls.append(("connect", network))
        _get(self.there, network, "network")
        networks = self.engine.containers.inspect(container)["NetworkSettings"]["Networks"]
        networks[network] = {**endpoint_config, "IPAddress": ""}


class Containers:
    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.there: dict[str, JSON] = {}
        self.ignores: set[str] = set()
        self.refusal: Exception | None = None
        self.ignores_updates = False
        self.used: JSON = {}
        self.log = [(1, b"one\n"), (2, b"two\n"), (1, b"three\n")]
        self.made: dict[str, JSON] = {}
        """What each was made from, also those that are gone."""
        self.ends: int | Exception = 0
        """The exit status of what is waited for, or what waiting raises."""

    def create(self, name: str, body: JSON, *, timeout: float) -> tuple[str, list[str]]:
        self.engine.calls.append(("create container", name))
        if self.refusal:
            raise self.refusal
        if name in self.there:
            raise Conflict("name in use", status=409)
        self.made[name] = body = copy.deepcopy(body)
        host = body["HostConfig"]
        for key in self.ignores:
            host[key] = 0
        self.there[name] = {
            "Id": f"id-of-{name}",
            "Config": {key: body[key] for key in ("Labels", "Env", "Hostname", "Image")},
            "HostConfig": host,
            "Mounts": [
                {"Name": source, "Destination": path}
                for source, path, *_mode in (bind.split(":") for bind in host.get("Binds", ()))
            ],
            "NetworkSettings": {
                "Networks": {
                    network: {**settings, "IPAddress": ""}
                    for network, settings in body.get(
                        "NetworkingConfig", {"EndpointsConfig": {"bridge": {}}}
                    )["EndpointsConfig"].items()
                }
            },
            "State": {"Status": "created", "Running": False, "ExitCode": 0},
        }
        return f"id-of-{name}", ["no swap limit"] if self.ignores else []

    def inspect(self, container: str) -> JSON:
        return _get(self.there, self._name(container), "container")

    def _name(self, container: str) -> str:
        """The name of a container given by name or id."""
        named = (name for name, found in self.there.items() if found.get("Id") == container)
        return container if container in self.there else next(named, container)

    def rename(self, container: str, name: str, *, timeout: float) -> None:
        self.engine.calls.append(("rename", name))
        if name in self.there:
            raise Conflict("name in use", status=409)
        self.there[name] = self.there.pop(self._name(container))

    def list(self, *, all: bool, filters: Mapping[str, Any] | None = None, timeout: float = 1) -> list[JSON]:  # noqa: A002
        assert all
        filters = filters or {}
        return [
            self._row(name, container)
            for name, container in self.there.items()
            if _labelled(container["Config"]["Labels"], filters.get("label", ()))
            and set(filters.get("network", ())) <= set(_networks(container))
            and _mounts(container, filters.get("volume", ()))
        ]

    def _row(self, name: str, container: JSON) -> JSON:
        state = container["State"]
        bindings = container["HostConfig"].get("PortBindings") or {}
        running = state["Status"] == "running"
        return {
            "Id": container.get("Id", ""),
            "Names": [f"/{name}"],
            "Labels": container["Config"]["Labels"],
            "State": state["Status"],
            "Status": state.get("Text", ""),
            # Of a VCH null, whatever it has (vic-observed, section 1).
            "Mounts": None if self.engine.is_vch else container["Mounts"],
            "NetworkSettings": {"Networks": _networks(container)},
            # As the API does: ports of running containers only.
            "Ports": [
                {"PublicPort": int(bound["HostPort"])}
                for each in bindings.values()
                for bound in each
                if running
            ],
        }

    def wait(self, container: str, *, timeout: object) -> int:
        assert timeout
        self.inspect(container)
        if isinstance(self.ends, Exception):
            raise self.ends
        return self.ends

    def start(self, container: str, *, timeout: Any) -> None:
        self.engine.calls.append(("start", container))
        found = self.inspect(container)
        if self.refusal:
            raise self.refusal
        for network, settings in _networks(found).items():
            if network not in self.engine.networks.there:
                raise NotFound(f"network {network} not found", status=404)
            settings["IPAddress"] = (settings.get("IPAMConfig") or {}).get("IPv4Address") or "172.17.0.9"
        found["State"].update(Status="running", Running=True)

    def update(self, container: str, body: JSON, *, timeout: float) -> Sequence[str]:
        self.engine.calls.append(("update", container))
        if not self.ignores_updates:
            # As moby: 0 leaves a limit as it is.
            self.inspect(container)["HostConfig"].update({key: value for key, value in body.items() if value})
        return []

    def stats(self, container: str) -> JSON:
        self.inspect(container)
        return {"memory_stats": self.used}

    def stop(self, container: str, *, grace: int, timeout: float) -> None:
        assert timeout > grace
        self.inspect(container)["State"].update(Status="exited", Running=False)

    def unpause(self, container: str, *, timeout: float) -> None:
        self.engine.calls.append(("unpause", container))
        self.inspect(container)["State"].update(Status="running")

    def kill(self, container: str, *, signal: str) -> None:
        self.engine.calls.append((signal, container))
        self.inspect(container)

    def remove(self, container: str, *, force: bool, volumes: bool, timeout: float) -> None:
        assert force
        assert volumes
        self.engine.calls.append(("remove container", container))
        self.inspect(container)
        del self.there[self._name(container)]

    def logs(self, container: str, **_: object) -> Output:
        self.inspect(container)
        return Output(self.log)


class Output:
    """As `containers.logs` returns it; `closed` once it was."""

    def __init__(self, pieces: Sequence[tuple[int, bytes]]) -> None:
        self.pieces = pieces

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        return iter(self.pieces)


def port_taken(port: int = 0) -> ServerError:
    """What an engine says when it starts a container whose port somebody has; not each names it."""
    bind = f"Bind for 0.0.0.0:{port} failed: " if port else ""
    return ServerError(
        f"driver failed programming external connectivity: {bind}port is already allocated", status=500
    )


def _get(there: dict[str, JSON], name: str, what: str) -> JSON:
    if name not in there:
        raise NotFound(f"no such {what}: {name}", status=404)
    return there[name]


def _networks(container: JSON) -> JSON:
    networks: JSON = container.get("NetworkSettings", {}).get("Networks", {})
    return networks


def _labelled(labels: Mapping[str, str] | None, wanted: Sequence[str]) -> bool:
    have = labels or {}
    return all(
        have.get(key) == value if equals else key in have
        for key, equals, value in (want.partition("=") for want in wanted)
    )


def _mounts(container: JSON, wanted: Sequence[str]) -> bool:
    """The API's filter takes any mount whose name or path contains the words."""
    texts = [f"{mount.get('Name')} {mount.get('Destination')}" for mount in container["Mounts"]]
    return all(any(want in text for text in texts) for want in wanted)
