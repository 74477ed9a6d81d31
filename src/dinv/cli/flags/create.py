"""The flags of `dinv create`, made from the table of options for the chosen driver, authority and so on.

Those that go with `--pool` are declared without that table, where the words have no others: it takes longer
to load than a machine of a pool takes to be claimed.
"""

from __future__ import annotations

from dinv.cli.arguments import APPEND, STORE, SWITCH, SWITCH_OFF

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping
    from typing import Any

    from dinv.cli.parser import Options, Parser
    from dinv.declaration import Option
    from dinv.options import Group, Table

_HELP = ("h", "help", "help-all")
_STORE = ("s", "storage-path")
_SWARM = ("swarm", "swarm-master")
_OF_A_CLAIM: dict[str, dict[str, Any]] = {
    "--label": {"action": APPEND},
    "--no-context": {"action": SWITCH_OFF, "dest": "context"},
    "--ttl": {"action": STORE},
    "--idle-ttl": {"action": STORE},
    "--on-expiry": {"action": STORE},
    "--keep-cache-on-expiry": {"action": SWITCH},
    "--timeout": {"action": STORE, "type": "seconds"},
    "--keep-on-failure": {"action": SWITCH},
}
"""The options of a create that go with a pool (`dinv.pools.obtaining.OF_A_CLAIM`)."""
_OF_ALL = ("pool", "D", "debug", "s", "storage-path", "q", "quiet", "format", "progress")
_NOT_OPTIONS = (
    *("keep_cache", "cache_wait"),
    "name",
    "quiet",
    "debug",
    "storage_path",
    "rest",
    "format",
    "progress",
)
"""Names in the parser's result that are not for `Machines.create`."""


def add_arguments(parser: Parser, *, of_run: bool = False) -> None:
    """Declare all flags, and the name; `of_run`: those of a verb that names its machine by itself."""
    from dinv.cli import docker_machine_options

    if of_run:
        _add_those_of_a_run(parser)
        return
    parser.missing = "Error: No machine name specified"
    parser.extra = "Invalid command line. Found extra arguments [{extra}]"
    parser.whose = _whose
    docker_machine_options.create_arguments(parser)
    parser.add_argument("name")
    parser.set_rare("--debug", "--storage-path")
    if _is_claim(parser):
        for claims_flag, facts in _OF_A_CLAIM.items():
            parser.add_argument(claims_flag, default=None, **facts)
        others = []
    else:
        common, *others = _table(parser).groups
        _add_group(parser, common)
    parser.add_argument("--pool", metavar="POOL", help="take a machine that is ready in this pool")
    parser.set_rare("--pool")
    parser.add_format("print the machine: json, table, or a template")
    parser.add_progress("print only the machine's name")
    for group in others:
        _add_group(parser, group)


def _add_those_of_a_run(parser: Parser) -> None:
    from dinv.leases.running import LEASE_SECONDS, WITHOUT_MEANING

    parser.whose = _whose
    parser.set_rare("--debug", "--storage-path", "--context")
    common, *others = _table(parser).groups
    parser.add_argument("--pool", metavar="POOL", help="take a machine that is ready in this pool")
    parser.add_argument(
        "--ttl",
        metavar="DURATION",
        default=None,
        help=f"its lease, extended while the command runs: what a killed run leaves ends then "
        f"({LEASE_SECONDS // 60}m)",
    )
    parser.add_argument(
        "--context",
        action=SWITCH,
        default=None,
        help="write a docker context, and remove it with the machine",
    )
    # Those that mean nothing here are known, so that the library can say so.
    _add_group(parser, common, without=("ttl",), hidden=(*WITHOUT_MEANING, "context"))
    parser.add_progress("print nothing but errors, and what the command prints")
    for group in others:
        _add_group(parser, group)


def _is_claim(parser: Parser) -> bool:
    """Whether the words are of a claim, and have no flags but those that go with it."""
    flags = {word.lstrip("-").partition("=")[0] for word in parser.words if word.startswith("-")}
    known = {each.lstrip("-") for each in _OF_A_CLAIM}
    return parser.store is not None and "pool" in flags and flags <= known.union(_OF_ALL)


def add_options(parser: Parser, *, without: Container[str] = ()) -> None:
    """Declare the flags of a create's options alone, by keyword, for another verb that takes them."""
    parser.whose = _whose
    for group in _table(parser).groups:
        _add_group(parser, group, without=without)


def _table(parser: Parser) -> Table:
    """Return the options for the driver and so on that the words, the variables and the store name.

    Without a store, as for the reference, it says nothing. A help does not fail on a bad config.toml.
    """
    import os

    from dinv.errors import InputError
    from dinv.options import Table
    from dinv.store.settings import Defaults
    from dinv.store.store import Store

    chosen = named(parser.words)
    if parser.store is None:
        return Table.chosen(chosen, os.environ)
    at = _values(parser.words, {f"{dash}{name}": "" for dash in ("-", "--") for name in _STORE})
    try:
        defaults = Defaults.of(Store(at.get("") or parser.store or None).path)
        return Table.chosen(chosen, os.environ, defaults)
    except InputError:
        if not any(word.lstrip("-") in _HELP for word in parser.words):
            raise
        return Table.chosen(chosen, os.environ)


def _add_group(
    parser: Parser, group: Group, *, without: Container[str] = (), hidden: Container[str] = ()
) -> None:
    # Group titles are only for the help; all flags are parsed together.
    secrets = "; ".join(f"${option.env}: {option.text}" for option in group.options if option.secret)
    title = f"{group.title} ({secrets})" if secrets else group.title
    shown = parser.add_argument_group(title) if group.seam and not group.implied else parser
    for option in group.options:
        if option.secret or option.key in without:
            continue
        flags, facts = flag(option)
        facts["hidden"] = option.hidden or option.key in hidden
        shown.add_argument(*flags, **facts)
        if option.values:
            parser.known[option.flag] = option.values
        if option.rare and not facts["hidden"]:
            parser.set_rare(option.flag)


def flag(option: Option, *, environment: bool = True) -> tuple[list[str], dict[str, Any]]:
    """Return an option's flags, and the parser's other arguments; `environment`: its variables are read."""
    flags = [*([f"-{option.short}"] if option.short else []), option.flag]
    return flags, _facts(option, option.envs if environment else ())


def _facts(option: Option, names: Iterable[str]) -> dict[str, Any]:
    from dinv.declaration import SECONDS
    from dinv.declaration import SWITCH as IS_SWITCH

    variables = ", ".join(f"${name}" for name in names)
    text = f"{option.text} ({variables})" if variables else option.text
    facts = {"dest": option.key, "help": text, "hidden": option.hidden, "default": None}
    if option.type == IS_SWITCH:
        return {**facts, "action": SWITCH_OFF if option.off else SWITCH}
    return {
        **facts,
        "type": "seconds" if option.type == SECONDS else "",
        "action": APPEND if option.repeatable else STORE,
        "metavar": option.metavar,
    }


def given(options: Options, before: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments for `Machines.create`: flags by keyword; `before` are those before the verb."""
    found = {name.replace("-", "_"): value for name, value in before.items()}
    found |= {key: value for key, value in vars(options).items() if value is not None}
    return {key: value for key, value in found.items() if key not in _NOT_OPTIONS}


def named(words: Iterable[str]) -> dict[str, str]:
    """Return the driver and so on that words name: their flags must be known before parsing the rest.

    docker-machine's switches of swarms choose a provisioner, too.
    """
    from dinv import plugins
    from dinv.authorities import IMPLIED
    from dinv.options import CHOICES, CONTRACT

    words = list(words)
    if "--" in words:  # what follows is no flag
        words = words[: words.index("--")]
    flags = {f"{dash}{option.name}": option.key for option in CHOICES for dash in ("-", "--")}
    flags |= {f"-{option.short}": option.key for option in CHOICES if option.short}
    flags |= {f"{dash}{CONTRACT.replace('_', '-')}": CONTRACT for dash in ("-", "--")}
    implied = [option for target in IMPLIED.values() for option in plugins.load(target)]
    flags |= {f"{dash}{option.name}": option.key for option in implied for dash in ("-", "--")}
    found = _values(words, flags)
    switches = {f"{dash}{name}": name.replace("-", "_") for name in _SWARM for dash in ("-", "--")}
    found |= {switches[word]: "true" for word in words if word in switches}
    return found


def _values(words: Iterable[str], flags: Mapping[str, str]) -> dict[str, str]:
    """Return the values of some flags among words, by what `flags` has for them."""
    found: dict[str, str] = {}
    words = iter(words)
    for word in words:
        flag, equals, value = word.partition("=")
        if flag in flags:
            found[flags[flag]] = value if equals else next(words, "")
    return found


def _whose(name: str) -> str:
    """Return advice about a flag that create does not have: whose it is, "" if it is nobody's."""
    from dinv.options import elsewhere, owners

    key = name.replace("-", "_")
    what, names = owners(key)
    if not names:
        return ""
    value = names[0] if len(names) == 1 else what.rpartition(" ")[2].upper()
    return f"It is an option of {elsewhere(key)}: --{what.replace(' ', '-')} {value}"
