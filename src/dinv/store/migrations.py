"""Older versions of docker-machine's config.json, converted to version 3 as they are read.

In memory only: docker-machine's files are never written. What changed between the versions
(docker/machine: libmachine/host/migrate*.go, host_v0.go):

    0 to 1  top-level keys (certificate paths, swarm) moved into HostOptions; 0.0.1 to 0.0.2
    1 to 2  StorePath moved from the top into AuthOptions, PrivateKeyPath became CaPrivateKeyPath, CertDir
            and Name were added; 0.2 to 0.3
    2 to 3  the driver got StorePath, the directory of the store, too; 0.4 to 0.5
    3       0.5.0 and 0.5.1 wrote the driver a second time, as base64 of JSON under RawDriver (#2155)

libmachine lost what a version 0 already had in HostOptions; here that is kept, and the older keys only fill
what is missing in it.
"""

from __future__ import annotations

import re

from dinv.formats import kinds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_AUTH_AT_TOP = (
    "StorePath",
    "CaCertPath",
    "ServerCertPath",
    "ServerKeyPath",
    "ClientKeyPath",
    "ClientCertPath",
    "PrivateKeyPath",
)
_SWARM_AT_TOP = {"SwarmHost": "Host", "SwarmMaster": "Master", "SwarmDiscovery": "Discovery"}
_OPTIONS = ("EngineOptions", "SwarmOptions", "AuthOptions")


def migrate(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document of version 0, 1, 2 or 3 as version 3; the argument is not changed.

    Unknown keys are kept. Raises ValueError for values of the wrong type.
    """
    version = document.get("ConfigVersion", 0)
    if not kinds.is_version(version):
        raise ValueError("ConfigVersion is not a number")
    migrated = dict(document)
    if migrated.get("Driver") is None and not migrated.get("RawDriver"):
        raise ValueError("Driver is missing")
    migrated["Driver"] = _table(migrated.get("Driver"), "Driver")
    options = migrated["HostOptions"] = _table(migrated.get("HostOptions"), "HostOptions")
    for key in _OPTIONS:
        options[key] = _table(options.get(key), f"HostOptions.{key}")
    _without_raw_driver(migrated)
    if version == 0:
        _from_0(migrated)
    if version <= 1:
        _from_1(migrated)
    if version <= 2:
        _from_2(migrated)
    migrated["ConfigVersion"] = 3
    return migrated


def _from_0(document: dict[str, Any]) -> None:
    options = document["HostOptions"]
    for key in _AUTH_AT_TOP:
        if document.get(key):
            # StorePath stays at the top as well: version 1 has it in both places.
            value = document[key] if key == "StorePath" else document.pop(key)
            _fill(options["AuthOptions"], key, value)
    for old, new in _SWARM_AT_TOP.items():
        if old in document:
            _fill(options["SwarmOptions"], new, document.pop(old))
    for key, missing in (("Driver", ""), ("Memory", 0), ("Disk", 0)):
        options.setdefault(key, missing)


def _from_1(document: dict[str, Any]) -> None:
    auth = document["HostOptions"]["AuthOptions"]
    if "PrivateKeyPath" in auth:
        _fill(auth, "CaPrivateKeyPath", auth.pop("PrivateKeyPath"))
    directory = document.pop("StorePath", "") or auth.get("StorePath") or ""
    if not isinstance(directory, str):
        raise ValueError("StorePath is not text")  # noqa: TRY004  (as json.loads does for other bad content)
    if directory:
        _fill(auth, "StorePath", directory)
        _fill(auth, "CertDir", _joined(_store_of(directory), "certs"))
    name = document["Driver"].get("MachineName")
    if name:
        _fill(document, "Name", name)


def _from_2(document: dict[str, Any]) -> None:
    directory = document["HostOptions"]["AuthOptions"].get("StorePath") or ""
    if isinstance(directory, str) and directory:
        _fill(document["Driver"], "StorePath", _store_of(directory))
    # Version 2 no longer has them at the top, but some programs wrote one there.
    document.pop("StorePath", None)


def _without_raw_driver(document: dict[str, Any]) -> None:
    """Remove RawDriver, after reading it if Driver is empty."""
    raw = document.pop("RawDriver", None)
    if not raw or document["Driver"]:
        return
    import base64
    import binascii
    import json

    try:
        driver = json.loads(base64.b64decode(raw, validate=True))
    except (TypeError, ValueError, binascii.Error, RecursionError) as error:
        raise ValueError("RawDriver is not base64 of JSON") from error
    document["Driver"] = _table(driver, "RawDriver")


def _table(value: Any, what: str) -> dict[str, Any]:
    """Return a copy of a JSON object, or an empty one for None."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{what} is not a JSON object")  # noqa: TRY004  (as json.loads does)
    return dict(value)


def _fill(table: dict[str, Any], key: str, value: Any) -> None:
    if not table.get(key):
        table[key] = value


def _store_of(directory: str) -> str:
    """Return the store that contains a machine's directory: two up, by either kind of separator."""
    # Not by regular expressions: a long row of slashes would take them for ever.
    whole = above = directory.rstrip("/\\")
    for _ in range(2):
        end = max(above.rfind("/"), above.rfind("\\"))
        if end < 0:
            return whole or directory
        above = above[:end]
    return above or directory


def _joined(directory: str, name: str) -> str:
    return f"{directory}\\{name}" if re.match(r"[A-Za-z]:\\", directory) else f"{directory}/{name}"
