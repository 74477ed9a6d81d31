"""`dinv rm`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.missing = "Error: Expected to get one or more machine names as arguments"
    parser.add_argument("name", nargs="+")
    parser.add_argument("-y", action="store_true", dest="yes", help="do not ask")
    parser.add_argument(
        "-f",
        "--force",
        action="store_true",
        help="do not ask, and forget the machine even if its endpoint does not answer",
    )
    parser.add_argument(
        "--keep-cache", action="store_true", help="leave the cache volume, for create --cache-volume"
    )
    parser.add_progress()


def run(app: App, options: Options) -> int:
    from dinv.errors import MachineNotFound

    asked = not (options.yes or options.force)
    if asked or app.voice.docker_machine:
        app.voice.say(f"About to remove {', '.join(options.name)}")
        app.voice.say("WARNING: This action will delete both local reference and remote instance.")
    if asked:
        from dinv.cli.show.question import confirmed

        if not confirmed("Are you sure? (y/n): ", without="-y"):
            return 0

    def remove(name: str) -> None:
        progress = app.progress(name)
        left = app.machines.remove(
            name, keep_cache=options.keep_cache, force=options.force, progress=progress
        )
        for each in left:
            progress.note(each)
        progress.note(f"Successfully removed {name}")

    forgiven = (MachineNotFound,) if options.force else ()
    rounds = app.machines.removal_rounds(options.name) if len(options.name) > 1 else [options.name]
    more = len(rounds) > 1
    return max(app.for_each(names, remove, forgiven=forgiven, more=more) for names in rounds)
