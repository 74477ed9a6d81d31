"""The names and types of what a record has under `Dinv`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dinv
from dinv.errors import ConfigError
from dinv.formats.kinds import OURS, Part
from dinv.store.fields import Number, Options, Switch, Text, Texts
from dinv.store.record import MachineConfig


def new() -> MachineConfig:
    return MachineConfig.new(
        name="dev", store_path="/store", driver_name="docker", identity="abc", created="2026-01-02T03:04:05Z"
    )


def test_each_is_read_and_written_in_the_document() -> None:
    config = new()
    for name, field in vars(MachineConfig).items():
        if isinstance(field, Text):
            setattr(config, name, "x")
            assert getattr(config, name) == config.ours[field._key] == "x"
        elif isinstance(field, Switch):
            setattr(config, name, True)
            assert getattr(config, name) is config.ours[field._key] is True
        elif isinstance(field, Options):
            setattr(config, name, {"a": 1})
            assert getattr(config, name) == config.ours[field._key] == {"a": 1}
        elif isinstance(field, Number):
            setattr(config, name, 7)
            assert getattr(config, name) == config.ours[field._key] == 7
            setattr(config, name, None)
            assert getattr(config, name) is None
            assert field._key not in config.ours


def test_what_kinds_are_checked_of_has_a_name() -> None:
    kinds = Text | Texts | Switch | Options | Number
    fields = [field for field in vars(MachineConfig).values() if isinstance(field, kinds)]
    assert {field._key for field in fields} == set(OURS) - {"Upgrade", "Change", "Claim", "Renewal", "Lease"}


def test_what_is_not_there_is_empty() -> None:
    config = new()
    for key in list(config.ours):
        if key != "ID":
            del config.ours[key]
    assert (config.context, config.step, config.adopting, config.image_contract) == ("", "", "", "")
    assert config.provisioner == "docker"
    assert not config.stopped
    assert config.untold == []
    assert config.authority_options == {}
    assert not config.upgrade
    assert not config.renewal
    assert set(config.ours) == {"ID"}


def test_what_is_brief_is_left_out_when_it_is_empty() -> None:
    config = new()
    before = dict(config.ours)
    config.step, config.adopting, config.stopped = "put files", "web", True
    config.upgrade, config.renewal = {"Running": True}, {"Clients": True}
    config.provisioner_options = {"a": "b"}
    config.untold += ["51b0"]
    config.untold += ["61c0"]
    assert config.ours["Untold"] == ["51b0", "61c0"]
    assert {"Step", "Adopting", "Stopped", "Upgrade", "Renewal", "ProvisionerOptions"} <= set(config.ours)
    config.step, config.adopting, config.stopped = "", "", False
    config.upgrade = None
    config.renewal = None
    config.untold = []
    config.provisioner_options = {}
    assert dict(config.ours) == before
    config.context = ""
    assert config.ours["Context"] == ""


def test_an_upgrade_is_changed_in_place() -> None:
    config = new()
    config.upgrade = {"Answers": False}
    config.upgrade["Answers"] = True
    assert config.ours["Upgrade"] == {"Answers": True}


def test_a_record_without_its_authority_is_at_fault() -> None:
    config = new()
    del config.ours["Authority"]
    document = {**config.document(), "Dinv": Part(config.ours, "dev", "config.json", "Dinv")}
    with pytest.raises(ConfigError, match=r"Dinv\.Authority is missing"):
        _ = MachineConfig(document, name="dev", store_path="/store").authority


def test_nobody_spells_a_key_of_it_again() -> None:
    """The whole point of the names."""
    source = Path(dinv.__file__).parent
    spelt = [
        f"{path.relative_to(source)}: {found}"
        for path in source.rglob("*.py")
        if path.parent.name != "store"
        for found in re.findall(r"\.ours(?:\[|\.get\(|\.pop\(|\.update\().*", path.read_text())
    ]
    assert spelt == []
