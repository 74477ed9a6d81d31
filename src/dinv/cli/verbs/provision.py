"""`dinv provision`."""

from __future__ import annotations

from dinv.cli import waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser
    from dinv.machine import Machine
    from dinv.progress import Progress


def arguments(parser: Parser) -> None:
    from dinv.timeouts import SERVE_SECONDS

    parser.add_argument(
        "--force-new-cluster",
        action="store_true",
        help="make a new cluster of this member of one that has lost its quorum, with all that it had",
    )
    parser.add_argument(
        "--cluster-image",
        metavar="IMAGE",
        default="",
        help="upgrade what makes its cluster, Docker Datacenter, to the version of this installer",
    )
    waiting.add_arguments(parser, SERVE_SECONDS)


def run(app: App, options: Options) -> int:
    def provision(machine: Machine, progress: Progress) -> None:
        machine.provision(
            force_new_cluster=options.force_new_cluster,
            cluster_image=options.cluster_image,
            progress=progress,
            timeout=options.timeout,
        )

    with app.interruptible():
        return waiting.run(app, options, "Provisioning", "provisioned", provision)
