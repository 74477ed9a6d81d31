"""`dinv adopt`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    from dinv.timeouts import SERVE_SECONDS

    parser.add_argument("container", metavar="CONTAINER", help="its name or id on the endpoint")
    parser.add_argument(
        "name", nargs="?", default="", metavar="NAME", help="the machine's (default: the same)"
    )
    parser.add_argument("-f", "--force", action="store_true", help="do not ask")
    parser.add_argument("--endpoint", metavar="ENDPOINT", help="where the container is ($DINV_ENDPOINT)")
    parser.add_argument("--endpoint-cert-path", metavar="DIR", help="its ca.pem, cert.pem and key.pem")
    parser.add_argument("--no-context", dest="context", action="store_false", help="write no docker context")
    parser.add_timeout(SERVE_SECONDS, "for its daemon to answer again")
    parser.add_format()
    parser.add_progress("print only the machine's name")


def run(app: App, options: Options) -> None:
    form = app.format(options, "Name", "URL", "DockerVersion")
    app.voice.aside = form is not None
    if not options.force:
        from dinv.cli.show.question import confirmed

        question = (
            f"The daemon in {options.container} is restarted, and refuses its earlier clients from then on. "
            f"Adopt it? (y/n): "
        )
        if not confirmed(question, without="--force"):
            return
    progress = app.progress(options.name or options.container)
    with (
        app.interruptible(),
        app.machines.adopt(
            options.container,
            options.name,
            endpoint=options.endpoint,
            cert_path=options.endpoint_cert_path,
            context=options.context,
            timeout=options.timeout,
            progress=progress,
        ) as machine,
    ):
        if form is not None:
            from dinv.cli.show import records

            form.show(records.of_creation(machine))
        elif options.quiet:
            print(machine.name)
        else:
            context = f"     or     docker --context {machine.name} ps" if machine.has_context else ""
            progress.note(f"To use it:   eval $({app.program} env {machine.name}){context}")
