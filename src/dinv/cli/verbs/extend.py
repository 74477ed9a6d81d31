"""`dinv extend`: a machine's lease lasts longer."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("--give", action="store_true", help="give it a lease if it has none")
    parser.add_argument("name")
    parser.add_argument("duration")
    parser.add_format()
    parser.add_progress()


def run(app: App, options: Options) -> None:
    form = app.format(options, "Name", "Expires", "Extended")
    app.voice.aside = form is not None
    progress = app.progress()
    with app.interruptible(), app.machine(options.name) as machine:
        longer = machine.extend(options.duration, give=options.give, progress=progress)
        expires = machine.lease.expires if machine.lease is not None else ""
    if form is not None:
        form.show({"Name": machine.name, "Expires": expires, "Extended": longer})
        return
    progress.line(
        "Lease", f"{machine.name}, until {expires}", "extended" if longer else "has that long already"
    )
