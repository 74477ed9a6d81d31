"""An image contract: dinv's own machine image, with a stricter daemon.

Containers in the machine cannot gain privileges, do not reach each other by the default bridge, and their
logs do not grow without an end. `--engine-opt` still has the last word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dinv.declaration import Option
from dinv.images.dinv import DinvContract

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dinv.channel import File


class HardenedContract(DinvContract):
    """The files of dinv's image, with other defaults of dockerd among them."""

    name = "hardened"

    @classmethod
    def create_flags(cls) -> Sequence[Option]:
        return (
            Option(
                "log-max-size",
                "DINV_LOG_MAX_SIZE",
                "largest log of a container in the machine, times three (10m)",
                metavar="SIZE",
                default="10m",
            ),
        )

    @classmethod
    def recognises(cls, config: Mapping[str, Any]) -> bool:
        return False  # an image is never so by itself: --image-contract says it

    def files(
        self, *, ca: bytes, certificate: bytes, key: bytes, options: Mapping[str, Any], driver_name: str
    ) -> list[File]:
        return super().files(
            ca=ca,
            certificate=certificate,
            key=key,
            options={**options, "ArbitraryFlags": self._flags(options.get("ArbitraryFlags") or ())},
            driver_name=driver_name,
        )

    def _flags(self, given: Iterable[str]) -> list[str]:
        """dockerd's: those of `--engine-opt`, and of ours what they leave open."""
        own = {
            "icc": ["icc=false"],
            "no-new-privileges": ["no-new-privileges"],
            "log-opt": [f"log-opt=max-size={self.own_options['log_max_size']}", "log-opt=max-file=3"],
        }
        flags = list(given)
        for flag in flags:
            own.pop(flag.partition("=")[0], None)
        return [*(flag for several in own.values() for flag in several), *flags]
