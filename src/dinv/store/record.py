"""A machine's config.json: docker-machine's schema (ConfigVersion 3), and dinv's own part.

Where things are in the document, so that scripts written for docker-machine find them:

    ConfigVersion  3
    Driver         what the driver keeps: IPAddress, MachineName, StorePath, and its own keys
    DriverName     "docker"
    HostOptions    EngineOptions, SwarmOptions, AuthOptions
    Name           the machine's; the directory's name wins over it, as in libmachine
    Dinv           dinv's own: Version, ID, Phase (see CREATING), Created, Context (the docker context's name,
                   or ""), Provisioner, Authority and ImageContract, each with its options
                   (ProvisionerOptions, AuthorityOptions, ImageContractOptions; AuthorityOptionsImported
                   is not acted on), CertLifetime and
                   CALifetime (seconds), RegistryCache (its name), DockerVersion (at its last start),
                   Membership (its part in a cluster: the provisioner's own), Lease (until when it is wanted:
                   `lease.py`), Run (it is a `dinv run`'s), Pool if it is or was in a pool;
                   Stopped while dinv has it stopped, Upgrade, Change, Claim, Renewal, Revoking, Untold and
                   Adopting (the container) while one is in progress; Shared if it is somebody else's, who
                   shared it; Applied if a file declares it: File (its name), Generation, Options (what it
                   has said)

A document without `Dinv` is docker-machine's, and is never written. Unknown keys are kept.

Paths are absolute in the file, since docker-machine wants them so, and relative to the store here: paths in
the store that the file was written in (its `Driver.StorePath`) become paths in the store that it is read in,
so a store can be moved (docker-machine#1407). Relative paths, as dinv 0.1.0 wrote them, are the store's.
"""

from __future__ import annotations

import os

from dinv.errors import ConfigError, ConfigTooNew
from dinv.formats import kinds, urls
from dinv.store.fields import Number, Options, Switch, Text, Texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dinv.store.fields import ChangeJournal, ClaimJournal, RenewalJournal, UpgradeJournal
    from dinv.store.lease import Lease

CONFIG_VERSION = 3
"""docker/machine: libmachine/version/version.go."""

DINV_VERSION = 1

CREATING = "creating"
READY = "ready"

_AUTH_PATHS = {
    "CertDir": ".",
    "CaCertPath": "ca.pem",
    "CaPrivateKeyPath": "ca-key.pem",
    "ServerCertPath": "server.pem",
    "ServerKeyPath": "server-key.pem",
    "ClientCertPath": "cert.pem",
    "ClientKeyPath": "key.pem",
    "StorePath": ".",
}


NO_SWARM: dict[str, Any] = {
    "IsSwarm": False,
    "Address": "",
    "Discovery": "",
    "Agent": False,
    "Master": False,
    "Host": "tcp://0.0.0.0:3376",
    "Image": "swarm:latest",
    "Strategy": "spread",
    "Heartbeat": 0,
    "Overcommit": 0,
    "ArbitraryFlags": [],
    "ArbitraryJoinFlags": [],
    "Env": None,
    "IsExperimental": False,
}
"""The swarm.Options of a machine in no swarm, as docker-machine writes them (libmachine/swarm)."""

_REMOTE_PATHS = ("CaCertRemotePath", "ServerCertRemotePath", "ServerKeyRemotePath")
"""Paths of files in the machine; its image contract defines them."""

STORE_CERTS = "certs"
"""docker-machine's directory for the CA and the client of a store (commands/mcndirs), relative to it."""


class MachineConfig:
    """The document of one machine, with accessors for what dinv itself reads in it."""

    def __init__(self, document: dict[str, Any], *, name: str, store_path: str) -> None:
        self.name = name
        self.store_path = store_path
        self._document = document

    @classmethod
    def new(
        cls, *, name: str, store_path: str, driver_name: str, identity: str, created: str
    ) -> MachineConfig:
        """Return the document of a machine about to be made. `created` is RFC 3339, UTC."""
        directory = f"machines/{name}"
        auth = {key: os.path.normpath(f"{directory}/{file}") for key, file in _AUTH_PATHS.items()}
        document: dict[str, Any] = {
            "ConfigVersion": CONFIG_VERSION,
            "Driver": {
                "IPAddress": "",
                "MachineName": name,
                "SSHUser": "",
                "SSHPort": 0,
                "SSHKeyPath": "",
                "StorePath": ".",
                "SwarmMaster": False,
                "SwarmHost": "",
                "SwarmDiscovery": "",
            },
            "DriverName": driver_name,
            "HostOptions": {
                "Driver": "",
                "Memory": 0,
                "Disk": 0,
                "EngineOptions": {},
                "SwarmOptions": {**NO_SWARM, "ArbitraryFlags": [], "ArbitraryJoinFlags": []},
                "AuthOptions": {**auth, **dict.fromkeys(_REMOTE_PATHS, ""), "ServerCertSANs": []},
            },
            "Name": name,
            "Dinv": {
                "Version": DINV_VERSION,
                "ID": identity,
                "Phase": CREATING,
                "Created": created,
                "Context": "",
                "Provisioner": "docker",
                "Authority": "local",
                "DockerVersion": "",
            },
        }
        return cls(document, name=name, store_path=store_path)

    @classmethod
    def read(cls, document: Any, *, name: str, path: str, store_path: str) -> MachineConfig:
        """Check the structure of what was read from `path`. Raises ConfigError, ConfigTooNew."""
        if not isinstance(document, dict):
            raise ConfigError(name, path, "not a JSON object")
        version = document.get("ConfigVersion", 0)
        if not kinds.is_version(version):
            raise ConfigError(name, path, "ConfigVersion is not a number")
        if version > CONFIG_VERSION:
            raise ConfigTooNew(name, path, version, CONFIG_VERSION)
        if (version < CONFIG_VERSION or "RawDriver" in document) and "Dinv" not in document:
            from dinv.store.migrations import migrate

            try:
                document = migrate(document)
            except ValueError as error:
                raise ConfigError(name, path, f"ConfigVersion {version}: {error}") from error
        elif version < CONFIG_VERSION:
            raise ConfigError(name, path, f"ConfigVersion {version}: dinv has never written that")
        for key, kind in (("Driver", dict), ("DriverName", str), ("HostOptions", dict)):
            if not isinstance(document.get(key), kind):
                raise ConfigError(name, path, f"{key} is missing or of the wrong kind")
        _check_options(document["HostOptions"], name, path)
        if document.get("Dinv") is not None:
            _check_ours(document["Dinv"], name, path)
            _make_relative(document)
            document["Driver"] = kinds.Part(document["Driver"], name, path, "Driver")
            document["Dinv"] = kinds.Part(document["Dinv"], name, path, "Dinv")
        _check_places(document["Driver"], name, path, ours=bool(document.get("Dinv")))
        return cls(document, name=name, store_path=store_path)

    def follow(self, newer: MachineConfig) -> None:
        """Take over the content of `newer`, the same machine read again. Parts handed out go stale."""
        self._document = newer.document()

    def take_name(self) -> None:
        """Have the record be of the directory that it was read from (see `first_name`)."""
        before, after = (f"machines/{name}" for name in (self.first_name, self.name))
        for part in (self.auth_options, self.driver):
            for key, path in part.items():
                if isinstance(path, str) and (path == before or path.startswith(f"{before}/")):
                    part[key] = after + path.removeprefix(before)
        self.driver["MachineName"] = self.name
        self._document["Name"] = self.name

    def document(self) -> dict[str, Any]:
        """Return the whole document, with paths relative to the store."""
        return self._document

    def shown(self) -> dict[str, Any]:
        """Return what goes into the file: the document with absolute paths."""
        shown = dict(self._document)
        shown["Name"] = self.name
        shown["Driver"] = self._absolute(self.driver, ("StorePath", "SSHKeyPath"))
        shown["HostOptions"] = dict(self._document["HostOptions"])
        auth = {**dict.fromkeys(_REMOTE_PATHS, ""), **self.auth_options}
        shown["HostOptions"]["AuthOptions"] = self._absolute(auth, tuple(_AUTH_PATHS))
        return shown

    def _absolute(self, part: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
        paths = {
            key: os.path.normpath(os.path.join(self.store_path, part[key]))
            for key in keys
            if isinstance(part.get(key), str) and part[key]
        }
        return {**part, **paths}

    @property
    def first_name(self) -> str:
        """The name that it was recorded under; differs from `name` in a copied or moved directory."""
        return str(self._document.get("Name") or self.name)

    @property
    def directory(self) -> str:
        """The machine's directory in the store, absolute."""
        return os.path.join(self.store_path, "machines", self.name)

    @property
    def cert_directory(self) -> str:
        """The directory with its clients' ca.pem, cert.pem and key.pem: its own, or the store's.

        "" for a machine of docker-machine's, where that depends on which files exist.
        """
        if not self.by_dinv:
            return ""
        if self.auth_options.get("CertDir") == STORE_CERTS:
            return os.path.join(self.store_path, STORE_CERTS)
        return self.directory

    @property
    def driver_name(self) -> str:
        return str(self._document["DriverName"])

    @property
    def driver(self) -> dict[str, Any]:
        """The driver's own part, which drivers change in place."""
        driver: dict[str, Any] = self._document["Driver"]
        return driver

    def check_kept(self, kept: kinds.Kinds) -> None:
        """Raise ConfigError if a value is not of the type that its driver declares."""
        if reason := kinds.wrong(self.driver, kept, "Driver"):
            raise ConfigError(self.name, os.path.join(self.directory, "config.json"), reason)

    @property
    def by_dinv(self) -> bool:
        """Whether dinv wrote it. What docker-machine wrote is only read."""
        return bool(self.ours)

    @property
    def url(self) -> str:
        """Where its daemon listens, as last known: tcp://HOST:PORT, or "".

        Also "" for a machine of docker-machine's, whose drivers record it in their own ways: `drivers.url`.
        """
        return str(self.driver.get("URL") or "") if self.by_dinv else ""

    @property
    def ip(self) -> str:
        """The address in `url`, as last known, or ""; see there."""
        return str(self.driver.get("IPAddress") or "") if self.by_dinv else ""

    @property
    def tls(self) -> bool | None:
        """Whether its daemon is reached by TLS; None if that depends on which files exist."""
        given: bool | None = self.driver.get("TLS", True) if self.by_dinv else None
        return given

    @property
    def engine_options(self) -> dict[str, Any]:
        """Return libmachine's engine.Options: ArbitraryFlags, Env, Labels, RegistryMirror, ..."""
        options: dict[str, Any] = self._document["HostOptions"]["EngineOptions"]
        return options

    @property
    def swarm_options(self) -> dict[str, Any]:
        """Return libmachine's swarm.Options."""
        options: dict[str, Any] = self._document["HostOptions"]["SwarmOptions"]
        return options

    @property
    def auth_options(self) -> dict[str, Any]:
        """Return libmachine's auth.Options."""
        options: dict[str, Any] = self._document["HostOptions"]["AuthOptions"]
        return options

    @property
    def ours(self) -> dict[str, Any]:
        """Return dinv's own part, with accessors below; empty for a machine that docker-machine made."""
        ours: dict[str, Any] = self._document.get("Dinv") or {}
        return ours

    phase = Text("Phase")
    """CREATING, or READY."""
    created = Text("Created")
    """When it was made: RFC 3339, UTC."""
    step = Text("Step", brief=True)
    """The last step of its create that was begun."""
    context = Text("Context")
    """The name of the docker context that dinv wrote for it."""
    provisioner = Text("Provisioner", missing="docker")
    authority = Text("Authority", needed=True)
    image_contract = Text("ImageContract")
    docker_version = Text("DockerVersion")
    """The version of its daemon, at its last start."""
    registry_cache = Text("RegistryCache", brief=True)
    """The name of the registry cache that it pulls through, or ""."""
    adopting = Text("Adopting", brief=True)
    """The container that is being adopted."""
    stopped = Switch("Stopped")
    """Whether dinv stopped it; something else may have started it since."""
    cert_lifetime = Number("CertLifetime")
    """How long its certificates are to be valid, in seconds; None for as long as its authority has it."""
    ca_lifetime = Number("CALifetime")
    """The same of a CA that is made for it."""
    authority_options = Options("AuthorityOptions")
    imported_authority_options = Options("AuthorityOptionsImported", brief=True)
    """Those that an archive had: nothing acts on them."""
    provisioner_options = Options("ProvisionerOptions", brief=True)
    membership = Options("Membership", brief=True)
    """Its part in a cluster of machines (`dinv.provisioners.membership`); its provisioner's own."""
    image_contract_options = Options("ImageContractOptions", brief=True)
    revoking = Switch("Revoking")
    """Whether access was revoked that the machine may not refuse yet (`lifecycle.sharing.revoke`)."""
    untold = Texts("Untold")
    """The serial numbers of what was revoked and no hook has been told of yet."""
    run = Switch("Run")
    """Whether a `dinv run` made it for its command, and removes it afterwards."""
    shared = Options("Shared", brief=True)
    """Of a machine that somebody else shared: Owner, Machine, Holder, Given, NotAfter, Serial; texts."""
    applied = Options("Applied", brief=True)
    """Of a machine that a file declares (`dinv.declared`): File, Generation, Options."""

    pool = Options("Pool", brief=True)
    """Of a machine in a pool, or claimed from one: the pool's Name, Generation and so on."""

    @property
    def claim(self) -> ClaimJournal:
        """What a claim from a pool in progress, or a killed one, has recorded; empty if there is none."""
        found: ClaimJournal | None = self.ours.get("Claim")
        return found or {}

    @claim.setter
    def claim(self, journal: ClaimJournal | None) -> None:
        self._set_or_drop("Claim", journal)

    @property
    def lease(self) -> Lease | None:
        """Until when it is wanted; None for as long as nobody removes it."""
        found = self.ours.get("Lease")
        if not found:
            return None
        from dinv.store.lease import Lease

        return Lease.of(found)

    @lease.setter
    def lease(self, lease: Lease | None) -> None:
        self._set_or_drop("Lease", None if lease is None else lease.document())

    @property
    def upgrade(self) -> UpgradeJournal:
        """What an upgrade that is in progress, or was killed, has recorded; changed in place.

        Empty if there is none; then it is set as a whole.
        """
        found: UpgradeJournal | None = self.ours.get("Upgrade")
        return found or {}

    @upgrade.setter
    def upgrade(self, journal: UpgradeJournal | None) -> None:
        self._set_or_drop("Upgrade", journal)

    @property
    def change(self) -> ChangeJournal:
        """What a change of settings in progress, or a killed one, has recorded; empty if there is none."""
        found: ChangeJournal | None = self.ours.get("Change")
        return found or {}

    @change.setter
    def change(self, journal: ChangeJournal | None) -> None:
        self._set_or_drop("Change", journal)

    @property
    def unsettled(self) -> str:
        """What was begun with it and may be half done: its "upgrade", "change" or "claim", or ""."""
        return "upgrade" if self.upgrade else "change" if self.change else "claim" if self.claim else ""

    @property
    def renewal(self) -> RenewalJournal:
        """What a renewal that is in progress, or was killed, has recorded; empty if there is none."""
        found: RenewalJournal | None = self.ours.get("Renewal")
        return found or {}

    @renewal.setter
    def renewal(self, journal: RenewalJournal | None) -> None:
        self._set_or_drop("Renewal", journal)

    def _set_or_drop(self, key: str, value: object) -> None:
        if value is None:
            self.ours.pop(key, None)
        else:
            self.ours[key] = value

    @property
    def identity(self) -> str:
        """The machine's identity: the value of the label LABEL_ID on its objects on the endpoint."""
        return str(self.ours.get("ID", ""))

    @property
    def unfinished(self) -> bool:
        """Whether this is the record of a create that did not finish."""
        return self.phase == CREATING


def _check_options(options: dict[str, Any], name: str, path: str) -> None:
    for key in ("EngineOptions", "SwarmOptions", "AuthOptions"):
        if options.get(key) is None:
            options[key] = {}
        if not isinstance(options[key], dict):
            raise ConfigError(name, path, f"HostOptions.{key} is of the wrong kind")
        if reason := kinds.wrong(options[key], kinds.OPTIONS[key], f"HostOptions.{key}"):
            raise ConfigError(name, path, reason)


def _make_relative(document: dict[str, Any]) -> None:
    """Make paths in the store that the document was written in relative to it."""
    driver, auth = document["Driver"], document["HostOptions"]["AuthOptions"]
    store = driver.get("StorePath")
    if not isinstance(store, str) or not os.path.isabs(store):
        return
    for part, keys in ((driver, ("SSHKeyPath", "StorePath")), (auth, _AUTH_PATHS)):
        for key in keys:
            path = part.get(key)
            if path == store:
                part[key] = "."
            elif isinstance(path, str) and path.startswith(os.path.join(store, "")):
                part[key] = os.path.relpath(path, store)


_JOURNALS = {
    "Upgrade": (kinds.UPGRADE, ("Driver", "ImageContract", "DockerVersion", "Running")),
    "Change": (
        kinds.CHANGE,
        ("Driver", "EngineOptions", "NewDriver", "NewEngineOptions", "Means", "Running"),
    ),
}
"""What a journal has to have so that it can be settled."""


def _check_ours(ours: Any, name: str, path: str) -> None:
    if not isinstance(ours, dict) or not isinstance(ours.get("ID"), str) or not ours["ID"]:
        raise ConfigError(name, path, "Dinv.ID is missing")
    if not kinds.is_version(ours.get("Version")):
        raise ConfigError(name, path, "Dinv.Version is not a number")
    if ours["Version"] > DINV_VERSION:
        raise ConfigTooNew(name, path, f"Dinv {ours['Version']}", DINV_VERSION)
    reason = kinds.wrong(ours, kinds.OURS, "Dinv")
    if not reason and ours.get("Lease"):
        from dinv.store import lease

        reason = "" if lease.is_one(ours["Lease"]) else "Dinv.Lease is not a lease"
    for key, (has, needed) in _JOURNALS.items():
        journal = ours.get(key)
        if not reason and journal:
            absent = next((each for each in needed if each not in journal), "")
            reason = kinds.wrong(journal, has, f"Dinv.{key}")
            reason = reason or (f"Dinv.{key}.{absent} is missing" if absent else "")
    if reason:
        raise ConfigError(name, path, reason)


def _check_places(driver: dict[str, Any], name: str, path: str, *, ours: bool) -> None:
    """Check what is connected to. What docker-machine's drivers keep there may be of another type.

    Raises ConfigError.
    """
    for key, what, is_one in (
        ("URL", "a URL", urls.is_url),
        ("IPAddress", "an address", urls.is_address),
        ("SSHUser", "a user name", urls.is_user),
    ):
        value = driver.get(key)
        if not (is_one(value) if isinstance(value, str) else value is None or not ours):
            raise ConfigError(name, path, f"Driver.{key} is not {what}: {value!r}")
