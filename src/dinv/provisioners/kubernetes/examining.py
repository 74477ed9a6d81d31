"""What the endpoint and the image lack, before the machine is made: tried in a container like its own."""

from __future__ import annotations

from dinv import errors
from dinv.errors import ClusterError
from dinv.provisioners.kubernetes import requirements, servers
from dinv.provisioners.kubernetes.node import SERVER
from dinv.wording import command, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.progress import Progress
    from dinv.provisioners.kubernetes.part import Part

SECONDS = 60.0
"""For the trial, with the container's start."""


def examine(membership: Part, progress: Progress) -> None:
    """Raise RequirementMissing for what is needed and not there; warn of what will not work.

    What can be made up for by settings is, and is recorded.
    """
    config, driver, distribution = membership.config, membership.driver, membership.distribution
    supervisor = membership.contract.services_command
    if not supervisor:
        raise errors.RequirementMissing(
            config.name,
            servers.KIND,
            ["Its image keeps no services running beside its daemon: dinv's own does."],
        )
    programs = [*distribution.programs, supervisor[0]]
    tried = driver.try_out(["sh", "-c", requirements.script(), "sh", *programs], timeout=SECONDS)
    if tried is None:
        progress.note(f"What the endpoint lacks for Kubernetes cannot be tried with the driver {driver.name}")
        return
    status, output = tried
    try:
        found = requirements.parse(output)
    except ValueError as error:
        last = output.decode(errors="replace").strip().splitlines()[-1:] or ["nothing"]
        raise ClusterError(
            config.name,
            f"What the endpoint can do for Kubernetes could not be tried: the script ended with status "
            f"{status}, and said last: {last[0]}",
        ) from error
    if lacks := requirements.programs_missing(found, programs):
        raise errors.RequirementMissing(config.name, servers.KIND, [_no_program(distribution.name, lacks)])
    verdict = requirements.judge(
        found,
        server=membership.role == SERVER,
        memory=int(config.driver.get("Memory") or 0),
        cpus=float(config.driver.get("CPUs") or 0),
        one_network=bool(driver.local_only),
    )
    if verdict.missing:
        raise errors.RequirementMissing(config.name, servers.KIND, verdict.missing)
    for text in verdict.warnings:
        progress.warn(text)
    made_up = dict(verdict.adjustments)
    if config.membership.get(servers.SERVER_URL) and membership.role == SERVER:
        # Servers have to agree: what the others have holds, whatever this endpoint could do.
        made_up = {key: value for key, value in made_up.items() if key not in distribution.of_the_cluster}
        made_up |= config.membership.get(servers.SHARED_ADJUSTMENTS) or {}
    membership.record(**{servers.ADJUSTMENTS: made_up or None})


def _no_program(distribution: str, lacks: list[str]) -> str:
    return (
        f"Its image has no {' and no '.join(lacks)}. Make one that has: "
        + command("image", "build", "--with", f"{distribution}=FILE", "--tag", "NAME")
        + ", and name it: "
        + option("image", "NAME")
    )
