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
        return _show(app.program, engine.status(), form)
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
        _show(app.program, engine.status(), form)
    return 0


def _show(program: str, status: EngineStatus, form: Format | None) -> int:
    if form is None:
        put("\n".join(f"{label:<13}{text}" for label, text in _rows(program, status)))
    else:
        from dinv.cli.show import records

        form.show(records.of_engine(status))
    return 0 if status.running else 1


def _rows(program: str, status: EngineStatus) -> list[tuple[str, str]]:
    if status.running:
        state = "running"
    else:
        state = f"does not answer: {status.reason}" if status.pid else "not running"
    rows = [("Engine", state), ("Socket", f"unix://{status.socket}")]
    if status.pid:
        rows.append(("Process", str(status.pid)))
    if status.version:
        rows.append(("Version", status.version))
    rows += [("Data", status.data_root), ("Log", status.log)]
    if status.at_boot is not None:
        rows.append(("At boot", "started" if status.at_boot else f"not started ({program} engine enable)"))
    return rows
