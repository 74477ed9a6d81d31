"""`dinv pool`: machines that are made before anybody asks for one."""

from __future__ import annotations

from dinv.cli.show import pool_tables
from dinv.cli.show.formatting import Format
from dinv.cli.show.question import confirmed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser
    from dinv.pools.pools import Pools


def arguments(parser: Parser) -> None:
    from dinv.cli.flags.pool import add_arguments

    add_arguments(parser, tuple(_ACTIONS))


def run(app: App, options: Options) -> int | None:
    from dinv.cli.flags.pool import given_options

    given = given_options(options)
    pool_tables.check(options, given)
    app.voice.aside = bool(options.format)
    return _ACTIONS[options.action](app, app.machines.pools, options, given)


def _create(app: App, pools: Pools, options: Options, given: dict[str, Any]) -> None:
    (name,) = options.pool
    made = pools.create(name, **{"size": 1, **given})
    if options.format or options.quiet:
        pool_tables.show([made], app.format(options, own_table=True), quiet=options.quiet)
        return
    app.progress().note(f"Pool {name} has no machines yet. To make them: {app.program} pool reconcile {name}")


def _set(app: App, pools: Pools, options: Options, given: dict[str, Any]) -> None:
    for name in options.pool:
        app.progress().note(pool_tables.changed(pools.set(name, **given)))


def _ls(app: App, pools: Pools, options: Options, _given: dict[str, Any]) -> None:
    found = [pools.get(name) for name in options.pool] or pools.list()
    pool_tables.show(found, app.format(options, own_table=True), quiet=options.quiet)


def _inspect(app: App, pools: Pools, options: Options, _given: dict[str, Any]) -> None:
    form = app.format(options) or Format("json")
    form.show_all([pool_tables.inspected(pools.get(name)) for name in options.pool])


def _pause(app: App, pools: Pools, options: Options, _given: dict[str, Any]) -> int:
    act = pools.pause if options.action == "pause" else pools.resume
    return app.for_each(options.pool, act)


def _reconcile(app: App, pools: Pools, options: Options, _given: dict[str, Any]) -> None:
    with app.interruptible():
        if options.watch:
            pools.watch(options.pool or None, interval=options.interval, progress=app.progress)
            return
        found = pools.reconcile(options.pool or None, progress=app.progress)
    if options.format:  # with --quiet alone it prints nothing: cron would mail it, each minute
        pool_tables.show(found, app.format(options, own_table=True), quiet=options.quiet)


def _rm(app: App, pools: Pools, options: Options, _given: dict[str, Any]) -> int:
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
