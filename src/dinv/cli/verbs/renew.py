"""`dinv renew`: the certificates that are due."""

from __future__ import annotations

from dinv.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser
    from dinv.lifecycle.renew.when_due import Renewed


def arguments(parser: Parser) -> None:
    from dinv.timeouts import SERVE_SECONDS

    parser.add_argument("name", nargs="*")
    parser.add_argument(
        "-a", "--all", action="store_true", help="of all machines and registry caches of the store"
    )
    parser.add_argument(
        "--before",
        metavar="DURATION",
        help="what expires within this time, such as 30d (a third of its life)",
    )
    parser.add_argument(
        "--spread", metavar="DURATION", help="begin over this time, each machine at its own moment"
    )
    parser.add_argument(
        "--ca", action="store_true", help="a CA that is due, too: all earlier clients are refused then"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be renewed")
    parser.add_timeout(SERVE_SECONDS, "for the daemon to use them")
    parser.add_format()
    parser.add_progress()


def run(app: App, options: Options) -> int:
    if options.all and options.name:
        raise InputError("--all stands for all machines: give it, or names")
    form = app.format(options, "Name", "Kind", "Renewed", "AtStart", "Reason", "Error", "CertExpiry")
    if form is not None:
        app.voice.aside = True
    names = None if options.all else app.names(options.name)
    with app.interruptible():
        found = app.machines.renew(
            names,
            before=options.before,
            spread=options.spread,
            ca=options.ca,
            dry_run=options.dry_run,
            timeout=options.timeout,
            progress=app.progress,
        )
    for each in found:
        if each.error is not None:
            app.voice.tell(each.error, getattr(each.error, "__notes__", ()))
        elif form is None:
            machine = each.name if each.title == each.name else ""
            app.progress(machine).note(f"{each.title}: {_said(each, dry_run=options.dry_run)}")
        if each.remark:
            app.voice.warn(f"{each.title}: " + each.remark)
    if form is not None:
        from dinv.cli.show import records

        form.show_all(map(records.of_renewal, found))
    return 1 if any(each.error is not None for each in found) else 0


def _said(renewed: Renewed, *, dry_run: bool) -> str:
    """Return a line about a machine or a cache whose renewal did not fail."""
    from dinv.lifecycle.renew.when_due import CACHE
    from dinv.pki.validity import until

    end = until(renewed.certificates.first_end)
    said = []
    if renewed.roles:
        done = "would be renewed" if dry_run else f"renewed, valid until {end}"
        said.append(f"{', '.join(renewed.roles)} {done}")
        if dry_run and renewed.kind == CACHE:
            said.append("its registries would start anew")
    if renewed.later:
        said.append(f"{', '.join(renewed.later)}: at its next start, since it is not running")
    if renewed.reason:
        said.append(renewed.reason + (f"; valid until {end}" if end else ""))
    return "; ".join(said)
