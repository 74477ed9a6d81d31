"""`dinv diff`: what `apply` would do."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser

LEAST_STATUS = 2
"""The exit status of errors: 1 says that there are differences, as for kubectl."""


def arguments(parser: Parser) -> None:
    from dinv.cli.verbs.apply import FILES

    parser.add_argument("-f", "--file", action="append", metavar="FILE", help=FILES)
    parser.add_argument("--prune", action="store_true", help="show what the files have made, and say no more")
    parser.add_argument("--take-over", action="store_true", help="compare with what others have made, too")
    parser.add_format("print the differences: json, table, or a template")
    parser.add_progress()


def run(app: App, options: Options) -> int:
    from dinv.cli.show import changes as show
    from dinv.cli.voice import put
    from dinv.declared.changes import FAIL

    form = app.format(options, *show.COLUMNS)
    app.voice.aside = True
    declared = app.machines.declared
    documents = declared.read(options.file or ("dinv.yaml",))
    changes = declared.plan(
        documents, prune=options.prune, take_over=options.take_over, progress=app.progress()
    )
    if form is not None:
        form.show_all(show.record(change) for change in changes)
    elif not options.quiet:
        show.show(changes, put)
    for change in changes:
        if change.error is not None:
            show.tell(app, change, change.error, alone=len(changes) == 1)
    return 2 if any(change.action == FAIL for change in changes) else 1 if any(changes) else 0
