"""What `--format` prints: one record per verb, with the same keys for the same things in all of them.

Every record about a machine has KNOWN, which needs no call; a verb adds what it found out. Sizes are in
bytes, times in RFC 3339. docs/formats.md lists them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from dinv.access.disk_usage import DiskUsage
    from dinv.cache_volumes import CacheVolume
    from dinv.endpoints.local.engine import EngineStatus
    from dinv.image_building.builder import MachineImage
    from dinv.image_building.check.report import ImageReport
    from dinv.leases.reaped import Reaped
    from dinv.lifecycle.change.plan import Plan
    from dinv.lifecycle.renew.when_due import Renewed
    from dinv.lifecycle.sharing.held import Access
    from dinv.machine import Machine
    from dinv.pki.validity import Certificates
    from dinv.plugins import Plugin
    from dinv.states import Status
    from dinv.store.access_log import Record
    from dinv.store.record import MachineConfig

KNOWN = (
    "Name",
    "DriverName",
    "URL",
    "IPAddress",
    "Reached",
    "DockerVersion",
    "Endpoint",
    "Image",
    "Isolation",
)


def known(config: MachineConfig) -> dict[str, Any]:
    """What the record of a machine says; DockerVersion is of its last start."""
    url, ip = config.url, config.ip
    if not url:
        from dinv import drivers

        url, ip = drivers.url(config), drivers.ip(config)
    kept = config.driver
    endpoint = kept.get("Endpoint")
    return {
        "Name": config.name,
        "DriverName": config.driver_name,
        "URL": url,
        "IPAddress": ip,
        "Reached": kept.get("Reached", ""),
        "DockerVersion": version(config.docker_version),
        # Another driver of docker-machine's may use this key for something else.
        "Endpoint": endpoint.get("URL", "") if isinstance(endpoint, dict) else "",
        "Image": kept.get("Image", ""),
        "Isolation": kept.get("Isolation", ""),
    }


EXPIRY = ("CertExpiry", "CAExpiry")


def expiry(certificates: Certificates) -> dict[str, str]:
    """When the machine's or the user's certificate expires, whichever is first, and when the CA does."""
    from dinv.pki.validity import rfc3339

    ca = certificates.ca
    ends = certificates.first_end, ca.end if ca is not None else None
    return {key: rfc3339(end) for key, end in zip(EXPIRY, ends, strict=True)}


def of_renewal(renewed: Renewed) -> dict[str, Any]:
    """`renew`."""
    return {
        "Name": renewed.name,
        "Kind": renewed.kind,
        "Renewed": list(renewed.roles),
        "AtStart": list(renewed.later),
        "Reason": renewed.reason,
        "Remark": renewed.remark,
        "Error": renewed.error.text if renewed.error is not None else "",
        **expiry(renewed.certificates),
    }


def of_reaping(reaped: Reaped) -> dict[str, Any]:
    """`reap`."""
    return {
        "Name": reaped.name,
        "Action": reaped.action,
        "Why": reaped.why,
        "Reason": reaped.reason,
        "Expires": reaped.expires,
        "Endpoint": reaped.endpoint,
        "Known": reaped.known,
        "Left": reaped.left,
        "Error": reaped.error.text if reaped.error is not None else "",
    }


def version(found: str) -> str:
    """Return a daemon's version as `ls` shows it: v26.1.5, or Unknown."""
    return f"v{found}" if found else "Unknown"


def of_status(machine: Machine, status: Status) -> dict[str, Any]:
    """`status`, and `active`."""
    return {**known(machine.config), "State": status.state, "Error": status.error}


def of_environment(machine: Machine | None, variables: Mapping[str, str | None]) -> dict[str, Any]:
    """`env`; without a machine it is what to unset. A variable to be unset is None."""
    record = known(machine.config) if machine is not None else {}
    return {**record, "Environment": dict(variables)}


def of_flags(machine: Machine, flags: Iterable[str]) -> dict[str, Any]:
    """`config`: the docker CLI's flags, without the quotes that a shell removes."""
    bare = [flag.replace('="', "=").removesuffix('"') for flag in flags]
    return {**known(machine.config), "CertPath": machine.cert_path if machine.has_tls else "", "Flags": bare}


def of_unlock_key(machine: Machine, key: str) -> dict[str, Any]:
    """`swarm unlock-key`."""
    return {**known(machine.config), "UnlockKey": key}


def of_document(machine: Machine) -> dict[str, Any]:
    """`inspect`: docker-machine's document, with the keys of all other records added."""
    return {**known(machine.config), **machine.inspect()}


def of_creation(machine: Machine) -> dict[str, Any]:
    """`create`."""
    context = machine.name if machine.has_context else ""
    return {
        **known(machine.config),
        "CertPath": machine.cert_path if machine.has_tls else "",
        "Context": context,
    }


def of_plan(plan: Plan) -> list[dict[str, Any]]:
    """`set`: one record for each option that differs."""
    return [
        {
            "Name": plan.machine,
            "Option": difference.option,
            "Before": difference.before,
            "After": difference.after,
            "Means": difference.means,
            "Done": list(plan.means),
            "Stops": plan.stops,
            "Cuts": plan.cuts,
        }
        for difference in plan.differences
    ]


def of_disk_usage(machine: Machine, usage: DiskUsage) -> dict[str, Any]:
    """`df`."""
    return {
        **known(machine.config),
        "CacheVolume": usage.volume,
        "Size": usage.size,
        "Available": usage.available,
        "UsedPercent": round(usage.used_percent, 1),
        "Images": usage.images,
        "Containers": usage.containers,
        "Volumes": usage.volumes,
        "BuildCache": usage.build_cache,
    }


def of_access(machine: Machine, found: Iterable[Access]) -> list[dict[str, Any]]:
    """`access ls`, and `access revoke`: one for each certificate."""
    return [
        {
            **known(machine.config),
            "Holder": access.holder,
            "Role": access.role,
            "Serial": access.serial,
            "State": access.state,
            "NotAfter": access.not_after,
            "Given": access.given,
            "By": access.by,
            "Over": access.over,
            "OverBy": access.over_by,
            "Current": access.current,
        }
        for access in found
    ]


def of_access_log(machine: Machine, found: Iterable[Record]) -> list[dict[str, Any]]:
    """`access log`: one for each line of the record."""
    return [
        {
            **known(machine.config),
            "Time": record.time,
            "Event": record.event,
            "Role": record.role,
            "Holder": record.holder,
            "Serial": record.serial,
            "NotAfter": record.not_after,
            "By": record.by,
            "Names": list(record.names),
        }
        for record in found
    ]


def of_images(images: Iterable[MachineImage], endpoint: str) -> list[dict[str, Any]]:
    """`image ls`: one for each name of each image; an image without a name goes by its ID."""
    return [
        {
            "Image": name,
            "ID": image.id,
            "Contract": image.contract,
            "Version": image.version,
            "Base": image.base,
            "Docker": image.docker,
            "Containerd": image.containerd,
            "Runc": image.runc,
            "Created": image.created.isoformat(),
            "Size": image.size,
            "Endpoint": endpoint,
        }
        for image in images
        for name in image.tags or (image.id,)
    ]


def of_findings(report: ImageReport) -> list[dict[str, Any]]:
    """`image check`: one for each check; State is "ok", "lacks", "remark" or "untried"."""
    return [
        {
            "Check": finding.check,
            "State": finding.state,
            "Needed": finding.needed,
            "Said": finding.said,
            "Why": finding.why,
            "Mend": finding.mend,
            "Image": report.image,
            "Contract": report.contract,
        }
        for finding in report.findings
    ]


def of_volumes(volumes: Iterable[CacheVolume]) -> list[dict[str, Any]]:
    """`volume`: Size is null, and Created "", where the endpoint does not tell."""
    return [
        {
            "Name": volume.name,
            "Machine": volume.owner or volume.machine,
            "State": volume.state,
            "Size": volume.size,
            "Created": volume.created,
            "Role": volume.role,
            "CloneOf": volume.clone_of,
            "UsedBy": list(volume.users),
            "ThisStore": volume.ours,
            "Endpoint": volume.endpoint,
        }
        for volume in volumes
    ]


def of_plugins(plugins: Iterable[Plugin]) -> list[dict[str, Any]]:
    """`plugins`: Problem is "" if it can be used."""
    return [
        {
            "Name": plugin.name,
            "Kind": plugin.kind,
            "From": plugin.source,
            "Package": plugin.package,
            "Version": plugin.version,
            "EntryPoint": plugin.entry,
            "Problem": plugin.problem,
        }
        for plugin in plugins
    ]


def of_engine(status: EngineStatus) -> dict[str, Any]:
    """`engine status`."""
    from dinv.states import ERROR, RUNNING, STOPPED

    return {
        "State": RUNNING if status.running else ERROR if status.pid else STOPPED,
        "URL": f"unix://{status.socket}",
        "DockerVersion": version(status.version),
        "PID": status.pid,
        "DataRoot": status.data_root,
        "Log": status.log,
        "Error": status.reason,
    }


def of_versions(docker_machine: str, machine: Machine | None = None) -> dict[str, Any]:
    """`version`: dinv's, that of the docker-machine it stands in for, and a machine's daemon's."""
    import dinv

    record = {"Version": dinv.__version__, "DockerMachineVersion": docker_machine}
    if machine is None:
        return record
    return {**known(machine.config), "DockerVersion": version(machine.daemon_version()), **record}
