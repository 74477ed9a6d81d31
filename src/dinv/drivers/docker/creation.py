"""Making a machine's container and volumes, by its record and the endpoint's flavour."""

from __future__ import annotations

from dinv.drivers.docker import containers, volumes
from dinv.drivers.docker.containers import CHANGE_SECONDS
from dinv.drivers.docker.flavours.specification import MachineSpec
from dinv.drivers.docker.image import take_features
from dinv.drivers.docker.network import publishing
from dinv.errors import BadRequest, Conflict, PreCreateCheckFailed, ServerError
from dinv.labels import LABEL, LABEL_FILE, LABEL_ID, LABEL_PORT, LABEL_ROLE, LABEL_SSH_PORT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dinv.drivers.docker.site import Site


def create(
    site: Site, name: str, environment: Mapping[str, str], command: Sequence[str], mounts: Mapping[str, str]
) -> None:
    """Make the machine, not started, as a container of this name. Raises PreCreateCheckFailed."""
    flavour = site.flavour
    take_features(site)
    spec = specification(site, environment, command, volumes.make(site, mounts))
    try:
        identity, warnings = site.engine.containers.create(
            name, flavour.create_body(spec), timeout=CHANGE_SECONDS
        )
    except Conflict as error:
        # A call that was repeated may find what it made the first time.
        identity, warnings = containers.own_id(site, name), []
        if not identity:
            raise PreCreateCheckFailed(
                f"{site.endpoint} has just got a container {name} from somebody else. "
                f"Choose another machine name."
            ) from error
    except (BadRequest, ServerError) as error:
        raise PreCreateCheckFailed(f"The endpoint refuses the machine: {error.message}") from error
    site.config.driver["ContainerID"] = identity
    ignored = flavour.ignored(spec, site.engine.containers.inspect(name))
    if ignored:
        said = f" It says: {' '.join(warnings)}" if warnings else ""
        raise PreCreateCheckFailed(f"The endpoint does not give the machine {', '.join(ignored)}.{said}")


def specification(
    site: Site, environment: Mapping[str, str], command: Sequence[str], mounts: Sequence[tuple[str, str]]
) -> MachineSpec:
    """Return the specification of the machine by its record; `mounts` pairs volumes with paths."""
    config, kept = site.config, site.config.driver
    lease = config.lease
    labels = {
        **kept["Labels"],
        **(lease.labels() if lease is not None else {}),
        LABEL: config.name,
        LABEL_ID: config.identity,
        LABEL_ROLE: "machine",
        LABEL_PORT: str(kept["Port"]),
    }
    if config.applied.get("File"):
        labels[LABEL_FILE] = str(config.applied["File"])
    if kept["Port"] and kept.get("SSHPort"):
        labels[LABEL_SSH_PORT] = str(kept["SSHPort"])
    return MachineSpec(
        hostname=config.name[:63].rstrip(".-"),
        image=kept["Image"],
        labels=labels,
        environment=environment,
        command=command,
        mounts=mounts,
        cpus=kept["CPUs"],
        memory=kept["Memory"],
        network=kept["Network"],
        ip=kept["IP"],
        publish_address=kept["PublishAddress"],
        port=kept["Port"],
        isolation=kept["Isolation"],
        dns=kept.get("DNS") or (),
        ports=publishing.bindings(kept.get("PublishPorts") or ()),
    )
