"""The verbs: one file each, with its arguments, one call of the library, and its output.

A verb's module has `arguments(parser)`, which adds its flags, and `run(app, options)`, which returns the
exit status or None for 0. Only the module of the verb in use is imported.
"""

from __future__ import annotations

VERBS = {
    "access": "Show who has access to a machine, or take it away",
    "active": "Print which machine is active",
    "adopt": "Turn a running dch-photon or dind container into a machine",
    "apply": "Make the machines that a file says",
    "audit": "Verify or print the audit log of a server",
    "cache": "Run pull-through registry caches for machines",
    "completion": "Print a script that completes commands in bash, zsh or fish",
    "config": "Print a machine's connection flags, for the docker CLI",
    "create": "Create a machine",
    "delete": "Remove what a file of machines has made",
    "df": "Show the disk usage of a machine's image cache",
    "diff": "Show what apply would do",
    "engine": "Run a private Docker engine on this computer",
    "env": "Print the commands that point the docker CLI at a machine",
    "export": "Write a machine with its keys to standard output, for import",
    "extend": "Have a machine's lease last longer",
    "forward": "Forward ports of this computer to ports of a machine",
    "help": "List the commands, or show the help of one",
    "image": "Build machine images, check, push and list them",
    "import": "Import an exported machine, or one of docker-machine's",
    "inspect": "Print everything known about a machine, as JSON",
    "ip": "Print the address of a machine",
    "kill": "Stop a machine at once",
    "kubeconfig": "Print a machine's kubeconfig, or put it into yours",
    "link": "Give dinv another name, such as docker-machine",
    "load": "Load images from an engine or a file into a machine",
    "login": "Log in to a dinv server, and have machines made there",
    "logout": "Forget the dinv server, and the token for it",
    "logs": "Print the output of a machine's init and daemon",
    "ls": "List machines",
    "mount": "Mount a machine's directory here, by sshfs",
    "plugins": "List drivers, provisioners, authorities, contracts and hooks",
    "pool": "Keep machines ready, to be claimed in no time",
    "provision": "Repair a machine, or finish one that is half made",
    "reap": "Stop or remove machines whose time is over",
    "regenerate-certs": "Give a machine new certificates",
    "renew": "Renew the certificates that are due",
    "restart": "Restart a machine",
    "rm": "Remove a machine",
    "run": "Run a command with a machine of its own",
    "scp": "Copy files to, from and between machines",
    "serve": "Run the server that gives a team machines",
    "set": "Change a machine's settings",
    "share": "Give somebody access to a machine, in one file",
    "ssh": "Run a command in a machine, or a shell",
    "ssh-config": "Print what plain ssh has to know of machines",
    "start": "Start a machine",
    "status": "Print the state of a machine",
    "stop": "Stop a machine",
    "swarm": "Show or change the key of a swarm's locked managers",
    "upgrade": "Recreate a machine from a newer image",
    "url": "Print the URL of a machine",
    "use": "Make a machine docker's default, in every shell",
    "version": "Print the version of dinv, or of a machine's daemon",
    "volume": "List, copy or remove the image caches of machines",
}
"""What is known of each verb before its module is loaded: its name, and a line of help."""


def module_name(verb: str) -> str:
    """Return the module of a verb: `regenerate_certs` of `regenerate-certs`; `import_` of `import`."""
    name = verb.replace("-", "_")
    return f"dinv.cli.verbs.{name}_" if name == "import" else f"dinv.cli.verbs.{name}"
