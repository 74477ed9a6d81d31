"""`dinv volume`: the volumes of machines, with their images: listed, copied, removed."""

from __future__ import annotations

from dinv.cli.voice import put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cache_volumes import CacheVolume, CacheVolumes
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser
    from dinv.progress import Progress

_MANY = 10**6
_TAKES = {"ls": (0, 0, "no name"), "rm": (1, _MANY, "VOLUME ..."), "prune": (0, 0, "no name")}
_TAKES["clone"] = (2, 2, "FROM TO")
"""By action: how many names at least and at most, and what they are called."""


def arguments(parser: Parser) -> None:
    parser.add_argument("action", choices=tuple(_TAKES))
    named = "rm: which; clone: a volume or machine, and the new volume"
    parser.add_argument("volume", nargs="*", metavar="VOLUME", help=named)
    parser.add_argument("-a", "--all", action="store_true", help="prune: those of other stores, too")
    parser.add_argument(
        "-f",
        "--force",
        action="store_true",
        help="prune: do not ask; rm: break off a copy in the making",
    )
    parser.add_argument("--stop", action="store_true", help="clone: stop the machine that long, if it runs")
    parser.add_argument("--endpoint", metavar="ENDPOINT", help="only there (else where machines are)")
    parser.add_argument("--endpoint-cert-path", metavar="DIR", help="its ca.pem, cert.pem and key.pem")
    parser.add_format()
    parser.add_progress("print only the names")


def run(app: App, options: Options) -> int:
    from dinv.cli.show import volume_table

    _check(options)
    form = app.format(options, *volume_table.COLUMNS, own_table=True)
    app.voice.aside = bool(options.format)
    progress = app.progress()
    with app.machines.volumes(
        options.endpoint, cert_path=options.endpoint_cert_path, progress=progress
    ) as volumes:
        if options.action == "ls":
            sizes = not options.quiet
            volume_table.show(volumes.list(sizes=sizes, progress=progress), form, quiet=options.quiet)
            return 0
        with app.interruptible():
            if options.action == "rm":
                return _remove(app, options, volumes)
            if options.action == "prune":
                made = _prune(app, options, volumes, progress)
            else:
                source, target = options.volume
                made = [volumes.clone(source, target, stop=options.stop, progress=progress)]
        if options.format or options.quiet:
            volume_table.show(made, form, quiet=options.quiet)
    return 0


def _remove(app: App, options: Options, volumes: CacheVolumes) -> int:
    def remove(name: str) -> None:
        volumes.remove(name, force=options.force)
        put(name)

    return app.for_each(options.volume, remove)


def _prune(app: App, options: Options, volumes: CacheVolumes, progress: Progress) -> list[CacheVolume]:
    from dinv.cli.show import volume_table

    if not options.force:
        left = volumes.unused(everyone=options.all, progress=progress)
        if not volume_table.are_to_go(left, app.voice, progress):
            return []
    removed = volumes.prune(everyone=options.all, progress=progress)
    for volume in removed:
        progress.line("Volume", volume.name, "removed")
    return removed


def _check(options: Options) -> None:
    """Raise InputError for the wrong number of names, and for options of another action."""
    from dinv.errors import InputError

    action, given = options.action, options.volume
    least, most, called = _TAKES[action]
    if not least <= len(given) <= most:
        raise InputError(f"volume {action} takes {called}, and was given {' '.join(given) or 'none'}")
    for option, actions in (("all", ("prune",)), ("force", ("prune", "rm")), ("stop", ("clone",))):
        if getattr(options, option) and action not in actions:
            raise InputError(f"--{option} is for volume {' and '.join(actions)}, and not for volume {action}")
