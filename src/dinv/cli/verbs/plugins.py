"""`dinv plugins`: the drivers, provisioners, authorities, image contracts and hooks that there are."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_format()


def run(app: App, options: Options) -> None:
    from dinv.cli.show.fitting import show
    from dinv.options import installed

    form = app.format(options, own_table=True)
    found = installed() + app.machines.hooks()
    if form is not None:
        from dinv.cli.show import records

        form.show_all(records.of_plugins(found))
        return
    rows = [(plugin.name, plugin.kind, plugin.source, plugin.problem) for plugin in found]
    show(("NAME", "KIND", "FROM", "PROBLEM"), rows)
