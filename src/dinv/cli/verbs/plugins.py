"""`dinv plugins`: the drivers, provisioners, authorities, image contracts and hooks that there are."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("--check", action="store_true", help="exit with 1 if one of them cannot be used")
    parser.add_format()
    parser.add_argument("-q", "--quiet", action="store_true", help="names only")


def run(app: App, options: Options) -> int:
    from dinv.cli.show.fitting import show
    from dinv.cli.voice import put

    form = app.format(options, own_table=True)
    found = app.machines.plugins()
    if form is not None:
        from dinv.cli.show import records

        form.show_all(records.of_plugins(found))
    elif options.quiet:
        for plugin in found:
            put(plugin.name)
    else:
        rows = [(plugin.name, plugin.kind, plugin.source, plugin.problem) for plugin in found]
        show(("NAME", "KIND", "FROM", "PROBLEM"), rows, below="PROBLEM")
    return int(options.check and any(plugin.problem for plugin in found))
