"""`dinv cache`: registry caches of an endpoint, for the machines there to pull through."""

from __future__ import annotations

from dinv.cli.voice import put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.caches.registry_caches import RegistryCaches
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser
    from dinv.cli.show.formatting import Format

_FLAGS = {
    "create": ("upstream", "push", "endpoint", "endpoint_cert_path", "network", "image", "credentials"),
    "df": (),
    "ls": (),
    "prune": ("upstream", "yes"),
    "rm": ("keep_data", "force", "yes"),
}
"""By action, the flags that it takes, besides those of all."""


def arguments(parser: Parser) -> None:
    parser.add_argument("action", choices=tuple(sorted(_FLAGS)))
    parser.add_argument("cache", nargs="*", metavar="CACHE", help="the cache's name")
    parser.add_argument(
        "--upstream",
        action="append",
        metavar="[REGISTRY=]URL",
        help="create: a registry to pull through, such as ghcr.io (docker.io); prune: of which to throw away",
    )
    parser.add_argument("--push", action="store_true", help="create: one more registry, which takes pushes")
    parser.add_argument("--endpoint", metavar="ENDPOINT", help="create: where ($DINV_ENDPOINT)")
    parser.add_argument("--endpoint-cert-path", metavar="DIR", help="its ca.pem, cert.pem and key.pem")
    parser.add_argument("--network", metavar="NAME", help="create: network of the endpoint to join")
    parser.add_argument("--image", metavar="REF", help="create: the cache's image, where none can be built")
    parser.add_argument(
        "--credentials",
        metavar="FILE",
        help="create: users and passwords for the upstreams, as in docker's config.json",
    )
    parser.add_argument(
        "--keep-data", action="store_true", help="rm: leave the volume with what is stored, for the next one"
    )
    parser.add_argument(
        "-f", "--force", action="store_true", help="rm: even if machines use it, or its endpoint is gone"
    )
    parser.add_argument("-y", "--yes", action="store_true", help="rm, prune: do not ask")
    parser.add_format()
    parser.add_progress("print only names")


def run(app: App, options: Options) -> None:
    from dinv.cli.show import cache_tables

    _check(options)
    form = app.format(options, own_table=True)
    app.voice.aside = bool(options.format)
    caches = app.machines.caches
    if options.action == "ls":
        found = [caches.get(name) for name in options.cache] if options.cache else caches.list()
        cache_tables.show(found, form, quiet=options.quiet)
    elif options.action == "df":
        names = options.cache or [cache.name for cache in caches.list() if cache.state == "Running"]
        usages = [(name, caches.usage(name)) for name in names]
        cache_tables.show_usage(usages, form)
    elif options.action == "create":
        _create(app, caches, options, form)
    else:
        _take_away(app, caches, options)


def _create(app: App, caches: RegistryCaches, options: Options, form: Format | None) -> None:
    from dinv.cli.show import cache_tables

    (name,) = options.cache
    with app.interruptible():
        made = caches.create(
            name,
            upstreams=options.upstream or (),
            push=options.push,
            endpoint=options.endpoint,
            cert_path=options.endpoint_cert_path,
            network=options.network or "",
            image=options.image or "",
            credentials=options.credentials,
            progress=app.progress(),
        )
    if form is not None:
        cache_tables.show([made], form, quiet=False)
    elif options.quiet:
        put(name)


def _take_away(app: App, caches: RegistryCaches, options: Options) -> None:
    from dinv.cli.show.question import confirmed
    from dinv.formats.units import format_size

    removing = options.action == "rm"
    if not (options.yes or options.force):
        what = "About to remove" if removing else "About to throw away what is stored in"
        app.voice.say(f"{what} {', '.join(options.cache)}")
        if not confirmed("Are you sure? (y/n): ", without="-y"):
            return
    progress = app.progress()
    with app.interruptible():
        for name in options.cache:
            if removing:
                left = caches.remove(
                    name, keep_data=options.keep_data, force=options.force, progress=progress
                )
                for line in left:
                    progress.note(line)
                progress.note(f"Successfully removed {name}")
            else:
                gone = caches.prune(name, upstreams=options.upstream or (), progress=progress)
                progress.note(f"{name}: {format_size(sum(each.size for each in gone))} thrown away")


def _check(options: Options) -> None:
    """Raise InputError for options of another action, and for a number of caches that it does not take."""
    from dinv.errors import InputError

    action = options.action
    for flag in sorted({flag for flags in _FLAGS.values() for flag in flags}):
        if getattr(options, flag) and flag not in _FLAGS[action]:
            shown = flag.replace("_", "-")
            raise InputError(f"--{shown} is not for cache {action}")
    if action == "create" and len(options.cache) != 1:
        raise InputError("cache create takes one name")
    if action in ("rm", "prune") and not options.cache:
        raise InputError(f"cache {action} takes the name of a cache")
