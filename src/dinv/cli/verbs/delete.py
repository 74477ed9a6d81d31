"""`dinv delete`: remove what files of machines have made."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser

SEVERAL = True
"""It works on several machines at a time: no live line."""


def arguments(parser: Parser) -> None:
    from dinv.cli.verbs.apply import FILES

    parser.extra = "Error: It takes files (-f), and no names: a machine is removed by rm"
    parser.add_argument("-f", "--file", action="append", metavar="FILE", help=FILES)
    parser.add_argument("-y", action="store_true", dest="yes", help="do not ask")
    parser.add_format("print what was removed: json, table, or a template")
    parser.add_progress()


def run(app: App, options: Options) -> int:
    from dinv.cli.show import changes as show
    from dinv.cli.show.question import confirmed

    form = app.format(options, *show.COLUMNS)
    app.voice.aside = form is not None
    declared = app.machines.declared
    documents = declared.read(options.file or ("dinv.yaml",))
    changes = declared.removal(documents)
    if not changes:
        names = ", ".join(document.name for document in documents)
        app.progress().note(f"There is nothing that {names} has made.")
    elif not options.yes:
        app.voice.say(f"About to remove {', '.join(f'{each.kind} {each.name}' for each in changes)}")
        if not confirmed("Are you sure? (y/n): ", without="-y"):
            return 0
    with app.interruptible():
        done = declared.apply(changes, progress=app.named_progress)
    if form is not None:
        form.show_all(show.record(each.change, each) for each in done)
    return show.report(app, done)
