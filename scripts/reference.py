#!/usr/bin/env python3
"""Write the command line's reference, docs/cli.md and man/*.1, from the parsers that read command lines.

And the JSON Schema of files of machines, from the declarations of their options.

    scripts/reference.py           writes them
    scripts/reference.py --check   writes nothing; exits with 1 where they are not what it would write

What stands in them comes from the parsers alone, so whatever a seam declares is in them too. Plugins that
happen to be installed are not: the pages are those of dinv.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import re
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from dinv.cli.arguments import Argument, Grammar
    from dinv.cli.parser import Parser

CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

SEAMS = (
    ("--driver", "dinv.drivers"),
    ("--authority", "dinv.authorities"),
    ("--provisioner", "dinv.provisioners"),
    ("--image-contract", "dinv.images"),
)
"""Flags of `create` that name an implementation, and the package that knows which there are."""

PAGES = {
    "apply": "apply.md",
    "delete": "apply.md",
    "diff": "apply.md",
    "adopt": "dch-photon.md",
    "completion": "completion.md",
    "create": "create.md",
    "engine": "endpoints.md",
    "env": "docker-machine.md",
    "export": "day2.md",
    "forward": "endpoints.md",
    "import": "day2.md",
    "inspect": "formats.md",
    "link": "docker-machine.md",
    "load": "day2.md",
    "ls": "formats.md",
    "mount": "files-and-commands.md",
    "provision": "day2.md",
    "regenerate-certs": "certificates.md",
    "scp": "files-and-commands.md",
    "ssh": "files-and-commands.md",
    "ssh-config": "ssh.md",
    "upgrade": "day2.md",
}
"""By verb: the page that says more."""

STATUSES = (
    ("0", "done"),
    ("1", "an error, which is told on standard error"),
    ("2", "an error of `diff`, for which 1 says that there are differences"),
    ("3", "`create` or `adopt` found that it cannot be done, and has made nothing"),
    ("130, 143", "ended by Ctrl-C or SIGTERM, with what was begun undone"),
    ("others", "those of the command that `ssh` has run in the machine, of rsync and of sshfs"),
)

VARIABLES = (
    ("MACHINE_STORAGE_PATH", "the store, in place of `~/.docker/machine`"),
    ("DINV_NO_AUTO_RENEW", "1: client certificates are not renewed by themselves"),
    ("MACHINE_DEBUG", "`1`: as with `--debug`"),
    ("DOCKER_HOST", "with DOCKER_TLS_VERIFY and DOCKER_CERT_PATH: the endpoint, where none is named"),
    ("DOCKER_CONTEXT", "the docker context that is the endpoint, where there is no DOCKER_HOST"),
    ("DOCKER_CONFIG", "the directory of docker's own files, in place of `~/.docker`"),
    ("NO_COLOR", "no colours"),
    ("SOURCE_DATE_EPOCH", "`image build`: the image's date, in seconds since 1970"),
)
"""Those that no flag's help names."""

_VARIABLE = re.compile(r" ?\(\$([A-Z_]+(?:, \$[A-Z_]+)*)(?:; ([^()]+))?\)$")


class Option(NamedTuple):
    """One flag: its names with dashes, its value's name ("" without one), its variables, what it does."""

    names: tuple[str, ...]
    metavar: str
    variables: tuple[str, ...]
    text: str
    repeatable: bool = False


class Verb(NamedTuple):
    """A verb as its parser has it. `groups` are further options by title, those of seams say."""

    name: str
    text: str
    usage: str
    arguments: tuple[tuple[str, str], ...]
    options: tuple[Option, ...]
    groups: tuple[tuple[str, tuple[Option, ...]], ...]
    examples: tuple[tuple[str, str], ...]


def main(words: list[str]) -> int:
    """Write the pages, or compare them; returns the exit status."""
    if words not in ([], ["--check"]):
        sys.stderr.write("usage: scripts/reference.py [--check]\n")
        return 2
    stale = []
    for name, text in pages().items():
        path = os.path.join(CHECKOUT, name)
        if _read(path) == text:
            continue
        stale.append(name)
        if not words:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
    if words and stale:
        sys.stderr.write(f"{', '.join(stale)}: not what the parsers say. Run scripts/reference.py\n")
    return 1 if words and stale else 0


def pages() -> dict[str, str]:
    """The pages by their paths in the checkout."""
    _forget_surroundings()
    verbs = all_verbs()
    return {
        "docs/cli.md": markdown(verbs),
        "man/dinv.1": manual(verbs),
        "man/dinv-create.1": manual_of_create(verbs["create"]),
        **dict.fromkeys(("docs/dinv.schema.json", "src/dinv/declared/dinv.schema.json"), json_schema()),
    }


def json_schema() -> str:
    """What `dinv apply --schema` prints where no plugin is installed."""
    from dinv.declared.kinds import fleet
    from dinv.declared.schema import schema

    return json.dumps(schema(fleet()), indent=2) + "\n"


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _forget_surroundings() -> None:
    """Variables, plugins and the terminal have no part in the pages."""
    for name in list(os.environ):
        if name.startswith(("DINV_", "MACHINE_", "ENGINE_", "DOCKER_")):
            del os.environ[name]
    os.environ["COLUMNS"] = "100"
    setattr(importlib.metadata, "entry_points", lambda **_: ())  # noqa: B010  (not the type that it has)


# What the parsers say


def all_verbs() -> dict[str, Verb]:
    """Every verb, in the order of `dinv help`."""
    from dinv.cli.verbs.help import grouped

    return {name: _verb(name) for _, names in grouped() for name in names}


def _parser(verb: str, words: list[str]) -> Parser:
    from dinv.cli import parser as parsers
    from dinv.cli.verbs import VERBS, module_name

    parser = parsers.Parser("dinv", verb, VERBS[verb], words)
    importlib.import_module(module_name(verb)).arguments(parser)
    return parser


def _verb(name: str) -> Verb:
    from dinv.cli.help_examples import EXAMPLES
    from dinv.cli.verbs import VERBS

    parser = _parser(name, [])
    usage = parser.format_help().partition("\n\n")[0].removeprefix("Usage: ")
    found = _groups(parser)
    options = found.pop("options", ())
    for title, extra in _seams(name, parser).items():
        found.setdefault(title, extra)
    return Verb(
        name=name,
        text=VERBS[name],
        usage=" ".join(usage.split()),
        arguments=_arguments(parser),
        options=options,
        groups=tuple(found.items()),
        examples=EXAMPLES.get(name, ()),
    )


def _seams(verb: str, parser: Grammar) -> dict[str, tuple[Option, ...]]:
    """The groups that a verb's parser has where another driver, authority, ... is named on the line.

    What has the same options, as one thing with two names, is one group: `driver ci-test or none`.
    """
    found: dict[tuple[Option, ...], str] = {}
    taken = {name for options in _groups(parser).values() for option in options for name in option.names}
    for flag, module in SEAMS:
        if flag not in parser.by_flag():
            continue
        known = getattr(importlib.import_module(module), "known", None)
        for name in known() if known else ():
            for title, options in _groups(_parser(verb, [flag, name])).items():
                new = tuple(option for option in options if not taken.issuperset(option.names))
                if new and title != "options":
                    before = found.get(new, "")
                    found[new] = f"{before} or {title.rpartition(' ')[2]}" if before else title
    return {title: options for options, title in found.items()}


def _groups(parser: Grammar) -> dict[str, tuple[Option, ...]]:
    """The options of a parser by the title of their group; without those that the help leaves out."""
    found = {}
    for group in parser.groups:
        options = tuple(
            _option(argument) for argument in group.arguments if argument.flags and not argument.hidden
        )
        if options:
            found[group.title or ""] = options
    return found


def _option(argument: Argument) -> Option:
    text = argument.help
    variable = _VARIABLE.search(text)
    if variable:
        text = text[: variable.start()] + (f" ({variable[2]})" if variable[2] else "")
    if argument.dest == "help":
        text = "show this help"
    metavar = argument.value_name if argument.takes_value else ""
    names = tuple(sorted(argument.flags, key=len))
    variables = tuple(variable[1].split(", $")) if variable else ()
    return Option(names, metavar, variables, text, argument.action == "append")


def _arguments(parser: Grammar) -> tuple[tuple[str, str], ...]:
    return tuple(
        (argument.value_name, argument.help)
        for argument in parser.positionals()
        if argument.help and not argument.hidden
    )


def _everywhere(verbs: dict[str, Verb]) -> tuple[Option, ...]:
    """Those that `dinv.cli.app` adds to every verb's own, and the help, which every parser has."""
    own_help = next(option for option in verbs["ls"].options if "--help" in option.names)
    return (
        Option(("-s", "--storage-path"), "DIR", ("MACHINE_STORAGE_PATH",), "the store (~/.docker/machine)"),
        Option(
            ("-D", "--debug"), "", ("MACHINE_DEBUG",), "show every API call with its time, without secrets"
        ),
        own_help,
    )


def _own(verb: Verb) -> tuple[Option, ...]:
    return tuple(option for option in verb.options if "--help" not in option.names)


# docs/cli.md

_INTRODUCTION = """\
# Command line

<!-- Written by scripts/reference.py from the parsers of the verbs: change those, and run it. -->

Every verb with its options, as `dinv VERB --help-all` shows them. Flags may stand anywhere on the line,
behind names too; `-flag` is `--flag`, `--f` is `-f`, and a switch may have a value (`--force=false`). Where a
machine's name may be left out, `default` is meant. An option with a variable takes its value from there when
it is not on the line.
"""


def markdown(verbs: dict[str, Verb]) -> str:
    """The page."""
    from dinv.cli.verbs.help import grouped

    lines = [_INTRODUCTION, "| verb | |", "|---|---|"]
    for _, names in grouped():
        lines += [f"| [`{name}`](#{name}) | {_cell(verbs[name].text)} |" for name in names]
    lines += ["", "## Before every verb, and behind it", "", *_options_table(_everywhere(verbs))]
    lines += ["", "`-v`, `--version`, before or in place of a verb, prints the version.", ""]
    lines += ["## Exit statuses", "", "| status | |", "|---|---|"]
    lines += [f"| {status} | {text} |" for status, text in STATUSES]
    lines += ["", "## Variables", "", "Beside those of the options:", "", "| variable | |", "|---|---|"]
    lines += [f"| `{name}` | {text} |" for name, text in VARIABLES]
    for verb in verbs.values():
        lines += ["", *_markdown_of(verb)]
    return "\n".join(lines) + "\n"


def _markdown_of(verb: Verb) -> list[str]:
    page = PAGES.get(verb.name)
    more = f" More: [{page}]({page})." if page else ""
    lines = [f"## {verb.name}", "", f"{verb.text}.{more}", "", "```text", verb.usage, "```"]
    if verb.arguments:
        lines += ["", "| argument | |", "|---|---|"]
        lines += [f"| `{_cell(name)}` | {_cell(text)} |" for name, text in verb.arguments]
    if _own(verb):
        lines += ["", *_options_table(_own(verb))]
    for title, options in verb.groups:
        lines += ["", f"Of the {title}:", "", *_options_table(options)]
    if verb.examples:
        lines += ["", "Examples:", ""]
        lines += [f"- `{line}`: {text}" for line, text in verb.examples]
    return lines


def _options_table(options: tuple[Option, ...]) -> list[str]:
    lines = ["| option | variable | |", "|---|---|---|"]
    for option in options:
        names = ", ".join(f"`{name}`" for name in option.names[:-1])
        last = f"`{_cell(f'{option.names[-1]} {option.metavar}'.strip())}`"
        shown = f"{names}, {last}" if names else last
        variable = ", ".join(f"`{name}`" for name in option.variables)
        again = "; may be repeated" if option.repeatable else ""
        lines.append(f"| {shown} | {variable} | {_cell(option.text)}{again} |")
    return lines


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


# man/*.1: man(7), as mandoc and groff take it


def manual(verbs: dict[str, Verb]) -> str:
    """dinv(1)."""
    from dinv.cli.verbs.help import grouped

    lines = _title("DINV", "dinv", "Docker hosts on a Docker API endpoint you already have")
    lines += [".B dinv", ".RI [ OPTIONS ]", ".I VERB", ".RI [ ARGUMENTS ]"]
    lines += [
        ".SH DESCRIPTION",
        _roff(
            "dinv makes machines: containers with a whole Docker daemon in them, each with an image cache "
            "and certificates of its own, on an endpoint that speaks the Docker API: a Docker Engine, "
            "Podman, or a Virtual Container Host of vSphere Integrated Containers. Commands, words and "
            "store are those of docker-machine."
        ),
        ".PP",
        _roff(
            "Flags may stand anywhere on the line. Where a machine's name may be left out, default is meant."
        ),
    ]
    lines += [".SH OPTIONS", "These may stand before the verb and behind it."]
    lines += _manual_options(_everywhere(verbs))
    lines += [".TP", f"{_bold('-v')}, {_bold('--version')}", "Print the version (before a verb only)."]
    lines += [".SH VERBS"]
    for title, names in grouped():
        lines += [f".SS {_roff(title)}"]
        for name in names:
            lines += [".TP", _bold(name), f"{_roff(verbs[name].text)}."]
    lines += [".SH OPTIONS OF THE VERBS"]
    for verb in verbs.values():
        lines += [f".SS {_roff(verb.name)}", ".nf", _bold(verb.usage), ".fi", ".PP", _roff(f"{verb.text}.")]
        if verb.name == "create":
            lines += [".PP", "See", ".BR dinv-create (1)."]
            continue
        for argument, text in verb.arguments:
            lines += [".TP", _italic(argument), _roff(text)]
        lines += _manual_options(_own(verb))
    lines += [".SH EXIT STATUS"]
    for status, text in STATUSES:
        lines += [".TP", _roff(status), _roff(text.replace("`", ""))]
    lines += [".SH ENVIRONMENT", "The variables of options stand beside them. Also:"]
    for name, text in VARIABLES:
        lines += [".TP", _bold(name), _roff(text.replace("`", ""))]
    directory = _bold("~/.docker/machine/machines/NAME")
    lines += [".SH FILES", ".TP", directory, "A machine: its record and certificates."]
    lines += [".SH EXAMPLES", *_manual_examples(verbs)]
    lines += [".SH SEE ALSO", ".BR dinv-create (1),", ".BR docker (1)"]
    return "\n".join(lines) + "\n"


def manual_of_create(verb: Verb) -> str:
    """dinv-create(1)."""
    lines = _title("DINV-CREATE", "dinv-create", "make a machine: a Docker host of its own")
    lines += [".B dinv create", ".RI [ OPTIONS ]", ".I NAME", ".SH DESCRIPTION"]
    lines += [
        _roff(
            "Makes a machine, waits until its daemon answers with its certificates, and writes a docker "
            "context of its name. What fails is undone: nothing is left behind. An option that has a "
            "variable takes its value from there when it is not on the line."
        )
    ]
    lines += [".SH OPTIONS", *_manual_options(_own(verb))]
    for title, options in verb.groups:
        lines += [f".SS {_roff(f'Of the {title}')}", *_manual_options(options)]
    lines += [".SH EXIT STATUS"]
    for status, text in STATUSES[:-1]:
        lines += [".TP", _roff(status), _roff(text.replace("`", ""))]
    lines += [".SH EXAMPLES", *_manual_examples({verb.name: verb})]
    lines += [".SH SEE ALSO", ".BR dinv (1)"]
    return "\n".join(lines) + "\n"


def _title(title: str, name: str, text: str) -> list[str]:
    version, date = _release()
    return [
        '.\\" Written by scripts/reference.py from the parsers of the verbs.',
        f'.TH {title} 1 "{date}" "dinv {version}" "dinv"',
        ".SH NAME",
        f"{_roff(name)} \\- {_roff(text)}",
        ".SH SYNOPSIS",
    ]


def _release() -> tuple[str, str]:
    """The version, and the date of the newest release that CHANGELOG.md dates."""
    import dinv

    changes = _read(os.path.join(CHECKOUT, "CHANGELOG.md"))
    date = re.search(r"^## \S+ \((\d{4}-\d\d-\d\d)\)$", changes, re.MULTILINE)
    return dinv.__version__, date[1] if date else ""


def _manual_options(options: tuple[Option, ...]) -> list[str]:
    lines = []
    for option in options:
        names = ", ".join(_bold(name) for name in option.names)
        lines += [".TP", f"{names} {_italic(option.metavar)}" if option.metavar else names]
        again = "; may be repeated" if option.repeatable else ""
        variables = ", ".join(_bold(f"${name}") for name in option.variables)
        variable = f" ({variables})" if variables else ""
        lines.append(f"{_roff(option.text)}{again}{variable}")
    return lines


def _manual_examples(verbs: dict[str, Verb]) -> list[str]:
    lines = []
    for verb in verbs.values():
        for line, text in verb.examples:
            lines += [".TP", _bold(line), _roff(text)]
    return lines


def _bold(text: str) -> str:
    return f"\\fB{_roff(text)}\\fR"


def _italic(text: str) -> str:
    return f"\\fI{_roff(text)}\\fR"


def _roff(text: str) -> str:
    """Text as it is, whatever roff would make of its characters."""
    for character, written in (
        ("\\", "\\e"),
        ("-", "\\-"),
        ("'", "\\(aq"),
        ("`", "\\(ga"),
        ("^", "\\(ha"),
        ("~", "\\(ti"),
    ):
        text = text.replace(character, written)
    return f"\\&{text}" if text.startswith(".") else text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
