"""`dinv image`: machine images: sources written, built, checked, pushed to a registry, exported, listed."""

from __future__ import annotations

from dinv.cli.voice import put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    from dinv.cli.arguments import FORMAT_HELP
    from dinv.cli.show.formatting import FORMATS
    from dinv.cli.show.image.export import FORMATS as EXPORTS
    from dinv.cli.show.image.table import ACTIONS
    from dinv.images import DEFAULT_IMAGE

    parser.add_argument("action", choices=ACTIONS)
    what = "init, build: a directory; check, export: the image; push: the target, REGISTRY/NAME[:TAG]"
    parser.add_argument("what", nargs="?", metavar="DIR|REF", help=what)
    output = "export: the file to write (REF.FORMAT, NAME-certificates.img, NAME-userdata.json)"
    parser.add_argument("-o", "--output", metavar="FILE", help=output)
    parser.add_argument("--size", metavar="SIZE", help="export: of the disk (10g)")
    kernel = "export: Debian's kernel (linux-image-cloud-amd64)"
    parser.add_argument("--kernel", metavar="PACKAGE", help=kernel)
    url = "export certificates, userdata: where the virtual machine's daemon is reached, tcp://HOST:PORT"
    parser.add_argument("--url", metavar="URL", help=url)
    base = "what to build on (photon where the endpoint can have it, else debian)"
    parser.add_argument("--base", metavar="photon|debian|REF", help=base)
    features = "sshd, registry-ca, preloaded; build: k3s=FILE, too; several with commas"
    parser.add_argument("--with", action="append", metavar="FEATURE[=FILE]", help=features)
    parser.add_argument("-f", "--force", action="store_true", help="init: overwrite files that are there")
    tag = f"build: name of the image ({DEFAULT_IMAGE}; of a directory's, dinv-DIR)"
    parser.add_argument("--tag", metavar="REF", help=tag)
    parser.add_argument("--network", metavar="NAME", help="build: network of the endpoint for its steps")
    image = f"push: which image (the newer of REF and {DEFAULT_IMAGE}; built where there is neither)"
    parser.add_argument("--image", metavar="REF", help=image)
    parser.add_argument("--endpoint", metavar="ENDPOINT", help="where ($DINV_ENDPOINT)")
    parser.add_argument("--endpoint-cert-path", metavar="DIR", help="its ca.pem, cert.pem and key.pem")
    parser.add_format(f"{FORMAT_HELP}; export: {', '.join(EXPORTS)}")
    parser.known["--format"] = (*FORMATS, *EXPORTS)
    parser.add_progress("print only the id, or the names")


def run(app: App, options: Options) -> int:
    from dinv.cli.show.image import export, findings, table

    table.check(options)
    if options.action == "export":
        export.run(app, options)
        return 0
    form = app.format(options, own_table=True)
    app.voice.aside = bool(options.format)
    progress = app.progress()
    if options.action == "init":
        features = table.features(options)
        written = app.machines.write_image_source(
            options.what, base=options.base, features=features, overwrite=options.force
        )
        table.show_written(written, options.what, app.voice, quiet=options.quiet)
        return 0
    if options.action == "check":
        return findings.run(app, options, form)
    with app.machines.images(
        options.endpoint, cert_path=options.endpoint_cert_path, progress=progress
    ) as images:
        if options.action == "ls":
            table.show(images.list(), form, images.endpoint, quiet=options.quiet)
            return 0
        with app.interruptible():
            if options.action == "push":
                identity, name = images.push(
                    options.what, image=options.image or "", base=options.base, progress=progress
                )
            else:
                identity = name = images.build(
                    directory=options.what,
                    base=options.base,
                    tag=options.tag,
                    features=table.features(options),
                    network=options.network or "",
                    progress=progress,
                ).id
        if options.format:
            made = [image for image in images.list() if image.id == identity]
            table.show(made, form, images.endpoint, quiet=False)
        elif options.quiet:
            put(name)
    return 0
