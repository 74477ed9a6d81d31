"""What VIC's versions implement (vmware/vic: pkg/version/version.go, and the backends at each tag)."""

from __future__ import annotations

MAX_API = "1.25"
MIN_API = "1.19"

ARCHIVE = ("ContainerArchivePath", "ContainerExtractToDir", "ContainerStatPath")
"""`docker cp`, both ways, and its look before."""

_NEVER = frozenset(
    (
        "ContainerCopy",
        "ContainerExport",
        "ContainerPause",
        "ContainerUnpause",
        "ContainerTop",
        "ContainerUpdate",
        "ContainersPrune",
        "ImagesPrune",
        "NetworksPrune",
        "VolumesPrune",
        "DisconnectContainerFromNetwork",
        "ImageHistory",
        "LoadImage",
        "ImportImage",
        "ExportImage",
        "PushImage",
        "SearchRegistryForImages",
        "SystemDiskUsage",
        "checkpointing",
        "plugins",
    )
)


class Release:
    """One version of VIC.

    `version` is as `/version` says it (1.5.0), `build` as `/info` does (v1.5.0-...). `hostname`: create
    takes a host name. `log_times`: logs take `since` and `timestamps`. `removes_volumes`: `rm -v` does
    what it says.
    """

    def __init__(
        self,
        version: str,
        build: str,
        *,
        missing: frozenset[str] = frozenset(),
        hostname: bool = True,
        log_times: bool = True,
        removes_volumes: bool = True,
    ) -> None:
        self.version = version
        self.build = build
        self.hostname = hostname
        self.log_times = log_times
        self.removes_volumes = removes_volumes
        self._missing = _NEVER | missing

    def implements(self, operation: str) -> bool:
        """Return whether calls of this operation do anything; by VIC's own names, such as ContainerPause."""
        return operation not in self._missing

    @property
    def engine(self) -> str:
        """The name in place of the storage driver in `/info` and in inspect."""
        return f"vSphere Integrated Containers {self.build} Backend Engine"


RELEASES = {
    "1.1": Release(
        "1.1.1",
        "v1.1.1-10711-56a309f",
        missing=frozenset((*ARCHIVE, "ContainerChanges", "Commit")),
        hostname=False,
        log_times=False,
        removes_volumes=False,
    ),
    "1.2": Release("1.2.1", "v1.2.1-13813-74a4d61", hostname=False, removes_volumes=False),
    "1.5": Release("1.5.8", "v1.5.8-21768-5f5a8a4"),
}
