"""`dinv regenerate-certs`."""

from __future__ import annotations

import contextlib

from dinv.cli.show.question import confirmed
from dinv.errors import DinvError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    from dinv.timeouts import SERVE_SECONDS

    parser.add_argument("name", nargs="*")
    parser.add_argument("-f", "--force", action="store_true", help="do not ask")
    parser.add_argument(
        "--client-certs",
        action="store_true",
        help="new CA and client certificates too: earlier ones are refused",
    )
    parser.add_argument(
        "--tls-san",
        action="append",
        default=[],
        metavar="NAME",
        help="further name or address in the server certificate, from now on (repeatable)",
    )
    parser.add_argument(
        "--cert-lifetime", metavar="DURATION", help="how long certificates are valid from now on, such as 30d"
    )
    parser.add_argument(
        "--ca-lifetime", metavar="DURATION", help="how long the new CA is valid, with --client-certs"
    )
    parser.add_timeout(SERVE_SECONDS, "for the daemon to use them")
    parser.add_progress()


def run(app: App, options: Options) -> int:
    names = app.names(options.name)
    question = "Regenerate TLS machine certs?  Warning: this is irreversible. (y/n): "
    told: set[str] = set()
    if not options.force:
        told = _warn(app, names)
        if not confirmed(question, without="--force"):
            return 0
    app.progress().note("Regenerating TLS certificates")

    def renew(name: str) -> None:
        app.machines.renew_certificates(
            name,
            progress=app.progress(name),
            clients=options.client_certs,
            tls_sans=options.tls_san,
            cert_lifetime=options.cert_lifetime,
            ca_lifetime=options.ca_lifetime,
            cuts_told=name in told,
            timeout=options.timeout,
        )

    with app.interruptible():
        return app.for_each(names, renew)


def _warn(app: App, names: Iterable[str]) -> set[str]:
    """Say what is cut, before the question, and return of which machines; the renewal says it of others."""
    told = set()
    for name in names:
        # What goes wrong here is told by the renewal itself.
        with contextlib.suppress(DinvError), app.machines.get(name) as machine:
            if said := machine.renewal_cuts():
                app.progress(name).warn(f'Machine "{name}": {said}')
                told.add(name)
    return told
