"""The flags of `dinv create`: its own, and those of the driver that is named."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.parser import Parser

_RARE = [
    "--debug",
    "--storage-path",
    "--tls-san",
    "--engine-registry-mirror",
    "--registry-ca",
    "--keep-on-failure",
    "--no-context",
    "--tls-ca-cert",
    "--tls-ca-key",
    "--tls-client-cert",
    "--tls-client-key",
    "--engine-opt",
    "--engine-label",
    "--engine-env",
    "--engine-insecure-registry",
    "--engine-storage-driver",
]


def add_arguments(parser: Parser) -> None:
    """All flags, and the name."""
    import os

    from dinv.cli import docker_machine_options
    from dinv.drivers import find
    from dinv.timeouts import SERVE_SECONDS

    parser.missing = "Error: No machine name specified"
    parser.extra = "Invalid command line. Found extra arguments [{extra}]"
    docker_machine_options.create_arguments(parser)
    parser.add_argument("name")
    parser.add_argument(
        "-d", "--driver", metavar="NAME", help="driver: docker, none, or a plugin's ($MACHINE_DRIVER)"
    )
    parser.add_format("print the machine: json, table, or a template")
    parser.add_progress("print only the machine's name")
    parser.add_argument(
        "--timeout", type="seconds", metavar="SECONDS", help=f"for the daemon to answer ({SERVE_SECONDS:g})"
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
    docker_machine_options.certificate_arguments(parser)
    parser.add_argument(
        "--registry-ca",
        action="append",
        metavar="HOST=FILE",
        help="CA certificate of a private registry",
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
    parser.set_rare(*_RARE)
    driver = driver_named(parser.words)
    group = parser.add_argument_group(f"driver {driver}")
    for flag in find(driver).create_flags():
        group.add_argument(
            *([f"-{flag.short}"] if flag.short else []),
            f"--{flag.name}",
            action="append" if flag.repeatable else "store",
            metavar=flag.metavar,
            help=f"{flag.text} (${flag.env})",
        )
        parser.known[f"--{flag.name}"] = flag.values
        if flag.rare:
            parser.set_rare(f"--{flag.name}")


def driver_named(words: list[str]) -> str:
    """The driver these words name: its flags have to be known before they can be parsed."""
    import os

    for place, word in enumerate(words):
        flag, equals, value = word.partition("=")
        if flag in ("-d", "--driver", "-driver"):
            return value if equals else "".join(words[place + 1 : place + 2])
    return os.environ.get("MACHINE_DRIVER") or "docker"
