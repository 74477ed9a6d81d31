"""`dinv inspect`: all that is known of a machine, as JSON."""

from __future__ import annotations

from dinv.cli.arguments import FORMAT_HELP
from dinv.cli.voice import put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    from dinv.cli.parser import ONE_NAME

    parser.extra = ONE_NAME
    parser.add_argument("name", nargs="?")
    parser.add_argument("-f", "--format", default="", metavar="FORMAT", help=FORMAT_HELP)


def run(app: App, options: Options) -> None:
    if options.format:
        _show(app, options)
        return
    import json

    with app.machine(options.name) as machine:
        print(json.dumps(machine.inspect(), indent=4))


def _show(app: App, options: Options) -> None:
    from dinv.cli.show import formatting, records

    if options.format in formatting.FORMATS:
        form = formatting.Format(options.format, records.KNOWN)
        with app.machine(options.name) as machine:
            form.show(records.of_document(machine))
        return
    from dinv.formats.template import Template

    # In a template, what the document does not have is <no value>, as in docker-machine.
    template = Template(options.format)
    if not app.voice.docker_machine:
        formatting.check(options.format)
    with app.machine(options.name) as machine:
        put(template.render(records.of_document(machine)), keep=options.format)
