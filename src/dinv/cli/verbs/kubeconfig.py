"""`dinv kubeconfig`: for kubectl."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("name", nargs="?")
    parser.add_argument("--path", action="store_true", help="print the path of the file, not its content")
    parser.add_argument("--merge", action="store_true", help="put it into your own kubeconfig, as a context")
    parser.add_argument("--into", metavar="FILE", help="merge: into this, not $KUBECONFIG or ~/.kube/config")
    parser.add_argument("--use", action="store_true", help="merge: make its context the current one")
    parser.add_argument("-q", "--quiet", action="store_true", help="merge: print nothing but errors")


def run(app: App, options: Options) -> None:
    progress = app.progress()
    with app.machine(options.name) as machine:
        if options.merge or options.into or options.use:
            file, context = machine.merge_kubeconfig(options.into or "", use=options.use or None)
            progress.line("Kubeconfig", f"{file}, context {context}", "merged")
        elif options.path:
            print(machine.kubeconfig_path())
        else:
            sys.stdout.write(machine.kubeconfig())
