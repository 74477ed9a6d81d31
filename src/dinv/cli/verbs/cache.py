"""`dinv cache`: registry caches of an endpoint, for the machines there to pull through."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.caches.registry_caches import RegistryCaches
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("action", choices=("create", "df", "ls", "prune", "rm"))
    parser.add_argument("cache", nargs="*", metavar="CACHE", help="the cache's name")
    parser.add_argument(
        "--upstream",
        action="append",
        metavar="REGISTRY[=URL]",
        help="create: what to pull through, such as ghcr.io (docker.io); prune: what to throw away",
    )
    parser.add_argument("--push", action="store_true", help="create: one more registry, to push to")
    parser.add_argument("--endpoint", metavar="ENDPOINT", help="create: where ($DINV_ENDPOINT)")
    parser.add_argument("--endpoint-cert-path", metavar="DIR", help="its ca.pem, cert.pem and key.pem")
    parser.add_argument("--network", metavar="NAME", help="create: network of the endpoint to join")
    parser.add_argument("--image", metavar="REF", help="create: the cache's image, where none can be built")
    parser.add_argument(
        "--credentials",
        metavar="FILE",
        help="create: users and passwords for the upstreams, as in docker's config.json",
    )
    parser.add_argument("--keep-data", action="store_true", help="rm: leave what is stored, for the next one")
    force = "rm: do not ask, even if machines use it or its endpoint is gone"
    parser.add_argument("-f", "--force", action="store_true", help=force)
    parser.add_argument("-y", action="store_true", dest="yes", help="rm, prune: do not ask")
    parser.add_format()
    parser.add_progress("print only names")


def run(app: App, options: Options) -> None:
    from dinv.cli.show import cache_tables

    cache_tables.check(options)
    form = app.format(options, own_table=True)
    app.voice.aside = bool(options.format)
    caches = app.machines.caches
    if options.action == "ls":
        found = [caches.get(name) for name in options.cache] or caches.list()
        cache_tables.show(found, form, quiet=options.quiet)
    elif options.action == "df":
        names = options.cache or [cache.name for cache in caches.list() if cache.state == "Running"]
        cache_tables.show_usage([(name, caches.usage(name)) for name in names], form)
    elif options.action == "create":
        with app.interruptible():
            made = caches.create(
                options.cache[0],
                upstreams=options.upstream or (),
                push=options.push,
                endpoint=options.endpoint,
                cert_path=options.endpoint_cert_path,
                network=options.network or "",
                image=options.image or "",
                credentials=options.credentials,
                progress=app.progress(),
            )
        if form is not None or options.quiet:
            cache_tables.show([made], form, quiet=options.quiet)
    else:
        _take_away(app, caches, options)


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
                keep, force = options.keep_data, options.force
                for line in caches.remove(name, keep_data=keep, force=force, progress=progress):
                    progress.note(line)
                progress.note(f"Successfully removed {name}")
            else:
                gone = caches.prune(name, upstreams=options.upstream or (), progress=progress)
                progress.note(f"{name}: {format_size(sum(each.size for each in gone))} thrown away")
