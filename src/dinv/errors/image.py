"""Images of machines."""

from __future__ import annotations

from dinv.errors.base import DinvError


class ImageError(DinvError):
    """Base class of errors about machine images."""


class ImageMissing(ImageError):
    """The image is not on the endpoint and cannot be pulled."""

    exit_code = 3

    def __init__(self, image: str, endpoint: str, reason: str, advice: str) -> None:
        super().__init__(f"Image {image} is not on {endpoint} and cannot be pulled: {reason}\n" + advice)
        self.image = image
        self.endpoint = endpoint
        self.reason = reason


class ImageBuildError(ImageError):
    """Building a machine image failed."""


class ImageExportError(ImageError):
    """A machine image cannot be made a virtual machine."""


class ImageCheckBusy(ImageError):
    """Another check makes its machine in this store at the moment."""

    def __init__(self, store: str) -> None:
        super().__init__(f"Another image check is running in the store {store}: wait until it has ended.")
