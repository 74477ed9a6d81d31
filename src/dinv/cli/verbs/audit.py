"""`dinv audit`: whether a server's audit log is whole."""

from __future__ import annotations

from dinv.cli.voice import put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    from dinv.cli.verbs.serve import add_database

    parser.add_argument("action", choices=("verify", "head", "csv"))
    add_database(parser)
    known = "verify: the log has to go on from this head, which was noted earlier"
    parser.add_argument("--known", metavar="N:DIGEST", help=known)


def run(app: App, options: Options) -> int:
    from dinv.cli.verbs.serve import settings

    found = settings(app, options)
    from dinv.server.serving.audit_log import opened

    with opened(found) as log:
        if options.action == "csv":
            for line in log.csv():
                put(line, end="")
            return 0
        if options.action == "head":
            put(log.head())
            return 0
        count, wrong = log.verify(options.known or "")
    put(wrong or f"The audit log is whole: {count} entries.")
    return 1 if wrong else 0
