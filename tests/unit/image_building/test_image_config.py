from __future__ import annotations

import contextlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.errors import ImageBuildError
from dinv.image_building import builder
from dinv.image_building.config import image_config


def test_the_machine_image() -> None:
    with open(os.path.join(builder.sources(), "Dockerfile"), encoding="utf-8") as file:
        config = image_config(file.read(), {"VERSION": "9", "BASE": "b"})
    assert config["Env"] == [
        "container=docker",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ]
    assert config["Labels"]["io.dinv.image.contract"] == "dinv"
    assert config["Labels"]["io.dinv.image.version"] == "9"
    assert config["ExposedPorts"] == {"2376/tcp": {}}
    assert config["StopSignal"] == "SIGTERM"
    assert config["Entrypoint"] == ["/usr/bin/tini", "-s", "--", "/usr/local/lib/dinv/entrypoint"]
    assert config["Healthcheck"] == {
        "Test": ["CMD", "/usr/local/lib/dinv/healthcheck"],
        "Interval": 30 * 10**9,
        "Timeout": 5 * 10**9,
        "StartPeriod": 60 * 10**9,
        "Retries": 3,
    }


def test_lines_are_joined_and_from_starts_anew() -> None:
    text = 'FROM a\nENV old=1\nFROM ${BASE}\n# no\nLABEL a=1 \\\n  # inside\n  b="${V} c"\nRUN x\ncmd ["y"]\n'
    assert image_config(text, {"V": "2"}) == {"Labels": {"a": "1", "b": "2 c"}, "Cmd": ["y"]}


@pytest.mark.parametrize(
    ("line", "config"),
    [
        ("ENTRYPOINT run it", {"Entrypoint": ["/bin/sh", "-c", "run it"]}),
        ("EXPOSE 80 53/udp", {"ExposedPorts": {"80/tcp": {}, "53/udp": {}}}),
        ("VOLUME /a /b", {"Volumes": {"/a": {}, "/b": {}}}),
        ('VOLUME ["/a b"]', {"Volumes": {"/a b": {}}}),
        ("ENV a=1 a=2", {"Env": ["a=2"]}),
        ("HEALTHCHECK NONE", {"Healthcheck": {"Test": ["NONE"]}}),
        ("HEALTHCHECK CMD a || b", {"Healthcheck": {"Test": ["CMD-SHELL", "a || b"]}}),
        (
            "HEALTHCHECK --start-interval=1m30s CMD a",
            {"Healthcheck": {"Test": ["CMD-SHELL", "a"], "StartInterval": 90 * 10**9}},
        ),
        ("WORKDIR /x", {"WorkingDir": "/x"}),
        ("USER 1:2", {"User": "1:2"}),
        ("COPY a b", {}),
    ],
)
def test_instructions(line: str, config: object) -> None:
    assert image_config(f"FROM x\n{line}\n", {}) == config


@pytest.mark.parametrize(
    "line",
    [
        "LABEL a",
        'LABEL a="b',
        "HEALTHCHECK x",
        "HEALTHCHECK --interval=soon CMD x",
        "HEALTHCHECK --often=1s CMD x",
        "HEALTHCHECK --retries=x CMD x",
    ],
)
def test_what_cannot_be_read_is_named(line: str) -> None:
    with pytest.raises(ImageBuildError, match=f"The Dockerfile's {line.partition(' ')[0]}"):
        image_config(line, {})


@given(st.text(alphabet="AENVLBFROM=\\\n #${}\"'x", max_size=60))
def test_any_text_is_taken_or_refused(text: str) -> None:
    with contextlib.suppress(ImageBuildError):
        image_config(text, {"x": "y"})
