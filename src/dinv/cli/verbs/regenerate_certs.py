"""`dinv regenerate-certs`."""

from __future__ import annotations

from dinv.cli.show.question import confirmed

TYPE_CHECKING = False
if TYPE_CHECKING:
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
    parser.add_timeout(SERVE_SECONDS, "for the daemon to use them")
    parser.add_progress()


def run(app: App, options: Options) -> int:
    names = app.names(options.name)
    question = "Regenerate TLS machine certs?  Warning: this is irreversible. (y/n): "
    if not options.force and not confirmed(question, without="--force"):
        return 0
    app.progress().note("Regenerating TLS certificates")

    def renew(name: str) -> None:
        app.machines.renew_certificates(
            name, progress=app.progress(name), clients=options.client_certs, timeout=options.timeout
        )

    with app.interruptible():
        return app.for_each(names, renew)
