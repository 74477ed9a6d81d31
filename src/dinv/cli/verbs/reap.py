"""`dinv reap`: machines whose time is over."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser
    from dinv.errors import DinvError

SEVERAL = True


def arguments(parser: Parser) -> None:
    from dinv.cli.flags.create import flag
    from dinv.options import WARN_BEFORE

    parser.add_argument(
        "--endpoint", metavar="URL", help="the machines there, and those of other stores by their labels"
    )
    parser.add_argument("--endpoint-cert-path", metavar="DIR", help="its ca.pem, cert.pem and key.pem")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    flags, facts = flag(WARN_BEFORE)
    parser.add_argument(*flags, **facts)
    parser.add_format()
    parser.add_progress()


def run(app: App, options: Options) -> int:
    form = app.format(options, "Name", "Action", "Why", "Reason", "Expires", "Known", "Error")
    app.voice.aside = form is not None
    with app.interruptible():
        found = app.machines.reap(
            endpoint=options.endpoint,
            cert_path=options.endpoint_cert_path,
            warn_before=options.warn_before,
            dry_run=options.dry_run,
            progress=app.progress,
        )
    for each in found:
        if each.error is not None:
            app.voice.tell(_about(each.name, each.error), getattr(each.error, "__notes__", ()))
        elif form is None:
            would = "would be " if options.dry_run and each.action != "kept" else ""
            app.progress().note(f"{each.name}: {would}{each.action}: " + each.reason)
        for line in each.left:
            app.progress().note(line)
    if form is not None:
        from dinv.cli.show import records

        form.show_all(map(records.of_reaping, found))
    return 1 if any(each.error is not None for each in found) else 0


def _about(name: str, error: DinvError) -> DinvError:
    """Return the error with the machine's name in it: of an endpoint that is away there is one for each."""
    import copy

    told = copy.copy(error)
    if name not in error.text:
        told.args = (f"{name}: " + error.text, *error.args[1:])
    return told
