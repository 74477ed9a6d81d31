"""`dinv engine`: a private Docker engine on this computer, for people who have none."""

from __future__ import annotations

from dinv.cli.voice import put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser
    from dinv.cli.show.formatting import Format
    from dinv.endpoints.local.engine import EngineStatus


def arguments(parser: Parser) -> None:
    from dinv.timeouts import SERVE_SECONDS

    parser.add_argument("action", choices=("start", "stop", "status", "enable", "disable"))
    parser.add_format()
    parser.add_progress()
    parser.add_timeout(SERVE_SECONDS, "for the engine to answer")


def run(app: App, options: Options) -> int:
    engine = app.machines.local_engine()
    form = app.format(options)
    app.voice.aside = form is not None
    if options.action == "status":
        return _show(engine.status(), form)
    with app.interruptible():
        if options.action == "start":
            engine.start(app.progress(), timeout=options.timeout)
        elif options.action == "stop":
            engine.stop(app.progress(), timeout=options.timeout)
        elif options.action == "enable":
            engine.enable(app.progress())
        else:
            engine.disable(app.progress())
    if form is not None:
        _show(engine.status(), form)
    return 0


def _show(status: EngineStatus, form: Format | None) -> int:
    if form is None:
        put(str(status))
    else:
        from dinv.cli.show import records

        form.show(records.of_engine(status))
    return 0 if status.running else 1
