"""The options of a create."""

from __future__ import annotations

from dinv.errors import OptionError
from dinv.options import TIMEOUT
from dinv.provisioners import classic_swarm
from dinv.provisioners.swarm_options import OPTIONS as SWARM
from dinv.registries import ca as registry_ca
from dinv.store.lease import REMOVE, STOP, Lease
from dinv.timeouts import SERVE_SECONDS
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from dinv.options import Values


class CreateOptions:
    """The options of a create, apart from the name.

    `driver_values`, `provisioner_values`, `authority_values` and `contract_values` are values of the options
    that each of these declares, by keyword. `provisioner` is "" for the driver's usual one, `authority` ""
    for a CA of the machine's own. `swarm_options` are libmachine's, for a host that dinv only records;
    `registry_cas` PEM certificates by registry host; `registry_cache` the name of a cache, or ""; `timeout`
    is in seconds, for the daemon to answer.
    `cert_lifetime` and `ca_lifetime` are in seconds, None for the authority's own. `lease` is how long it is
    wanted, without its end, which the endpoint's clock decides. `run`: a `dinv run` makes it for a command.
    `applied` is what the record is to have of the file that declares it (`dinv.declared`), and `pool` of the
    pool that it is made for somebody from (`dinv.pools`).
    """

    def __init__(
        self,
        *,
        driver: str = "docker",
        driver_values: Mapping[str, Any] | None = None,
        provisioner: str = "",
        provisioner_values: Mapping[str, Any] | None = None,
        authority: str = "",
        authority_values: Mapping[str, Any] | None = None,
        contract_values: Mapping[str, Any] | None = None,
        swarm_options: Mapping[str, Any] | None = None,
        tls_sans: Iterable[str] = (),
        cert_lifetime: int | None = None,
        ca_lifetime: int | None = None,
        registry_cas: Mapping[str, bytes] | None = None,
        registry_cache: str = "",
        lease: Lease | None = None,
        run: bool = False,
        timeout: float = SERVE_SECONDS,
        keep_on_failure: bool = False,
        context: bool = True,
        applied: Mapping[str, Any] | None = None,
        pool: Mapping[str, Any] | None = None,
    ) -> None:
        self.driver = driver
        self.driver_values = dict(driver_values or {})
        self.provisioner = provisioner
        self.provisioner_values = dict(provisioner_values or {})
        self.authority = authority
        self.authority_values = dict(authority_values or {})
        self.contract_values = dict(contract_values or {})
        self.swarm_options = dict(swarm_options or {})
        self.tls_sans = tuple(tls_sans)
        self.cert_lifetime = cert_lifetime
        self.ca_lifetime = ca_lifetime
        self.registry_cas = dict(registry_cas or {})
        self.registry_cache = registry_cache
        self.lease = lease
        self.run = run
        self.timeout: float = TIMEOUT.checked(timeout)
        self.keep_on_failure = keep_on_failure
        self.context = context
        self.applied = dict(applied or {})
        self.pool = dict(pool or {})

    @classmethod
    def of(cls, values: Values, *, run: bool = False) -> CreateOptions:
        """Make them from the values of the table of options. Raises InputError."""
        common = values.common
        swarm = {option.key: common[option.key] or option.default for option in SWARM}
        return cls(
            driver=values.driver,
            driver_values=values.driver_values,
            provisioner=values.provisioner,
            provisioner_values=values.provisioner_values,
            authority=values.authority,
            authority_values=values.authority_values,
            contract_values=values.contract_values,
            swarm_options=classic_swarm.swarm_options(
                **{key: value for key, value in swarm.items() if value}
            ),
            tls_sans=common["tls_san"],
            cert_lifetime=common["cert_lifetime"],
            ca_lifetime=common["ca_lifetime"],
            registry_cas=registry_ca.read(common["registry_ca"]),
            registry_cache=str(common["registry_cache"] or ""),
            lease=lease_of(common),
            run=run,
            timeout=common["timeout"],
            keep_on_failure=common["keep_on_failure"],
            context=common["context"],
        )


def lease_of(common: Mapping[str, Any]) -> Lease | None:
    """Return the lease that the values ask for; None for none. Raises OptionError."""
    ttl, idle_ttl = int(common["ttl"] or 0), int(common["idle_ttl"] or 0)
    on_expiry, keep_cache = common["on_expiry"], bool(common["keep_cache_on_expiry"])
    if not ttl and not idle_ttl:
        for name, given in (("on-expiry", on_expiry), ("keep-cache-on-expiry", keep_cache)):
            if given:
                raise OptionError(
                    "is for a machine with an end: give it " + option("ttl") + " or " + option("idle-ttl"),
                    option=name,
                )
        return None
    if keep_cache and on_expiry == STOP:
        raise OptionError(
            "is for a machine that is removed then: one that is stopped keeps its cache anyway",
            option="keep-cache-on-expiry",
        )
    return Lease(ttl=ttl, idle_ttl=idle_ttl, on_expiry=on_expiry or REMOVE, keep_cache=keep_cache)
