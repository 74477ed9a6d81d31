"""`dinv apply`: make what files of machines say."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser
    from dinv.declared.changes import Change

FILES = "a file of machines; - is standard input (dinv.yaml)"

SEVERAL = True
"""It works on several machines at a time: no live line."""


def arguments(parser: Parser) -> None:
    from dinv.timeouts import SERVE_SECONDS

    parser.add_argument("-f", "--file", action="append", metavar="FILE", help=FILES)
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument("-y", action="store_true", dest="yes", help="do not ask")
    parser.add_argument(
        "--prune", action="store_true", help="remove what the files have made, and say no more"
    )
    parser.add_argument(
        "--take-over", action="store_true", help="have the files take over what others have made"
    )
    parser.add_argument(
        "--parallel", type="int", default=4, metavar="NUMBER", help="how many things at a time (4)"
    )
    parser.add_argument("--schema", action="store_true", help="print the JSON Schema of the files")
    parser.add_timeout(SERVE_SECONDS, "for a daemon to answer after a change")
    parser.add_format("print what was done: json, table, or a template")
    parser.add_progress()


def run(app: App, options: Options) -> int:
    from dinv.cli.show import changes as show
    from dinv.errors import InputError

    form = app.format(options, *show.COLUMNS)
    app.voice.aside = form is not None
    declared = app.machines.declared
    if options.schema:
        import json

        print(json.dumps(declared.schema(), indent=2))
        return 0
    if not 1 <= options.parallel <= 64:
        raise InputError("--parallel takes a number from 1 to 64")
    declared.parallel = options.parallel
    documents = declared.read(options.file or ("dinv.yaml",))
    changes = declared.plan(
        documents, prune=options.prune, take_over=options.take_over, progress=app.progress()
    )
    if not options.quiet:
        show.show(changes, app.voice.say)
    if options.dry_run:
        if form is not None:
            form.show_all(show.record(change) for change in changes)
        return 0
    if not options.yes and not _allowed(changes):
        return 0
    with app.interruptible():
        done = declared.apply(changes, timeout=options.timeout, progress=app.named_progress)
    if form is not None:
        form.show_all(show.record(each.change, each) for each in done)
    return show.report(app, done)


def _allowed(changes: list[Change]) -> bool:
    """Return whether the user allows what takes something away; what does not is not asked about."""
    from dinv.cli.show.question import confirmed

    lost = ", ".join(change.name for change in changes if change.loses)
    stopping = ", ".join(change.name for change in changes if change.stops and not change.loses)
    asked = [f"What is in {lost} will be gone."] if lost else []
    asked += [f"Containers in {stopping} will stop."] if stopping else []
    return not asked or confirmed(f"{' '.join(asked)} Go on? (y/n): ", without="-y")
