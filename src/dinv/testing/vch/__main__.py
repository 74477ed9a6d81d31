"""`python -m dinv.testing.vch`: serve until Ctrl-C or SIGTERM, then remove everything that was made."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from typing import TYPE_CHECKING

from dinv.errors import DinvError, InputError
from dinv.testing.vch.rules.versions import RELEASES
from dinv.testing.vch.settings import DEFAULT_STORE, TLS_MODES, ContainerNetwork
from dinv.testing.vch.simulator import VchSimulator, default_port, remove_leftovers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dinv.testing.vch.settings import TLSMode


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m dinv.testing.vch",
        description="Simulate a vSphere Integrated Containers VCH in front of a Docker Engine.",
        allow_abbrev=False,
    )
    add = made.add_argument
    add(
        "--engine",
        required=True,
        metavar="URL",
        help="the Docker Engine behind, such as unix:///var/run/docker.sock",
    )
    add(
        "--listen",
        default="127.0.0.1",
        metavar="ADDRESS[:PORT]",
        help="where to serve; the port is VIC's unless given, 2376 with TLS and 2375 without; 0 is any",
    )
    add("--version", default="1.5", choices=list(RELEASES), help="which VIC (default: 1.5)")
    add(
        "--tls",
        default="verify",
        choices=TLS_MODES,
        help="verify: clients need a certificate; server: only the server has one; none: plain HTTP",
    )
    add(
        "--tls-dir",
        default="",
        metavar="DIR",
        help="folder for certificates and the .env file, as vic-machine leaves it (default: ./NAME)",
    )
    add(
        "--tls-cname",
        default="",
        metavar="NAME",
        help="name in the server's certificate, where clients do not use its IP address",
    )
    add("--name", default="virtual-container-host", help="name of the VCH")
    add(
        "--public-address",
        default="",
        metavar="IP",
        help="address that ports are published on (default: the one it listens on)",
    )
    add(
        "--volume-store",
        action="append",
        metavar="LABEL",
        help="a volume store, any number of times (default: default)",
    )
    add("--no-volume-store", action="store_true", help="have no volume store at all")
    add(
        "--container-network",
        action="append",
        default=[],
        metavar="NAME=ENGINE_NETWORK[:dhcp]",
        help="a network of vSphere's, which stands for one of the engine behind; any number of times",
    )
    add(
        "--start-delay",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="how long a container VM takes to boot",
    )
    add(
        "--retry-seconds",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="how long VIC tries a start again that meets a conflict, 78 on the real one (default: 1)",
    )
    add(
        "--fail-every",
        type=int,
        default=0,
        metavar="N",
        help="let each N-th call that changes something fail once, as VIC's do at times",
    )
    add("--max-containers", type=int, default=0, metavar="N", help="a quota of containers")
    add(
        "--registry-whitelist",
        action="append",
        default=[],
        metavar="HOST",
        help="a registry that may be pulled from; any number of times",
    )
    add(
        "--leak-labels",
        action="store_true",
        help="show the labels of another container of the same image (vic#8545)",
    )
    add("--storage-quota", action="store_true", help="have no storage left for anything new")
    add(
        "--wrong-cert-path",
        action="store_true",
        help="write the wrong DOCKER_CERT_PATH that vic-machine writes",
    )
    add("--log", default="", metavar="FILE", help="append each call to FILE, as a line of JSON")
    add(
        "--clean",
        action="store_true",
        help="remove from the engine what killed simulators have left, and end",
    )
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = parser().parse_args(argv)
    try:
        if options.clean:
            for name in remove_leftovers(options.engine):
                print(f"removed {name}")  # noqa: T201
            return 0
        return _serve(options)
    except (DinvError, OSError) as error:
        print(f"vch simulator: {error}", file=sys.stderr)  # noqa: T201
        return 1


def _serve(options: argparse.Namespace) -> int:
    host, port = _listen(options.listen, options.tls)
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as in a script's background
            signal.signal(number, lambda *_: done.set())
    stores = options.volume_store or [DEFAULT_STORE]
    with VchSimulator(
        engine=options.engine,
        version=options.version,
        tls=options.tls,
        name=options.name,
        folder=options.tls_dir or options.name,
        listen=host,
        port=port,
        tls_cname=options.tls_cname,
        public_address=options.public_address,
        volume_stores=[] if options.no_volume_store else stores,
        container_networks=[ContainerNetwork.parse(text) for text in options.container_network],
        start_delay=options.start_delay,
        retry_seconds=options.retry_seconds,
        max_containers=options.max_containers,
        registry_whitelist=options.registry_whitelist,
        fail_every=options.fail_every,
        log=options.log,
        wrong_cert_path=options.wrong_cert_path,
    ) as vch:
        vch.faults.leak_labels = options.leak_labels
        vch.faults.storage_quota = options.storage_quota
        # Flushed: a script that starts this in the background waits for the line.
        print(f"VIC {options.version} at {vch.address}, {vch.env_file}", flush=True)  # noqa: T201
        done.wait()
    return 0


def _listen(text: str, tls: TLSMode) -> tuple[str, int]:
    """Return address and port of `--listen`. Raises InputError."""
    host, colon, port = text.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = text, str(default_port(tls))
    if not port.isdecimal() or int(port) > 65535:  # the highest there is
        raise InputError(
            f'--listen "{text}": write ADDRESS or ADDRESS:PORT, with an IPv6 address in brackets'
        )
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104  (as asked: ":2376" is all addresses)


if __name__ == "__main__":
    sys.exit(main())
