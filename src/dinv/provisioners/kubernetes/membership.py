"""A machine's part in a Kubernetes cluster, and who does what with it."""

from __future__ import annotations

from dinv.provisioners.kubernetes.part import Part
from dinv.provisioners.membership import KUBECONFIG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.progress import Progress


class KubernetesMembership(Part):
    """A node of a cluster, a server of it or an agent."""

    def check(self, progress: Progress) -> None:
        from dinv.provisioners.kubernetes import checking

        checking.check(self, progress)

    def examine(self, progress: Progress) -> None:
        from dinv.provisioners.kubernetes import examining

        examining.examine(self, progress)

    def join(self, progress: Progress, *, timeout: float) -> None:
        from dinv.provisioners.kubernetes import joining

        joining.join(self, progress, timeout=timeout)

    def rest(self, progress: Progress) -> None:
        from dinv.provisioners.kubernetes import working

        working.rest(self, progress)

    def resume(self, progress: Progress, *, timeout: float) -> None:
        from dinv.provisioners.kubernetes import working

        working.resume(self, progress, timeout=timeout)

    def check_leave(self) -> None:
        from dinv.provisioners.kubernetes import leaving

        leaving.check_leave(self)

    def leave(self, progress: Progress, *, force: bool) -> list[str]:
        from dinv.provisioners.kubernetes import leaving

        return leaving.leave(self, progress, force=force)

    def forget(self) -> None:
        from dinv.provisioners.kubernetes import kubeconfigs

        target = str(self.config.membership.get(KUBECONFIG) or "")
        if target:
            kubeconfigs.unmerge(self.config, target)
        kubeconfigs.drop(self.config)

    def recover(self, progress: Progress, *, timeout: float) -> None:
        from dinv.provisioners.kubernetes import working

        working.recover(self, progress, timeout=timeout)
