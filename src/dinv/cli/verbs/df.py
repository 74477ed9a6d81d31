"""`dinv df`: how full the image cache is."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("name", nargs="*")
    parser.add_format()


def run(app: App, options: Options) -> None:
    from dinv.cli.show.fitting import show
    from dinv.formats.units import format_size

    form = app.format(options, own_table=True)
    machines = [app.machines.get(name) for name in app.names(options.name)]
    usages = []
    for machine in machines:
        with machine:
            usages.append(machine.disk_usage())
    if form is not None:
        from dinv.cli.show import records

        form.show_all(map(records.of_disk_usage, machines, usages))
        return
    rows = [
        (
            usage.machine,
            usage.volume,
            format_size(usage.size),
            format_size(usage.available),
            f"{usage.used_percent:.0f}%",
            format_size(usage.images),
            format_size(usage.containers),
            format_size(usage.volumes),
            format_size(usage.build_cache),
        )
        for usage in usages
    ]
    head = ("MACHINE", "CACHE", "SIZE", "AVAILABLE", "USED", "IMAGES", "CONTAINERS", "VOLUMES", "BUILD CACHE")
    show(head, rows, spare=("BUILD CACHE", "VOLUMES", "CONTAINERS", "CACHE", "IMAGES"))
