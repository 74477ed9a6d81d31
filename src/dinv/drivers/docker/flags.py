"""The docker driver's flags, and what they become in a machine's config."""

from __future__ import annotations

import ipaddress
import re

from dinv.declaration import NUMBER, PAIRS, PATH, SIZE, Option
from dinv.drivers.docker.network import publishing
from dinv.errors import OptionError
from dinv.formats.host_port import unbracketed
from dinv.formats.units import format_size
from dinv.formats.urls import LARGEST_PORT
from dinv.images import DEFAULT_IMAGE
from dinv.labels import PREFIX
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from dinv.endpoints.resolve import Endpoint
    from dinv.progress import Progress
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store


LEAST_MEMORY = 128 * 1024 * 1024
"""Bytes. A daemon alone takes some 80 MB; with less than this it is killed at start or soon after."""

FLAGS = (
    Option(
        "endpoint",
        "DINV_ENDPOINT",
        "where to make it: an address or docker context",
        metavar="ENDPOINT",
    ),
    Option(
        "endpoint-cert-path",
        "DINV_ENDPOINT_CERT_PATH",
        "directory with ca.pem, cert.pem and key.pem for a tcp:// endpoint",
        type=PATH,
        metavar="DIR",
        rare=True,
    ),
    Option("image", "DINV_IMAGE", f"machine image (default {DEFAULT_IMAGE})", metavar="REF"),
    Option("cpus", "DINV_CPUS", "CPUs, such as 1.5 (default: no limit)", type=NUMBER, metavar="NUMBER"),
    Option("memory", "DINV_MEMORY", "memory, such as 2g (default: no limit)", type=SIZE, metavar="SIZE"),
    Option(
        "cache-size",
        "DINV_CACHE_SIZE",
        "size of the image cache, such as 20g, where the endpoint can limit it",
        type=SIZE,
        metavar="SIZE",
        rare=True,
    ),
    Option(
        "cache-volume",
        "DINV_CACHE_VOLUME",
        "volume for the image cache; an existing one is used unchanged, and kept by rm",
        metavar="NAME",
        rare=True,
    ),
    Option(
        "volume-store",
        "DINV_VOLUME_STORE",
        "volume store of a VCH for the machine's volumes",
        metavar="NAME",
        rare=True,
    ),
    Option("dns", "DINV_DNS", "DNS server of the machine", metavar="ADDRESS", repeatable=True, rare=True),
    Option(
        "image-contract",
        "DINV_IMAGE_CONTRACT",
        "how the image takes its certificates: dinv, dind or dch-photon (default: as the image says)",
        metavar="NAME",
        rare=True,
    ),
    Option("network", "DINV_NETWORK", "network of the endpoint to join", metavar="NAME"),
    Option("ip", "DINV_IP", "the machine's own IPv4 address on --network", metavar="ADDRESS", rare=True),
    Option(
        "publish",
        "DINV_PUBLISH",
        "address, and port, at which the daemon is published: ADDRESS, :PORT, ADDRESS:PORT, or none to "
        "reach the machine at its own address (default: 127.0.0.1 on a local endpoint, all addresses of a "
        "remote one)",
        metavar="ADDRESS[:PORT]",
    ),
    Option(
        "publish-ports",
        "DINV_PUBLISH_PORTS",
        "further ports of the machine to publish on the endpoint, for what containers in it publish: "
        "8000-8019, 8080:80, 5353:53/udp",
        metavar="[ADDRESS:]PORTS",
        repeatable=True,
        short="p",
    ),
    Option(
        "label",
        "DINV_LABELS",
        "label of the machine's container, KEY=VALUE",
        type=PAIRS,
        metavar="KEY=VALUE",
        rare=True,
    ),
    Option(
        "isolation",
        "DINV_ISOLATION",
        "auto, capabilities, privileged, or a runtime of the endpoint, such as sysbox-runc",
        metavar="KIND",
        values=("auto", "capabilities", "privileged"),
    ),
)

_CHANGEABLE = ("cpus", "memory", "dns", "publish", "publish-ports", "label")
CHANGE_FLAGS = (
    *(flag for flag in FLAGS if flag.name in _CHANGEABLE),
    Option("dns-rm", "", "DNS server to take away", metavar="ADDRESS", repeatable=True, rare=True),
    Option("publish-ports-rm", "", "ports to publish no more", metavar="PORTS", repeatable=True),
    Option("label-rm", "", "label to take away", metavar="KEY", repeatable=True, rare=True),
)
"""The flags of `dinv set`."""

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
    """Take the flags' values into `config.driver`; return the endpoint. Raises InputError, NoEndpoint."""
    from dinv.drivers.machine_urls import machine_urls
    from dinv.endpoints.resolve import resolve

    kept = config.driver
    kept["Image"] = values.get("image") or DEFAULT_IMAGE
    kept["CPUs"] = parse_cpus(values.get("cpus"))
    kept["Memory"] = parse_memory(values.get("memory"))
    kept["CacheSize"] = values.get("cache_size") or 0
    kept["CacheVolume"] = _volume(values.get("cache_volume")) or f"dinv-{config.name}-cache"
    kept["CacheVolumeNamed"] = bool(values.get("cache_volume"))
    kept["CacheVolumeKept"] = False
    kept["VolumeStore"] = values.get("volume_store") or ""
    kept["DNS"] = [parse_dns(text) for text in values.get("dns") or ()]
    kept["ImageContract"] = values.get("image_contract") or ""
    kept["Network"] = _network(values.get("network"))
    kept["IP"] = _ip(values.get("ip"), kept["Network"])
    kept["PublishAddress"], kept["Port"] = parse_publish(values.get("publish"))
    kept["Published"] = values.get("publish") != "none"
    kept["PortChosen"] = bool(kept["Port"])
    kept["PublishPorts"] = publishing.parse(values.get("publish_ports") or ())
    kept["Labels"] = dict(parse_label(text) for text in values.get("label") or ())
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
    # An invalid address is reported now, with where it was given.
    endpoint.engine(trace=trace)
    return endpoint


def parse_cpus(number: float | None) -> float:
    """Return a number of CPUs; 0 for no limit. Raises OptionError."""
    if number is None:
        return 0.0
    if not 0.01 <= number < 1e6:  # moby's own minimum; and not infinite
        raise _refused("cpus", f"{number:g}", "is not a number of CPUs; at least 0.01, such as 2 or 1.5")
    return number


def parse_memory(size: int | None) -> int:
    """Return bytes of memory; 0 for no limit. Raises OptionError."""
    if size is None:
        return 0
    if size < LEAST_MEMORY:
        raise _refused("memory", format_size(size), "is too little for a Docker daemon; at least 128m")
    return size


def _volume(name: Any) -> str:
    if name and (not _OBJECT_NAME.fullmatch(str(name)) or len(str(name)) < 2):  # moby's minimum
        raise _refused("cache-volume", name, "is not a volume name; a directory cannot be one")
    return str(name or "")


def _network(name: Any) -> str:
    network = str(name or "")
    if network in _NETWORK_MODES or network.startswith("container:"):
        raise _refused(
            "network",
            network,
            "will not do: a machine needs a network of its own, since its daemon makes bridges "
            "and firewall rules. Name a network of the endpoint (docker network ls).",
        )
    return "" if network in ("bridge", "default") else network


def _ip(text: Any, network: str) -> str:
    if not text:
        return ""
    try:
        address = ipaddress.IPv4Address(str(text))
    except ValueError as error:
        raise _refused("ip", text, "is not an IPv4 address") from error
    if not network:
        needed = option("ip") + " needs " + option("network")
        raise OptionError(needed + ": addresses can be chosen on user-defined networks only")
    return str(address)


def parse_dns(text: Any) -> str:
    """Return the address of a DNS server. Raises OptionError."""
    try:
        return str(ipaddress.ip_address(str(text)))
    except ValueError as error:
        raise _refused("dns", text, "is not an IP address") from error


def parse_publish(text: Any) -> tuple[str, int]:
    """Return address and port in `--publish`; "" and 0 if left open."""
    if text in (None, "", "none"):
        return "", 0
    text = str(text)
    match = _PUBLISH.fullmatch(f":{text}" if text.isdigit() else text)
    if match is None:
        if text.count(":") < 2:  # an IPv6 address without brackets has two or more
            raise _refused("publish", text, "is not ADDRESS, :PORT, ADDRESS:PORT or none")
        address, port = text, 0
    else:
        address, port = unbracketed(match["address"]), int(match["port"] or 0)
        if match["port"] and not 0 < port <= LARGEST_PORT:
            raise _refused("publish", text, f": {match['port']} is not a port")
    if address:
        try:
            address = str(ipaddress.ip_address(address))
        except ValueError as error:
            raise _refused("publish", text, f': "{address}" is not an IP address') from error
    return address, port


def parse_label(text: str) -> tuple[str, str]:
    """Return key and value of a label. Raises OptionError."""
    key, _, value = text.partition("=")
    if key.startswith(PREFIX):
        raise _refused("label", text, f": labels that begin with {PREFIX} are dinv's own")
    return key, value


def _refused(option: str, value: object, why: str) -> OptionError:
    return OptionError(why, option=option, value=value)
