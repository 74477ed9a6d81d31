"""The table of options: what `create` accepts for a choice of driver, provisioner, authority and contract.

Each of these declares its own options (`dinv.declaration`); those of every create are declared here. The
flags of the command line, the keyword arguments of `Machines.create`, shell completion and docs/create.md
read this table.

    defaults = Defaults.of(store.path)
    table = options.Table.chosen(given, os.environ, defaults)
    values = table.values(given, os.environ)
"""

from __future__ import annotations

from dinv import authorities, drivers, images, plugins, provisioners
from dinv.declaration import CHOICE, DURATION, PAIRS, SECONDS, SWITCH, Option, values
from dinv.errors import InputError, PluginNotFound
from dinv.provisioners import classic_swarm, swarm_options
from dinv.store import lease
from dinv.store.settings import Defaults
from dinv.timeouts import SERVE_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

DRIVER = Option(
    "driver",
    "MACHINE_DRIVER",
    "driver: docker, none, or a plugin's",
    metavar="NAME",
    short="d",
    default="docker",
)
PROVISIONER = Option(
    "provisioner",
    "DINV_PROVISIONER",
    "what sets the machine up: docker, swarm, datacenter, kubernetes, none, or a plugin's (default: as the "
    "driver has it)",
    metavar="NAME",
    rare=True,
)
AUTHORITY = Option(
    "authority",
    "DINV_AUTHORITY",
    "what signs its certificates: local, a CA of its own; shared, a CA of yours; exec, a command; "
    "cfssl; step; vault; or a plugin's (default: local, or shared where --tls-ca-cert is given)",
    metavar="NAME",
    rare=True,
)
TIMEOUT = Option(
    "timeout",
    "",
    f"for the daemon to answer ({SERVE_SECONDS:g})",
    type=SECONDS,
    metavar="SECONDS",
    default=SERVE_SECONDS,
)
_DAY = 86400
CERT_LIFETIME = Option(
    "cert-lifetime",
    "DINV_CERT_LIFETIME",
    "how long certificates are valid, from 5m to 3650d (default: as the authority has it; local 825d)",
    type=DURATION,
    metavar="DURATION",
    rare=True,
    bounds=(300, 3650 * _DAY),
)
CA_LIFETIME = Option(
    "ca-lifetime",
    "DINV_CA_LIFETIME",
    "how long a CA that is made for it is valid, from 1h to 36500d (default: 3650d)",
    type=DURATION,
    metavar="DURATION",
    rare=True,
    bounds=(3600, 36500 * _DAY),
)
TTL = Option(
    "ttl",
    "DINV_TTL",
    "how long it is wanted, such as 8h: then it is removed, or stopped",
    type=DURATION,
    metavar="DURATION",
    bounds=(60, lease.LONGEST_SECONDS),
)
LEASE = (
    TTL,
    Option(
        "idle-ttl",
        "DINV_IDLE_TTL",
        "how long it may be unused, without a client's connection and a running container",
        type=DURATION,
        metavar="DURATION",
        rare=True,
        bounds=(60, lease.LONGEST_IDLE_SECONDS),
    ),
    Option(
        "on-expiry",
        "",
        "what happens then: remove, or stop (default: remove)",
        type=CHOICE,
        metavar="WHAT",
        rare=True,
        values=lease.ON_EXPIRY,
    ),
    Option(
        "keep-cache-on-expiry",
        "",
        "its cache volume stays when it is removed then",
        type=SWITCH,
        default=False,
        rare=True,
    ),
)
"""Until when it is wanted."""
CACHE_WAIT = Option(
    "cache-wait",
    "",
    "wait for another run that has the same cache, for so long (1h)",
    type=DURATION,
    metavar="DURATION",
    default=3600,
    bounds=(0, 86400),
)
"""Of `run`."""
WARN_BEFORE = Option(
    "warn-before",
    "",
    "tell hooks of an end that comes within this time (an hour, or a quarter of the lease)",
    type=DURATION,
    metavar="DURATION",
    bounds=(0, lease.LONGEST_SECONDS),
)
"""Of `reap`."""
EXTENSION = Option(
    "duration", "", "how long it is wanted from now on", type=DURATION, bounds=(60, lease.LONGEST_SECONDS)
)
"""What `extend` takes."""
CHOICES = (DRIVER, PROVISIONER, AUTHORITY)
COMMON = (
    *CHOICES,
    TIMEOUT,
    Option(
        "keep-on-failure",
        "",
        "leave what was made when it fails",
        type=SWITCH,
        default=False,
        rare=True,
    ),
    Option(
        "context",
        "",
        "write no docker context",
        type=SWITCH,
        default=True,
        off="no-context",
        rare=True,
    ),
    Option(
        "tls-san",
        "",
        "further name or address in the server certificate",
        repeatable=True,
        metavar="NAME",
        rare=True,
    ),
    CERT_LIFETIME,
    CA_LIFETIME,
    Option(
        "registry-ca",
        "",
        "CA certificate of a private registry",
        type=PAIRS,
        metavar="HOST=FILE",
        rare=True,
    ),
    Option(
        "registry-cache",
        "DINV_REGISTRY_CACHE",
        "registry cache to pull images through, on the same endpoint",
        metavar="CACHE",
        rare=True,
    ),
    *LEASE,
    *swarm_options.OPTIONS,
)
"""The options of every create."""

_OF_MACHINES_MADE_HERE = (
    *("cert_lifetime", "ca_lifetime", "registry_cache", "registry_ca"),
    *(option.key for option in LEASE),
)
"""Those of COMMON that mean nothing for a machine that dinv only records."""

OF_CREATE_ITSELF = ("pool",)
"""Keywords of `create` that say where a machine is from, and are in no group."""

CONTRACT = "image_contract"
"""The keyword of the option of drivers with images that names a contract."""

SEAMS = (drivers.SEAM, provisioners.SEAM, authorities.SEAM, images.SEAM)


class Group:
    """Options that belong together, such as those of the driver "docker", or the common ones.

    `seam` is "driver", `name` "docker"; both are "" for the common ones. Giving one of the `implied` options
    chooses this group.
    """

    def __init__(self, seam: str, name: str, options: Sequence[Option], *, implied: bool = False) -> None:
        self.seam = seam
        self.name = name
        self.options = tuple(options)
        self.implied = implied

    @property
    def title(self) -> str:
        """Return a name such as "driver docker"; "" for the common ones."""
        return f"{self.seam} {self.name}".strip()


class Values:
    """The effective choices and values of one create: each seam's choice, and its values by keyword, checked.

    `provisioner` and `authority` are "" if none is named.
    """

    def __init__(self, by_seam: Mapping[str, dict[str, Any]], *, provisioner: str, authority: str) -> None:
        self.common = by_seam.get("", {})
        self.driver_values = by_seam.get("driver", {})
        self.provisioner_values = by_seam.get("provisioner", {})
        self.authority_values = by_seam.get("authority", {})
        self.contract_values = by_seam.get("image contract", {})
        self.driver = str(self.common["driver"])
        self.provisioner = provisioner
        self.authority = authority


class Table:
    """The options of a create, for one choice. Raises InputError for an unknown name."""

    def __init__(
        self,
        *,
        driver: str = "",
        provisioner: str = "",
        authority: str = "",
        image_contract: str = "",
        defaults: Defaults | None = None,
    ) -> None:
        self.defaults = defaults or Defaults()
        self.driver = driver or str(DRIVER.default)
        found = drivers.find(self.driver)
        self.provisioner = provisioner or found.provisioner
        self.groups = [Group("", "", COMMON)]
        self._by_key = {option.key: self.groups[0] for option in COMMON}
        self._add(Group("driver", self.driver, found.create_flags()))
        self._add(Group("provisioner", self.provisioner, provisioners.find(self.provisioner).create_flags()))
        if authority:
            self._add(Group("authority", authority, authorities.find(authority).create_flags()))
        else:
            for name, target in authorities.IMPLIED.items():
                self._add(Group("authority", name, plugins.load(target), implied=True))
        if image_contract and CONTRACT in self._by_key:
            contract = images.load(image_contract)
            self._add(Group("image contract", image_contract, contract.create_flags()))

    @classmethod
    def chosen(
        cls, given: Mapping[str, Any], environ: Mapping[str, str], defaults: Defaults | None = None
    ) -> Table:
        """Return the table for the names in `given`, by keyword, in the variables, or in `defaults`.

        Raises InputError.
        """
        defaults = defaults or Defaults()
        try:
            return cls._chosen(given, environ, defaults)
        except PluginNotFound as error:
            key = error.what.replace(" ", "-")
            if defaults.says(key, error.name):
                raise defaults.refused(key, f"is not one. {error}") from error
            raise

    @classmethod
    def _chosen(cls, given: Mapping[str, Any], environ: Mapping[str, str], defaults: Defaults) -> Table:
        filled = defaults.fill([DRIVER], given, environ)
        driver = drivers.find(str(DRIVER.value(filled.get("driver") or None, environ)))
        filled = defaults.fill(_choosable(driver, given, environ), filled, environ)
        names = {
            option.key: str(option.value(filled.get(option.key) or None, environ) or "") for option in CHOICES
        }
        if driver.provisioned and classic_swarm.wanted(given):
            names["provisioner"] = names["provisioner"] or classic_swarm.PROVISIONER
        for option in driver.create_flags():
            if option.key == CONTRACT:
                filled = defaults.fill([option], given, environ)
                names[CONTRACT] = str(option.value(filled.get(CONTRACT), environ) or "")
        return cls(**names, defaults=defaults)

    def __iter__(self) -> Iterator[Option]:
        for group in self.groups:
            yield from group.options

    def _add(self, group: Group) -> None:
        keys = [option.key for option in group.options]
        taken = [key for key in keys if key in self._by_key or key in OF_CREATE_ITSELF]
        if taken and group.implied:
            return  # these names mean another group's options
        if taken:
            owner = self._by_key.get(taken[0])
            other = (owner.title if owner is not None else "") or "create itself"
            raise InputError(
                f'The {group.title} and {other} both have an option "{taken[0]}": they cannot be used '
                f"together"
            )
        self.groups.append(group)
        self._by_key.update({option.key: group for option in group.options})

    def values(self, given: Mapping[str, Any], environ: Mapping[str, str]) -> Values:
        """Return the effective values of a create given these keywords; None counts as not given.

        Raises OptionError, and InputError for an unknown keyword.
        """
        unknown = [key for key in given if key not in self._by_key]
        if unknown:
            raise InputError(self.unknown(unknown[0]))
        self._check_defaults()
        driver = drivers.find(self.driver)
        fillable = [DRIVER, *_choosable(driver, given, environ)]
        for group in self.groups:
            if driver.provisioned or not group.implied:
                fillable += [option for option in group.options if option not in CHOICES]
        if not driver.provisioned:
            fillable = [option for option in fillable if option.key not in _OF_MACHINES_MADE_HERE]
        given = self.defaults.fill(fillable, given, environ)
        by_seam: dict[str, dict[str, Any]] = {}
        authority = str(AUTHORITY.value(given.get("authority") or None, environ) or "")
        for group in self.groups:
            # "" names nothing: `driver=""` is the default.
            wanted = {key: value for key, value in given.items() if value != "" or group.seam}
            found = values(group.options, wanted, environ)
            if group.implied:
                found = {key: value for key, value in found.items() if value}
                if not found:
                    continue
                authority = group.name
            by_seam[group.seam] = found
        provisioner = str(by_seam[""]["provisioner"] or "")
        if driver.provisioned and classic_swarm.wanted(by_seam[""]):
            provisioner = self.provisioner
        return Values(by_seam, provisioner=provisioner, authority=authority)

    def _check_defaults(self) -> None:
        """Raise InputError for a default of no option at all; those of other drivers and so on are left."""
        for key in self.defaults.unknown(self):
            if not elsewhere(key.replace("-", "_")):
                from dinv.suggestions import did_you_mean

                meant = did_you_mean(key, [option.name for option in self])
                raise self.defaults.refused(key, f"is no option of create. {meant}".rstrip(" "))

    def unknown(self, key: str) -> str:
        """Return advice about an unknown keyword: whose option it is, or which was meant."""
        from dinv.suggestions import did_you_mean

        whose = elsewhere(key)
        hint = f"It is an option of {whose}" if whose else did_you_mean(key, self._by_key)
        said = f'With the driver "{self.driver}" there is no option "{key}" of create'
        return f"{said}. {hint}" if hint else said


def _choosable(
    driver: type[drivers.Driver], given: Mapping[str, Any], environ: Mapping[str, str]
) -> list[Option]:
    """Return the CHOICES, besides the driver, that a store's defaults may make.

    An option that implies an authority, given or in its variable, means that one, whatever the store says.
    What a store says of authorities is not meant for machines that dinv does not set up.
    """
    if not driver.provisioned:
        return []
    implied = [option for target in authorities.IMPLIED.values() for option in plugins.load(target)]
    means_one = any(given.get(option.key) or option.variable(environ) for option in implied)
    return [PROVISIONER] if means_one else [PROVISIONER, AUTHORITY]


def changeable(environ: Mapping[str, str]) -> list[Option]:
    """Return the options of `dinv set`: of the driver in its variable, or docker, and its provisioner's."""
    found = drivers.find(str(DRIVER.value(None, environ)))
    common = [option for option in COMMON if option.key == "registry_cache"]
    return [*found.change_flags(), *provisioners.find(found.provisioner).change_flags(), *common]


def owners(key: str) -> tuple[str, list[str]]:
    """Return whose option a keyword is: a kind, such as "driver", and names; "" and none if nobody's.

    Only for error messages: it loads everything that is installed.
    """
    for seam in SEAMS:
        names = []
        for name in seam.known():
            try:
                found = seam.find(name)
                # Some have two names.
                if found.name not in names and key in [option.key for option in found.create_flags()]:
                    names.append(str(found.name))
            except Exception:  # noqa: BLE001, S112  (somebody else's package: this is not the place to say so)
                continue
        if names:
            return seam.what, names
    return "", []


def elsewhere(key: str) -> str:
    """Return whose option a keyword is, such as 'the driver "none"'; "" if it is nobody's; see `owners`."""
    what, names = owners(key)
    if not names:
        return ""
    return f"the {what}{'s' if len(names) > 1 else ''} " + ", ".join(f'"{name}"' for name in names)


def installed() -> list[plugins.Plugin]:
    """Return all drivers, provisioners, authorities and image contracts, built in or installed."""
    return [plugin for seam in SEAMS for plugin in seam.installed()]
