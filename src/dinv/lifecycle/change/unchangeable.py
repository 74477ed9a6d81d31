"""What cannot be changed once a machine is made, and what to do instead."""

from __future__ import annotations

from dinv.wording import command

IMAGE = ("image", "image_contract")
"""Comes with another image: `upgrade`."""
_PLACE = ("driver", "endpoint", "endpoint_cert_path")
CERTIFICATES = ("tls_san", "cert_lifetime", "ca_lifetime")
"""Come with new certificates: `regenerate-certs`."""
LEASE = ("ttl", "idle_ttl", "on_expiry", "keep_cache_on_expiry")
OF_THE_CREATE = ("timeout", "keep_on_failure", "context")
"""Options of the create alone: they are no settings of the machine."""
_MADE_WITH = (
    *("authority", "provisioner", "network", "ip", "isolation"),
    *("cache_size", "cache_volume", "volume_store"),
)


def advice(key: str, machine: str) -> str:  # noqa: PLR0911  (one for each kind)
    """Return what to do instead of changing an option of `create`, by keyword; "" if nothing is known."""
    if key in IMAGE:
        return "It comes with another image: " + command("upgrade", "--image", "REF", machine)
    if key in CERTIFICATES:
        return "It comes with new certificates: " + command("regenerate-certs", machine)
    if key == "engine_storage_driver":
        return (
            "The images in its cache are kept by the storage driver that it has; another would not find "
            "them. Make another machine: " + command("create", "--engine-storage-driver", "NAME", "...")
        )
    if key in _PLACE:
        return (
            "A machine stays where it was made. Make another one there: "
            + command("create", "...")
            + ", and take its images there: "
            + command("load", "NAME", "IMAGE")
        )
    if key in LEASE:
        return "It is decided when a machine is made. For more time: " + command("extend", machine, "4h")
    if key in _MADE_WITH:
        return (
            "It is decided when a machine is made. Make it anew with the same images: "
            + command("rm", "--keep-cache", machine)
            + ", then "
            + command("create", "--cache-volume", "VOLUME", "...")
        )
    return ""
