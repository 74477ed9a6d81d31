"""What an image says of itself: `Config` in `GET /images/NAME/json`."""

from __future__ import annotations

from dinv.formats.urls import TLS_PORT
from dinv.labels import LABEL_CONTRACT, LABEL_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.image_building.check.subject import Subject


def contract(subject: Subject) -> str:
    """It says which contract it keeps, or is recognised, and that contract can be loaded."""
    if not subject.contract_name:
        return f"it has no label {LABEL_CONTRACT}, and is not recognised as docker:dind or dch-photon"
    _ = subject.contract
    return ""


def entrypoint(subject: Subject) -> str:
    """It runs without arguments, or by those of its contract."""
    if subject.image.get("Entrypoint") or (subject.contract_name and subject.contract.command({}, "docker")):
        return ""
    return "it has no ENTRYPOINT"


def volumes(subject: Subject) -> str:
    """It declares no volume that the machine does not give it."""
    given = set(subject.contract.mounts.values()) if subject.contract_name else set()
    declared = sorted(set(subject.image.get("Volumes") or {}) - given)
    return f"it declares VOLUME {' '.join(declared)}" if declared else ""


def port(subject: Subject) -> str:
    """It says that it listens on dockerd's port."""
    return "" if f"{TLS_PORT}/tcp" in (subject.image.get("ExposedPorts") or {}) else "it exposes other ports"


def version(subject: Subject) -> str:
    """It says which version it is."""
    return (
        "" if (subject.image.get("Labels") or {}).get(LABEL_VERSION) else f"it has no label {LABEL_VERSION}"
    )


def health(subject: Subject) -> str:
    """The endpoint can see whether it is well."""
    test = (subject.image.get("Healthcheck") or {}).get("Test") or ["NONE"]
    return "it has none" if test[0] == "NONE" else ""
