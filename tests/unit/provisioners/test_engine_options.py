"""docker-machine's --engine-* flags: what they become, and what they cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from dinv import declaration
from dinv.errors import OptionError
from dinv.images.options import dockerd_arguments, dockerd_environment
from dinv.provisioners.engine_options import OPTIONS, engine_options, recorded


def test_a_storage_driver_that_is_gone_has_a_successor() -> None:
    """docker-machine's own suite asks for it (engine-options.bats)."""
    assert engine_options(storage_driver="overlay")["StorageDriver"] == "overlay2"
    assert engine_options(storage_driver="overlay2")["StorageDriver"] == "overlay2"


def test_options_become_arguments_as_libmachine_writes_them() -> None:
    options = engine_options(
        opt=["--debug", "mtu=1400"],
        label=["a=b"],
        registry_mirror=["http://m"],
        insecure_registry=["r:5000"],
        storage_driver="vfs",
    )
    assert dockerd_arguments(options, "docker") == [
        "--storage-driver=vfs",
        "--label=provider=docker",
        "--label=a=b",
        "--insecure-registry=r:5000",
        "--registry-mirror=http://m",
        "--debug",
        "--mtu=1400",
    ]


@pytest.mark.parametrize("nothing", [{}, {"Labels": None, "ArbitraryFlags": None, "Env": None}])
def test_what_docker_machine_left_out_is_nothing(nothing: dict[str, Any]) -> None:
    assert dockerd_arguments(nothing, "docker") == ["--label=provider=docker"]
    assert dockerd_environment(nothing) == {}


@pytest.mark.parametrize(
    "flag",
    [
        "host=tcp://0.0.0.0:2375",
        "-H=tcp://0.0.0.0:2375",
        "--tlsverify=false",
        "tls=false",
        "data-root=/x",
        "",
        "--",
    ],
)
def test_what_dinv_promises_cannot_be_undone(flag: str) -> None:
    with pytest.raises(OptionError, match=r"^engine_opt="):
        engine_options(opt=[flag])


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("engine_label", ["x"]),
        ("engine_label", ["=x"]),
        ("engine_env", ["X"]),
        ("engine_env", ["=x"]),
        ("engine_env", ["A B=x"]),
        ("engine_env", ["1=x"]),
    ],
)
def test_pairs_are_pairs(name: str, given: list[str]) -> None:
    with pytest.raises(OptionError, match=f"^{name}="):
        recorded(declaration.values(OPTIONS, {name: given}, {}))


@pytest.mark.parametrize("given", ["MY PROXY=http://me:secret@proxy", "=secret"])
def test_a_refused_variable_is_named_without_its_value(given: str) -> None:
    with pytest.raises(OptionError) as caught:
        recorded(declaration.values(OPTIONS, {"engine_env": [given]}, {}))
    assert "secret" not in f"{caught.value} {caught.value!r} {vars(caught.value)}"


def test_options_by_keyword_are_recorded_as_libmachine_has_them() -> None:
    given = {"engine_label": {"team": "red"}, "engine_opt": {"debug": True}, "engine_storage_driver": "vfs"}
    found = recorded(declaration.values(OPTIONS, given, {"ENGINE_REGISTRY_MIRROR": "http://a,http://b"}))
    assert found["Labels"] == ["team=red"]
    assert found["ArbitraryFlags"] == ["debug=true"]
    assert found["StorageDriver"] == "vfs"
    assert found["RegistryMirror"] == ["http://a", "http://b"]
    assert found["TlsVerify"] is True


def test_values_may_hold_anything_after_the_first_equals_sign() -> None:
    assert dockerd_environment(engine_options(env=["A=b=c", "B="])) == {"A": "b=c", "B": ""}
