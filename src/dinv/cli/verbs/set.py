"""`dinv set`: change the settings of a machine that exists."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser
    from dinv.lifecycle.change.plan import Plan

_NOT_OPTIONS = ("name", "dry_run", "force", "timeout")


def arguments(parser: Parser) -> None:
    from dinv.cli.flags.create import flag
    from dinv.options import changeable
    from dinv.timeouts import SERVE_SECONDS

    parser.whose = _instead
    parser.add_argument("name", nargs="*")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done, and what stops")
    parser.add_argument("-f", "--force", action="store_true", help="do not ask where containers would stop")
    parser.add_timeout(SERVE_SECONDS, "for the daemon to answer")
    parser.add_format("print what is changed: json, table, or a template")
    parser.add_progress()
    for option in changeable(os.environ):
        flags, facts = flag(option, environment=False)
        parser.add_argument(*flags, **facts)


def run(app: App, options: Options) -> int:
    from dinv.cli.flags.create import given
    from dinv.cli.show import records
    from dinv.cli.show.question import confirmed

    form = app.format(options, "Name", "Option", "Before", "After", "Means")
    app.voice.aside = form is not None
    wanted = {key: value for key, value in given(options, {}).items() if key not in _NOT_OPTIONS}
    names = app.names(options.name)
    plans: dict[str, Plan] = {}
    stopping = []
    for name in names:
        with app.machines.get(name) as machine:
            plans[name] = plan = machine.plan_change(
                finish=not options.dry_run, progress=app.progress(name), **wanted
            )
        _show(app, plan)
        if plan.stops:
            stopping.append(name)
    status = 0
    if not options.dry_run:
        question = f"Containers in {', '.join(stopping)} will stop. Go on? (y/n): "
        if stopping and not options.force and not confirmed(question, without="--force"):
            return 0

        def change(name: str) -> None:
            if plans[name]:
                progress = app.progress(name)
                plans[name] = app.machines.change(
                    name,
                    progress=progress,
                    timeout=options.timeout,
                    force=options.force or name in stopping,
                    **wanted,
                )
                progress.note(f'Machine "{name}" was changed.')

        with app.interruptible():
            status = app.for_each(names, change)
    if form is not None:
        form.show_all(record for name in names for record in records.of_plan(plans[name]))
    return status


def _show(app: App, plan: Plan) -> None:
    """Say what is to differ, and what each means does."""
    progress = app.progress(plan.machine)
    if not plan:
        progress.note(f'Machine "{plan.machine}" has these settings already.')
        return
    for difference in plan.differences:
        progress.line("Change", f"{difference.option}: {difference.said}", difference.means)
    for means in plan.means:
        progress.note(f"By {means} of {plan.machine}: {plan.effect(means)}.")


def _instead(name: str) -> str:
    from dinv.lifecycle.change.unchangeable import advice

    return advice(name.replace("-", "_"), "NAME")
