"""The claim transaction: a machine of a pool becomes a machine of the store, under a name of its own.

Machines of a pool are in a store within the store, and the moment of ownership is one rename(2) of a
directory: whoever's rename succeeds has the machine, and nobody else ever had it. Before it nothing has
changed but files in that directory; after it the claim is only ever finished, by this process or by the next
command that changes the machine (`settle`).

It restarts nothing and tells the machine nothing: its CA is its own, so what that signs is let in, and the
pool's certificate is refused since the machine became ready (`sealing`).
"""

from __future__ import annotations

from dinv.lifecycle import steps
from dinv.lifecycle.claim.claiming import Claim
from dinv.lifecycle.steps import Step
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.lifecycle.host import Host
    from dinv.progress import Progress

__all__ = ["STEPS", "Claim", "claim", "settle"]


def _not_finished(name: str) -> str:
    return "The machine is claimed, and its claim not finished. To finish it: " + command("start", name)


STEPS: tuple[Step[Claim], ...] = (
    Step("certify", Claim.certify, undo=Claim.take_back),
    Step("take", Claim.take, final=True),
    Step("name", Claim.name, note=_not_finished),
    Step("refuse", Claim.refuse, when=Claim.has_to_refuse, note=_not_finished),
    Step("context", Claim.write_context, note=_not_finished),
    Step("ready", Claim.finish, note=_not_finished),
)


def claim(work: Claim) -> Host:
    """Claim the machine of `work`, whose lock the caller holds; return its host in the store.

    Raises MachineExists if the name is taken, HookRefused, CertificateError, and the errors of reaching the
    machine, which is dead then. After an error up to the step `take` it is in the pool as it was.
    """
    steps.run(work, STEPS)
    return work.machine


def settle(host: Host, progress: Progress) -> None:
    """Finish a claim that was killed. The caller must hold the machine's lock."""
    steps.finish(Claim.killed(host, progress), STEPS)
