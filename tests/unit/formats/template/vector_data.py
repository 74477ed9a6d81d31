"""Documents that the templates of vectors.jsonl are rendered on."""

from __future__ import annotations

from typing import Any

ROW = "row"
"""The data of this name are a struct, and in templates for it `\\t` and `\\n` are a tab and a newline."""

DATA: dict[str, dict[str, Any]] = {
    ROW: {
        "Active": "*",
        "ActiveHost": True,
        "ActiveSwarm": False,
        "DockerVersion": "v28.2.2",
        "DriverName": "docker",
        "EngineOptions": {"Labels": ["site=home", "gpu=no"], "StorageDriver": "", "TlsVerify": True},
        "Error": "",
        "Image": "dinv:latest",
        "Name": "dev-1",
        "ResponseTime": "51ms",
        "State": "Running",
        "Swarm": "",
        "URL": "tcp://172.17.0.2:2376",
    },
    "inspect": {
        "ConfigVersion": 3,
        "Driver": {
            "IPAddress": "172.17.0.2",
            "MachineName": "dev-1",
            "Memory": 2048,
            "Note": '<b>"it\'s" & more</b>',
            "Ports": [2376, 8080, 443],
            "SSHPort": 22,
            "SSHUser": "root",
            "Volumes": ["/data:/data", "/tmp"],
            "a-b": "dash",
        },
        "DriverName": "docker",
        "HostOptions": {
            "AuthOptions": {"CaCertPath": "/home/u/.dinv/certs/ca.pem", "StorePath": ""},
            "EngineOptions": {
                "ArbitraryFlags": [],
                "Env": ["HTTP_PROXY=http://proxy:3128", "A=b c"],
                "InsecureRegistry": [],
                "Labels": ["site=home", "gpu=no"],
                "TlsVerify": True,
            },
            "Memory": 0,
            "SwarmOptions": {"IsSwarm": False, "Master": False, "Strategy": "spread"},
        },
        "Name": "dev-1",
    },
}
"""No nulls within maps, and ASCII alone, where templates count characters; see ODD for what is neither."""

ODD: dict[str, Any] = {
    "text": "Z\u00fcrich \u2713 \u65e5\u672c",
    "case": "stra\u00dfe \u0130 \u039f\u03a3 \u01c6",
    "quoted": 'say "hi"\t`x`\\\n',
    "marks": "\u2713a.b c\u00b7d_e\u00a0f 1g",
    "blanks": "\u00a0\u2003\t x\x1c \n\v",
    "controls": "\x00\x01\x1b\x7f<\u2028>\b\f&'",
    "face": "\U0001f600",
    "whole": 7,
    "minus": -300,
    "large": 9007199254740993,
    "nothing": None,
    "half": 1.5,
    "tiny": 1e-7,
    "small": 0.00001,
    "huge": 2.5e21,
    "third": -0.3333333333333333,
    "mixed": [1, "a", None, True, 2.25, ["q", []], {"k": "v"}],
    "nested": {"b": {"y": 1, "x": []}, "a": [{}, {"z": "\u00e9"}]},
    "yes": True,
    "empty": "",
}
"""Data named "odd": what machines seldom have."""

DATA["odd"] = ODD

TEXT, NUMBER, FLAG, LIST, MAP = "text", "number", "flag", "list", "map"

PATHS: dict[str, dict[str, tuple[str, ...]]] = {
    ROW: {
        TEXT: (
            *("@.Name", "@.State", "@.URL", "@.DriverName", "@.Active", "@.Error", "@.Swarm", "@.Image"),
            *("@.DockerVersion", "@.ResponseTime", "@.EngineOptions.StorageDriver", "$.Name"),
        ),
        NUMBER: ("(len @.Name)", "(len @.EngineOptions.Labels)", "3", "0", "1"),
        FLAG: ("@.ActiveHost", "@.ActiveSwarm", "@.EngineOptions.TlsVerify", "true", "false"),
        LIST: ("@.EngineOptions.Labels", '(split @.URL ":")'),
        MAP: ("@.EngineOptions", "$.EngineOptions"),
    },
    "inspect": {
        TEXT: (
            *("@.Name", "@.DriverName", "@.Driver.IPAddress", "@.Driver.MachineName", "@.Driver.SSHUser"),
            *("@.Driver.Note", "@.HostOptions.AuthOptions.CaCertPath", "@.HostOptions.AuthOptions.StorePath"),
            *(
                '(index @.Driver "a-b")',
                "@.HostOptions.SwarmOptions.Strategy",
                "$.Name",
                "(@.Driver).SSHUser",
            ),
        ),
        NUMBER: (
            *("@.ConfigVersion", "@.Driver.Memory", "@.Driver.SSHPort", "@.HostOptions.Memory", "1", "0x1F"),
            "(index @.Driver.Ports 0)",
        ),
        FLAG: (
            *("@.HostOptions.EngineOptions.TlsVerify", "@.HostOptions.SwarmOptions.IsSwarm", "true"),
            "@.HostOptions.SwarmOptions.Master",
        ),
        LIST: (
            *("@.HostOptions.EngineOptions.Labels", "@.HostOptions.EngineOptions.Env", "@.Driver.Volumes"),
            "@.HostOptions.EngineOptions.ArbitraryFlags",
        ),
        MAP: ("@.Driver", "@.HostOptions.SwarmOptions", "@.HostOptions.AuthOptions"),
    },
}
"""What is of which kind; a template writes `$` for the `@` where the dot is another value."""

LETTERS = {"a": "x", "b": "y"}
DATA["letters"] = LETTERS
