"""`dinv swarm`: the key that unlocks a swarm's managers, and unlocking one."""

from __future__ import annotations

from dinv.cli.voice import put
from dinv.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser

_KEY = "unlock-key"


def arguments(parser: Parser) -> None:
    parser.add_argument("action", choices=(_KEY, "unlock"))
    parser.add_argument("name", nargs="?")
    parser.add_argument("--rotate", action="store_true", help=f"{_KEY}: make a new key first")
    parser.add_format()
    parser.add_progress(f"{_KEY}: print only the key")


def run(app: App, options: Options) -> None:
    if options.rotate and options.action != _KEY:
        raise InputError(f"swarm {options.action} makes no new key: --rotate is for swarm {_KEY}")
    form = app.format(options, "Name", "UnlockKey")
    app.voice.aside = bool(options.format)
    (name,) = app.names([options.name] if options.name else [])
    progress = app.progress(name)
    with app.machines.get(name) as machine, app.interruptible():
        if options.action != _KEY:
            machine.unlock(progress=progress)
            return
        key = machine.unlock_key(rotate=options.rotate, progress=progress)
        if form is not None:
            from dinv.cli.show import records

            form.show(records.of_unlock_key(machine, key))
            return
    put(key)
    if not options.quiet:
        app.voice.remark("Keep it somewhere else, too: without it, managers that were all stopped are lost.")
