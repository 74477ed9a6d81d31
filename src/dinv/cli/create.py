"""`dinv create`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from dinv.cli.app import App
    from dinv.cli.parser import Parser


def arguments(parser: Parser) -> None:
    import os

    from dinv.cli import legacy
    from dinv.create import DEFAULT_TIMEOUT
    from dinv.drivers import find

    parser.missing = "Error: No machine name specified"
    parser.extra = "Invalid command line. Found extra arguments [{extra}]"
    legacy.create_arguments(parser)
    parser.add_argument("name")
    parser.add_argument("-d", "--driver", metavar="NAME", help="driver (docker; $MACHINE_DRIVER)")
    parser.add_argument("-q", "--quiet", action="store_true", help="print only the machine's name")
    parser.add_argument(
        "--timeout", type="seconds", metavar="SECONDS", help=f"for the daemon to answer ({DEFAULT_TIMEOUT:g})"
    )
    parser.add_argument(
        "--keep-on-failure", action="store_true", default=None, help="leave what was made when it fails"
    )
    parser.add_argument(
        "--no-context", dest="context", action="store_false", default=None, help="write no docker context"
    )
    parser.add_argument(
        "--tls-san", action="append", metavar="NAME", help="further name or address in the server certificate"
    )
    legacy.certificate_arguments(parser)
    parser.add_argument(
        "--registry-ca",
        action="append",
        metavar="HOST=FILE",
        help="CA certificate of a private registry, for the machine's daemon to trust",
    )
    for name, metavar, text in (
        ("opt", "FLAG=VALUE", "dockerd option, without its dashes"),
        ("label", "KEY=VALUE", "label of the machine's engine"),
        ("env", "NAME=VALUE", "variable in the environment of dockerd, such as HTTPS_PROXY"),
        ("registry-mirror", "URL", "registry mirror ($ENGINE_REGISTRY_MIRROR)"),
        ("insecure-registry", "HOST", "registry to be reached without verified TLS"),
    ):
        parser.add_argument(f"--engine-{name}", action="append", metavar=metavar, help=text)
    mirrors = os.environ.get("ENGINE_REGISTRY_MIRROR", "")
    parser.set_defaults(engine_registry_mirror=[url for url in mirrors.split(",") if url] or None)
    parser.add_argument("--engine-storage-driver", metavar="NAME", help="dockerd's storage driver")
    driver = _driver(parser.words)
    group = parser.add_argument_group(f"driver {driver}")
    for flag in find(driver).create_flags():
        group.add_argument(
            f"--{flag.name}",
            action="append" if flag.repeatable else "store",
            metavar=flag.metavar,
            help=f"{flag.text} (${flag.env})",
        )


def _driver(words: list[str]) -> str:
    """The driver these words name: its flags have to be known before they can be parsed."""
    import os

    for place, word in enumerate(words):
        flag, equals, value = word.partition("=")
        if flag in ("-d", "--driver", "-driver"):
            return value if equals else "".join(words[place + 1 : place + 2])
    return os.environ.get("MACHINE_DRIVER") or "docker"


def run(app: App, options: argparse.Namespace) -> None:
    from dinv.cli import legacy

    legacy.check_create(options)
    given: dict[str, Any] = {key: value for key, value in vars(options).items() if value is not None}
    for key in ("name", "quiet", "debug", "storage_path", "rest"):
        given.pop(key, None)
    given = {**legacy.certificates(app.certificates), **given}
    given["driver"] = options.driver or _driver([])
    with app.interruptible(), app.machines.create(options.name, progress=app.progress(), **given) as machine:
        if options.quiet:
            print(machine.name)
            return
        context = f"     or     docker --context {machine.name} ps" if machine.has_context else ""
        print(f"To use it:   eval $({app.program} env {machine.name}){context}")
