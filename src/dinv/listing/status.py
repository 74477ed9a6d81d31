"""The status of one machine in a list: an item of `Machines.list`."""

from __future__ import annotations

from dinv.errors import DinvError
from dinv.states import ERROR, RUNNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.drivers import Driver
    from dinv.pki.validity import Certificates
    from dinv.provisioners.membership import Standing
    from dinv.states import Status
    from dinv.store.record import MachineConfig


class MachineStatus:
    """One machine as `dinv ls` shows it: what its record says and what its endpoint answered.

    `name` is its name and `config` its record, None if it cannot be read, or is not written yet. `active`
    says whether it is running and DOCKER_HOST or the current docker context points to it; `active_swarm`
    whether they point to the legacy swarm that it is the master of. `standing` is what its cluster says of
    it, None if it is in none; `swarm` is that as text, or the name of its classic swarm's master, or "".
    `url` is its daemon's URL, such as tcp://127.0.0.1:24561, or "" if unknown. `seconds` is how long its
    endpoint took to answer, 0.0 if it was not asked. `certificates` has the dates of its certificates, None
    if nobody was asked about it.
    """

    def __init__(
        self,
        name: str,
        config: MachineConfig | None,
        status: Status,
        docker_host: str,
        *,
        master: str = "",
        seconds: float = 0.0,
        driver: type[Driver] | None = None,
        certificates: Certificates | None = None,
        standing: Standing | None = None,
    ) -> None:
        self.name = name
        self.config = config
        self.status = status
        self.seconds = seconds
        self.certificates = certificates
        self.shows_last_url = driver is not None and driver.shows_last_url
        """Whether its last known URL is shown while its state is unknown."""
        is_master = config is not None and bool(config.swarm_options.get("Master"))
        self.standing = standing
        self.swarm = f"{master} (master)" if master and is_master else master
        if standing is not None:
            self.swarm = str(standing)
        self.active_swarm = (
            config is not None and bool(docker_host) and self.running and docker_host == swarm_url(config)
        )
        self.url = known_url(config) if config is not None else ""
        self.active = self.running and bool(self.url) and self.url == docker_host

    def __repr__(self) -> str:
        return f"<MachineStatus {self.name} {self.state}>"

    @property
    def state(self) -> str:
        """Its state in docker-machine's words: Running, Stopped, Timeout, Error ... (`dinv.states`)."""
        return self.status.state

    @property
    def running(self) -> bool:
        return self.status.state == RUNNING

    @property
    def error(self) -> str:
        """What is wrong with it and what to do about it; "" if nothing is."""
        return self.status.error

    @property
    def driver(self) -> str:
        """The name of its driver; "not found" if its record is unreadable, "" if it is not written yet."""
        if self.config is None:
            return "not found" if self.status.state == ERROR else ""
        return self.config.driver_name

    @property
    def docker_version(self) -> str:
        """The version of its daemon at its last start, such as 26.1.5; "" if unknown."""
        return self.config.docker_version if self.config is not None else ""

    @property
    def reached(self) -> str:
        """How this computer reaches it: OWN_ADDRESS, PUBLISHED_PORT (`dinv.states`), or "" if unknown."""
        return str(self.config.driver.get("Reached") or "") if self.config is not None else ""


def known_url(config: MachineConfig) -> str:
    """Return its daemon's last known URL. Loads no driver if the record has the URL."""
    if config.url:
        return config.url
    from dinv import drivers

    return drivers.url(config)


def swarm_url(config: MachineConfig) -> str:
    """Return the URL of the classic swarm that a machine is the master of; "" if it is not a master."""
    if not config.swarm_options.get("Master"):
        return ""
    from dinv.provisioners import classic_swarm

    try:
        return classic_swarm.master_url(config, known_url(config))
    except DinvError:  # its address is not known
        return ""
