"""The JSON bodies of calls, read as strictly as Go reads them into docker 1.13's types.

A wrong Content-Type, invalid JSON and a field of another type are each a 500 with Go's words. What follows
the first value is ignored, unknown fields are ignored, names of fields are the same in upper and lower case,
null counts as missing. (docker 1.13: api/server/httputils, runconfig, api/types.)
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dinv.testing.vch.rules import errors

if TYPE_CHECKING:
    from dinv.testing.vch.wire.http import Request

    JSON = dict[str, Any]
    # A field's type: str, bool, int; a list of one; a map of names to one; or an object with its fields.
    Shape = type | list[Any] | dict[str, Any]

_INT_LIMIT = 1 << 63
_EACH = "*"
"""The key of a map: all names have the same type."""
_STRINGS = [str]
_LABELS = {_EACH: str}
_SET: dict[str, Any] = {_EACH: {}}

_PORTS = {_EACH: [{"HostIp": str, "HostPort": str}]}
_HEALTH = {"Test": _STRINGS, "Interval": int, "Timeout": int, "Retries": int}
_HOST = {
    "AutoRemove": bool,
    "Binds": _STRINGS,
    "CapAdd": _STRINGS,
    "CapDrop": _STRINGS,
    "ConsoleSize": [int],
    "CpuCount": int,
    "CpusetCpus": str,
    "Dns": _STRINGS,
    "DnsOptions": _STRINGS,
    "DnsSearch": _STRINGS,
    "ExtraHosts": _STRINGS,
    "IpcMode": str,
    "Isolation": str,
    "Links": _STRINGS,
    "LogConfig": {"Type": str, "Config": _LABELS},
    "Memory": int,
    "Mounts": [{"Type": str, "Source": str, "Target": str, "ReadOnly": bool}],
    "NanoCpus": int,
    "NetworkMode": str,
    "PidMode": str,
    "PortBindings": _PORTS,
    "Privileged": bool,
    "PublishAllPorts": bool,
    "RestartPolicy": {"Name": str, "MaximumRetryCount": int},
    "SecurityOpt": _STRINGS,
    "ShmSize": int,
    "Sysctls": _LABELS,
    "Tmpfs": _LABELS,
    "Ulimits": [{"Name": str, "Hard": int, "Soft": int}],
    "VolumesFrom": _STRINGS,
}
_ENDPOINT = {
    "Aliases": _STRINGS,
    "IPAMConfig": {"IPv4Address": str, "IPv6Address": str},
    "Links": _STRINGS,
    "MacAddress": str,
}
_CONFIG = {
    "AttachStderr": bool,
    "AttachStdin": bool,
    "AttachStdout": bool,
    "Cmd": _STRINGS,
    "Domainname": str,
    "Entrypoint": _STRINGS,
    "Env": _STRINGS,
    "ExposedPorts": _SET,
    "Healthcheck": _HEALTH,
    "Hostname": str,
    "Image": str,
    "Labels": _LABELS,
    "MacAddress": str,
    "NetworkDisabled": bool,
    "OpenStdin": bool,
    "StdinOnce": bool,
    "StopSignal": str,
    "StopTimeout": int,
    "Tty": bool,
    "User": str,
    "Volumes": _SET,
    "WorkingDir": str,
}
_STRING_OR_LIST = frozenset(("Cmd", "Entrypoint"))
"""A text alone is a list of one there (docker: strslice)."""

_KINDS: dict[str, Shape] = {
    "container": {
        **_CONFIG,
        "HostConfig": _HOST,
        "NetworkingConfig": {"EndpointsConfig": {_EACH: _ENDPOINT}},
    },
    "host": _HOST,
    "commit": _CONFIG,
    "exec": {
        "AttachStderr": bool,
        "AttachStdin": bool,
        "AttachStdout": bool,
        "Cmd": _STRINGS,
        "Detach": bool,
        "DetachKeys": str,
        "Env": _STRINGS,
        "Privileged": bool,
        "Tty": bool,
        "User": str,
    },
    "exec start": {"Detach": bool, "Tty": bool},
    "volume": {"Driver": str, "DriverOpts": _LABELS, "Labels": _LABELS, "Name": str},
    "network": {
        "CheckDuplicate": bool,
        "Driver": str,
        "IPAM": {
            "Driver": str,
            "Options": _LABELS,
            "Config": [{"Subnet": str, "IPRange": str, "Gateway": str, "AuxiliaryAddresses": _LABELS}],
        },
        "Internal": bool,
        "Labels": _LABELS,
        "Name": str,
        "Options": _LABELS,
    },
    "connection": {"Container": str, "EndpointConfig": _ENDPOINT},
    "login": {"username": str, "password": str, "email": str, "serveraddress": str},
}
_UNTYPED = frozenset(("login",))
"""Bodies whose Content-Type is not checked."""


def read(request: Request, kind: str) -> JSON:
    """Return the body of a call, with the fields spelt as docker 1.13 does. Raises VicError, a 500."""
    if kind not in _UNTYPED:
        _check_type(request)
    text = request.body.read_all().decode(errors="replace").lstrip(" \t\r\n")
    if not text:
        if kind == "commit":
            return {}
        raise errors.bare("EOF")
    try:
        found, _ = json.JSONDecoder(parse_constant=_no_constant).raw_decode(text)
    except ValueError as error:
        raise errors.bare(_words(text, error)) from None
    except RecursionError:
        raise errors.bare("json: exceeded max depth") from None
    if found is None:
        return {}
    read_: JSON = _typed(found, _KINDS[kind], "")
    return read_


def _check_type(request: Request) -> None:
    given = request.headers.get("content-type", "")
    empty = request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers
    if not given and empty:
        return
    if given.partition(";")[0].strip().lower() != "application/json":
        raise errors.bare(f"Content-Type specified ({given}) must be 'application/json'")


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _words(text: str, error: ValueError) -> str:
    at = getattr(error, "pos", 0)
    if at >= len(text):
        return "unexpected EOF"
    return f"invalid character '{text[at]}' looking for beginning of value"


def _typed(value: object, shape: Shape, where: str) -> Any:
    """Return a value of the required type; null is the type's empty value. Raises VicError."""
    if isinstance(shape, list):
        if isinstance(value, str) and where in _STRING_OR_LIST:
            return [value]
        if not isinstance(value, list):
            raise _mismatch(value, where)
        return [_empty(shape[0]) if each is None else _typed(each, shape[0], where) for each in value]
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            raise _mismatch(value, where)
        return _object(value, shape)
    if shape is bool and not isinstance(value, bool):
        raise _mismatch(value, where)
    if shape is str and not isinstance(value, str):
        raise _mismatch(value, where)
    if shape is int and (
        isinstance(value, bool) or not isinstance(value, int) or not -_INT_LIMIT <= value < _INT_LIMIT
    ):
        raise _mismatch(value, where)
    return value


def _object(value: dict[str, Any], shape: dict[str, Any]) -> JSON:
    if _EACH in shape or not shape:
        each = shape.get(_EACH)
        # {} for the values of a set, which hold nothing.
        return {
            name: _empty(each) if content is None else _typed(content, each, name)
            for name, content in value.items()
            if each is not None
        }
    spelt = {name.lower(): name for name in shape}
    found: JSON = {}
    for given, content in value.items():
        name = spelt.get(given.lower(), given)
        if content is None or name not in shape:
            found[name] = content
        else:
            found[name] = _typed(content, shape[name], name)
    return found


def _empty(shape: Shape | None) -> Any:
    if isinstance(shape, list):
        return []
    if isinstance(shape, dict) or shape is None:
        return {}
    return shape()


def _mismatch(value: object, where: str) -> errors.VicError:
    kinds = {bool: "bool", str: "string", int: "number", float: "number", list: "array", dict: "object"}
    kind = kinds[type(value)]
    field = f" into Go struct field .{where}" if where else " into Go value"
    return errors.bare(f"json: cannot unmarshal {kind}{field}")
