"""`dinv create`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    from dinv.cli.flags.create import add_arguments

    add_arguments(parser)


def run(app: App, options: Options) -> None:
    from dinv.cli import docker_machine_options
    from dinv.cli.flags.create import given

    docker_machine_options.check_create(options, app.voice)
    form = app.format(options, "Name", "URL", "DockerVersion")
    app.voice.aside = form is not None
    wanted = given(options, app.certificates)
    progress = app.progress(options.name)
    with app.interruptible(), app.machines.create(options.name, progress=progress, **wanted) as machine:
        if form is not None:
            from dinv.cli.show import records

            form.show(records.of_creation(machine))
            return
        if options.quiet:
            print(machine.name)
            return
        if app.voice.docker_machine:
            print(
                f"To see how to connect your Docker Client to the Docker Engine running on this virtual "
                f"machine, run: {app.program} env {machine.name}"
            )
            return
        context = f"     or     docker --context {machine.name} ps" if machine.has_context else ""
        progress.note(f"To use it:   eval $({app.program} env {machine.name}){context}")
