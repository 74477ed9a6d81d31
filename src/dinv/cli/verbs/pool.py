"""`dinv pool`: machines that are made before anybody asks for one."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser
    from dinv.pools.pools import Pools

_OWN = ("size", "max", "one_at_a_time", "parked", "max_age", "parallel")
_NOT_OPTIONS = (*_OWN, "action", "pool", "watch", "interval", "force", "yes")
_KEYWORDS = {"max": "maximum"}


def arguments(parser: Parser) -> None:
    from dinv.cli.create_flags import add_options
    from dinv.pools.options import NOT_A_POOLS

    actions = tuple(_ACTIONS)
    parser.add_argument("action", choices=actions, metavar="ACTION", help=", ".join(actions))
    parser.add_argument("pool", nargs="*", metavar="POOL", help="the pool's name")
    parser.add_argument("--size", metavar="NUMBER", help="create, set: unclaimed machines to keep ready")
    maximum = "create, set: machines at most, claimed ones included (0: no bound)"
    parser.add_argument("--max", metavar="NUMBER", help=maximum)
    one = "create, set: replace at most one machine at a time"
    parser.add_argument("--one-at-a-time", action="store_true", default=None, help=one)
    parser.add_argument(
        "--max-age", metavar="TIME", help="create, set: replace unclaimed ones of this age, 7d"
    )
    parser.add_argument("--parked", metavar="NUMBER", help="create, set: failed machines to keep (3)")
    parser.add_argument("--parallel", metavar="NUMBER", help="create, set: machines to make at once (4)")
    parser.add_argument("--watch", action="store_true", help="reconcile: again and again, until Ctrl-C")
    interval = "reconcile --watch: from one time to the next (15)"
    parser.add_argument("--interval", type="seconds", default=15.0, metavar="SECONDS", help=interval)
    parser.add_argument("-f", "--force", action="store_true", help="rm: even if an endpoint is gone")
    parser.add_argument("-y", action="store_true", dest="yes", help="rm: do not ask")
    parser.add_format()
    parser.add_progress("print only names")
    parser.set_rare("--max-age", "--parked", "--parallel")
    add_options(parser, without=NOT_A_POOLS)


def run(app: App, options: Options) -> int | None:
    from dinv.cli.show import pool_tables

    given = _given(options)
    pool_tables.check(options, given)
    app.voice.aside = bool(options.format)
    return _ACTIONS[options.action](app, app.machines.pools, options, given)


def _given(options: Options) -> dict[str, Any]:
    """Return what was given, by the library's keywords."""
    from dinv.cli.create_flags import given

    own = {
        _KEYWORDS.get(key, key): getattr(options, key) for key in _OWN if getattr(options, key) is not None
    }
    return own | {key: value for key, value in given(options, {}).items() if key not in _NOT_OPTIONS}


def _create(app: App, pools: Pools, options: Options, given: dict[str, Any]) -> None:
    from dinv.cli.show import pool_tables

    (name,) = options.pool
    made = pools.create(name, **{"size": 1, **given})
    if options.format or options.quiet:
        pool_tables.show([made], app.format(options, own_table=True), quiet=options.quiet)
        return
    app.progress().note(f"Pool {name} has no machines yet. To make them: {app.program} pool reconcile {name}")


def _set(app: App, pools: Pools, options: Options, given: dict[str, Any]) -> None:
    for name in options.pool:
        changed = pools.set(name, **given)
        stale = f"; {changed.stale} machines are to be replaced" if changed.stale else ""
        app.progress().note(f"Pool {name} was changed{stale}.")


def _ls(app: App, pools: Pools, options: Options, _given: dict[str, Any]) -> None:
    from dinv.cli.show import pool_tables

    found = [pools.get(name) for name in options.pool] or pools.list()
    pool_tables.show(found, app.format(options, own_table=True), quiet=options.quiet)


def _inspect(app: App, pools: Pools, options: Options, _given: dict[str, Any]) -> None:
    from dinv.cli.show import pool_tables
    from dinv.cli.show.formatting import Format

    form = app.format(options) or Format("json")
    form.show_all([pool_tables.inspected(pools.get(name)) for name in options.pool])


def _pause(app: App, pools: Pools, options: Options, _given: dict[str, Any]) -> int:
    act = pools.pause if options.action == "pause" else pools.resume
    return app.for_each(options.pool, act)


def _reconcile(app: App, pools: Pools, options: Options, _given: dict[str, Any]) -> None:
    from dinv.cli.show import pool_tables

    with app.interruptible():
        if options.watch:
            pools.watch(options.pool or None, interval=options.interval, progress=app.progress)
            return
        found = pools.reconcile(options.pool or None, progress=app.progress)
    if options.format or options.quiet:
        pool_tables.show(found, app.format(options, own_table=True), quiet=options.quiet)


def _rm(app: App, pools: Pools, options: Options, _given: dict[str, Any]) -> int:
    from dinv.cli.show.question import confirmed

    if not (options.yes or options.force):
        app.voice.say(f"About to remove {', '.join(options.pool)}, with the machines that nobody has claimed")
        if not confirmed("Are you sure? (y/n): ", without="-y"):
            return 0

    def remove(name: str) -> None:
        progress = app.progress()
        for line in pools.remove(name, force=options.force, progress=progress):
            progress.note(line)
        progress.note(f"Successfully removed pool {name}")

    with app.interruptible():
        return app.for_each(options.pool, remove)


_ACTIONS = {
    "create": _create,
    "ls": _ls,
    "inspect": _inspect,
    "set": _set,
    "pause": _pause,
    "resume": _pause,
    "reconcile": _reconcile,
    "rm": _rm,
}
