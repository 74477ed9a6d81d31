"""`dinv url`: makes no calls, so that it can be used in prompts."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("name", nargs="?")
    parser.add_format()


def run(app: App, options: Options) -> None:
    from dinv.access import recorded_url

    form = app.format(options, "Name", "URL")
    config = app.record(options.name)
    url = recorded_url.url(config, app.store, trace=app.trace)
    if form is not None:
        from dinv.cli.show import records

        form.show(records.known(config))
        return
    print(url)
