"""`dinv share`."""

from __future__ import annotations

import sys

from dinv.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("name", nargs="?")
    parser.add_argument(
        "--for", dest="holder", metavar="WHO", help="who gets access, such as alice or alice@example.com"
    )
    parser.add_argument(
        "--ttl", metavar="TIME", help="for how long: 8h, 30d, ... (as long as the machine's own certificates)"
    )
    parser.add_argument(
        "--csr", metavar="FILE", help="their certificate signing request: their key stays with them"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="where to write it (standard output)")
    parser.add_progress()
    parser.usage = f"{parser.prog} [OPTIONS] --for WHO [NAME] > FILE"


def run(app: App, options: Options) -> None:
    app.voice.aside = True
    if not options.holder:
        raise InputError(f"Who is it for? {app.program} share --for WHO NAME > FILE")
    if not options.output and sys.stdout.isatty():
        raise InputError(
            f"A share is not for a terminal: {app.program} share --for {options.holder} NAME > FILE, or "
            f"-o FILE"
        )
    (name,) = app.names([options.name] if options.name else [])
    with app.machines.get(name) as machine:
        share = machine.share(
            options.holder,
            lifetime=options.ttl,
            csr=options.csr,
            path=options.output,
            progress=app.progress(name),
        )
    if not options.output:
        sys.stdout.buffer.write(share.data)
        sys.stdout.buffer.flush()
    if options.quiet:
        return
    app.voice.say(
        f"{share.holder} has access to {name} until {share.not_after}, as root of the machine. "
        + (
            "Whoever has this file has it too: hand it over as you would a password."
            if share.has_key
            else f"The key is not in this file: {app.program} import --key KEYFILE FILE."
        )
    )
    app.voice.hint(f"To take it away: {app.program} access revoke {name} {share.holder}")
