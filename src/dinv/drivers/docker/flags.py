"""The docker driver's flags, and what they become in a machine's config."""

from __future__ import annotations

import ipaddress
import re

from dinv.drivers.docker.network import publishing
from dinv.drivers.flag import Flag
from dinv.errors import InputError
from dinv.formats.host_port import unbracketed
from dinv.formats.units import parse_size
from dinv.formats.urls import LARGEST_PORT
from dinv.images import DEFAULT_IMAGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from dinv.endpoints.resolve import Endpoint
    from dinv.progress import Progress
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store


LEAST_MEMORY = 128 * 1024 * 1024
"""Bytes. A daemon alone takes some 80 MB; below this it is killed at start or soon after."""

FLAGS = (
    Flag(
        "endpoint",
        "DINV_ENDPOINT",
        "where to make it: an address or docker context",
        metavar="ENDPOINT",
    ),
    Flag(
        "endpoint-cert-path",
        "DINV_ENDPOINT_CERT_PATH",
        "directory with ca.pem, cert.pem and key.pem for a tcp:// endpoint",
        metavar="DIR",
        rare=True,
    ),
    Flag("image", "DINV_IMAGE", f"machine image (default {DEFAULT_IMAGE})", metavar="REF"),
    Flag("cpus", "DINV_CPUS", "CPUs, such as 1.5 (default: no limit)", metavar="NUMBER"),
    Flag("memory", "DINV_MEMORY", "memory, such as 2g (default: no limit)", metavar="SIZE"),
    Flag(
        "cache-size",
        "DINV_CACHE_SIZE",
        "size of the image cache, such as 20g, where the endpoint can limit it",
        metavar="SIZE",
        rare=True,
    ),
    Flag(
        "cache-volume",
        "DINV_CACHE_VOLUME",
        "volume for the image cache; one that exists is used as it is, and kept by rm",
        metavar="NAME",
        rare=True,
    ),
    Flag(
        "volume-store",
        "DINV_VOLUME_STORE",
        "volume store of a VCH for the machine's volumes",
        metavar="NAME",
        rare=True,
    ),
    Flag("dns", "DINV_DNS", "DNS server of the machine", metavar="ADDRESS", repeatable=True, rare=True),
    Flag(
        "image-contract",
        "DINV_IMAGE_CONTRACT",
        "how the image takes its certificates: dinv, dind or dch-photon (default: as the image says)",
        metavar="NAME",
        rare=True,
        values=("dinv", "dind", "dch-photon"),
    ),
    Flag("network", "DINV_NETWORK", "network of the endpoint to join", metavar="NAME"),
    Flag("ip", "DINV_IP", "the machine's own IPv4 address on --network", metavar="ADDRESS", rare=True),
    Flag(
        "publish",
        "DINV_PUBLISH",
        "address, and port, at which the daemon is published: ADDRESS, :PORT, ADDRESS:PORT, or none to "
        "reach the machine at its own address (default: 127.0.0.1 on a local endpoint, all addresses of a "
        "remote one)",
        metavar="ADDRESS[:PORT]",
    ),
    Flag(
        "publish-ports",
        "DINV_PUBLISH_PORTS",
        "further ports of the machine to publish on the endpoint, for what containers in it publish: "
        "8000-8019, 8080:80, 5353:53/udp",
        metavar="[ADDRESS:]PORTS",
        repeatable=True,
        short="p",
    ),
    Flag(
        "label",
        "DINV_LABELS",
        "label of the machine's container, KEY=VALUE",
        metavar="KEY=VALUE",
        repeatable=True,
        rare=True,
    ),
    Flag(
        "isolation",
        "DINV_ISOLATION",
        "auto, capabilities, privileged, or a runtime of the endpoint, such as sysbox-runc",
        metavar="KIND",
        values=("auto", "capabilities", "privileged"),
    ),
)

_NETWORK_MODES = ("host", "none")
_OBJECT_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_PUBLISH = re.compile(r"(?P<address>\[[^][]+\]|[^][:]*)(?::(?P<port>\d+))?")


def configure(
    config: MachineConfig,
    store: Store,
    values: Mapping[str, Any],
    progress: Progress,
    trace: Callable[[str], None] | None,
) -> Endpoint:
    """Take the flags' values into `config.driver`; returns the endpoint. Raises InputError, NoEndpoint."""
    from dinv.drivers.machine_urls import machine_urls
    from dinv.endpoints.resolve import resolve

    kept = config.driver
    kept["Image"] = values.get("image") or DEFAULT_IMAGE
    kept["CPUs"] = _cpus(values.get("cpus"))
    kept["Memory"] = _memory(values.get("memory"))
    cache_size = values.get("cache_size")
    kept["CacheSize"] = parse_size(str(cache_size), "--cache-size") if cache_size else 0
    kept["CacheVolume"] = _volume(values.get("cache_volume")) or f"dinv-{config.name}-cache"
    kept["CacheVolumeNamed"] = bool(values.get("cache_volume"))
    kept["CacheVolumeKept"] = False
    kept["VolumeStore"] = values.get("volume_store") or ""
    kept["DNS"] = [_dns(text) for text in values.get("dns") or ()]
    kept["ImageContract"] = values.get("image_contract") or ""
    kept["Network"] = _network(values.get("network"))
    kept["IP"] = _ip(values.get("ip"), kept["Network"])
    kept["PublishAddress"], kept["Port"] = parse_publish(values.get("publish"))
    kept["Published"] = values.get("publish") != "none"
    kept["PortChosen"] = bool(kept["Port"])
    kept["PublishPorts"] = publishing.parse(values.get("publish_ports") or ())
    kept["Labels"] = dict(_label(text) for text in values.get("label") or ())
    kept["Isolation"] = values.get("isolation") or "auto"
    kept["Container"] = f"dinv-{config.name}"
    endpoint = resolve(
        values.get("endpoint"),
        store,
        machine_urls=machine_urls,
        cert_path=values.get("endpoint_cert_path"),
        note=progress.note,
        trace=trace,
    )
    kept["Endpoint"] = endpoint.record()
    # An address that is none is told now, with where it was named.
    endpoint.engine(trace=trace)
    return endpoint


def _cpus(text: Any) -> float:
    if text in (None, ""):
        return 0.0
    try:
        number = float(text)
    except (TypeError, ValueError):
        number = 0.0
    if not 0.01 <= number < 1e6:  # moby's own least; and not infinite
        raise InputError(f'--cpus "{text}" is no number of CPUs; at least 0.01, such as 2 or 1.5')
    return number


def _memory(text: Any) -> int:
    if text in (None, ""):
        return 0
    size = parse_size(str(text), "--memory")
    if size < LEAST_MEMORY:
        raise InputError(f"--memory {text} is too little for a Docker daemon; at least 128m")
    return size


def _volume(name: Any) -> str:
    if name and (not _OBJECT_NAME.fullmatch(str(name)) or len(str(name)) < 2):  # moby's least
        raise InputError(f'--cache-volume "{name}" is no volume name; a directory cannot be one')
    return str(name or "")


def _network(name: Any) -> str:
    network = str(name or "")
    if network in _NETWORK_MODES or network.startswith("container:"):
        raise InputError(
            f"--network {network}: a machine needs a network of its own, since its daemon makes bridges "
            f"and firewall rules. Name a network of the endpoint (docker network ls)."
        )
    return "" if network in ("bridge", "default") else network


def _ip(text: Any, network: str) -> str:
    if not text:
        return ""
    try:
        address = ipaddress.IPv4Address(str(text))
    except ValueError as error:
        raise InputError(f'--ip "{text}" is no IPv4 address') from error
    if not network:
        raise InputError("--ip needs --network: addresses can be chosen on user-defined networks only")
    return str(address)


def _dns(text: Any) -> str:
    try:
        return str(ipaddress.ip_address(str(text)))
    except ValueError as error:
        raise InputError(f'--dns "{text}" is no IP address') from error


def parse_publish(text: Any) -> tuple[str, int]:
    """Address and port in `--publish`; "" and 0 for what it leaves open."""
    if text in (None, "", "none"):
        return "", 0
    text = str(text)
    match = _PUBLISH.fullmatch(f":{text}" if text.isdigit() else text)
    if match is None:
        if text.count(":") < 2:  # an IPv6 address without brackets has two or more
            raise InputError(f'--publish "{text}" is not ADDRESS, :PORT, ADDRESS:PORT or none')
        address, port = text, 0
    else:
        address, port = unbracketed(match["address"]), int(match["port"] or 0)
        if match["port"] and not 0 < port <= LARGEST_PORT:
            raise InputError(f'--publish "{text}": {match["port"]} is no port')
    if address:
        try:
            address = str(ipaddress.ip_address(address))
        except ValueError as error:
            raise InputError(f'--publish "{text}": "{address}" is no IP address') from error
    return address, port


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise InputError(f'--label "{text}" is not KEY=VALUE')
    if key.startswith("io.dinv."):
        raise InputError(f'--label "{text}": labels that begin with io.dinv. are dinv\'s own')
    return key, value
