"""`dinv version`: of dinv, or of a machine's daemon."""

from __future__ import annotations

from dinv.cli.voice import put

DOCKER_MACHINE = "0.16.2"
"""The version of docker-machine whose commands, flags and texts these are."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("name", nargs="?")
    parser.add_format()


def run(app: App, options: Options) -> None:
    form = app.format(options)
    if form is not None:
        from dinv.cli.show import records

        if not options.name:
            form.show(records.of_versions(DOCKER_MACHINE))
            return
        with app.machines.get(options.name) as machine:
            form.show(records.of_versions(DOCKER_MACHINE, machine))
        return
    if options.name:
        with app.machines.get(options.name) as machine:
            put(machine.daemon_version())
        return
    from dinv import __version__

    # Scripts check docker-machine's version for its features; it is the one that dinv stands in for.
    shown = f"{DOCKER_MACHINE}, build dinv-{__version__}" if app.voice.docker_machine else __version__
    print(f"{app.program} version {shown}")
