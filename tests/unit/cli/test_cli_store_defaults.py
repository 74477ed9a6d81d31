"""`dinv create` with no flags, in a store whose config.toml has them."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from signed_chains import ROOT, certificate, key_pem, pem

from dinv.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    from fake_driver import World


@pytest.fixture
def store(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MACHINE_DRIVER", raising=False)
    path = tmp_path / "own store"
    path.mkdir()
    monkeypatch.setenv("MACHINE_STORAGE_PATH", str(path))
    return path


def configure(store: Path, text: str) -> None:
    (store / "config.toml").write_text("[create]\n" + text)


def test_a_create_needs_no_flags(store: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    ca, key = tmp_path / "ca.pem", tmp_path / "ca-key.pem"
    ca.write_bytes(pem(certificate(ROOT, ROOT)))
    key.write_bytes(key_pem(ROOT))
    configure(
        store, f'driver = "fake"\nno-context = true\nsize = 7\ntls-ca-cert = "{ca}"\ntls-ca-key = "{key}"\n'
    )
    assert main(["create", "dev"]) == 0, capsys.readouterr().err
    record = json.loads((store / "machines" / "dev" / "config.json").read_text())
    assert record["DriverName"] == "fake"
    assert record["Dinv"]["Authority"] == "shared"
    # A flag comes first.
    assert main(["create", "--authority", "local", "prod"]) == 0, capsys.readouterr().err
    record = json.loads((store / "machines" / "prod" / "config.json").read_text())
    assert record["Dinv"]["Authority"] == "local"


def test_the_flags_are_those_of_the_authority_that_the_store_names(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(store, 'driver = "fake"\nno-context = true\nauthority = "exec"\nexec-command = "openssl ca"\n')
    # ... wherever the store is named.
    monkeypatch.delenv("MACHINE_STORAGE_PATH")
    places = (
        ["-s", str(store), "create"],
        ["create", "-s", str(store)],
        ["create", f"--storage-path={store}"],
    )
    for number, words in enumerate(places):
        assert main([*words, "--exec-timeout", "9", f"dev{number}"]) == 0, capsys.readouterr().err
        record = json.loads((store / "machines" / f"dev{number}" / "config.json").read_text())["Dinv"]
        assert record["Authority"] == "exec"
        assert record["AuthorityOptions"] == {"exec_command": "openssl ca", "exec_timeout": 9.0}


def test_a_bad_file_is_an_error_of_create_alone(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(store, 'driver = "fake"\n')
    assert main(["create", "--no-context", "dev"]) == 0
    capsys.readouterr()
    configure(store, '\nmemory = "lots"\n')
    assert main(["create", "prod"]) == 1
    assert capsys.readouterr().err.startswith(f"dinv: {store}/config.toml, line 3: memory = 'lots' ")
    (store / "config.toml").write_text("[create")
    assert main(["create", "prod"]) == 1
    assert f"{store}/config.toml is not TOML" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        main(["create", "--help"])
    assert caught.value.code == 0
    configure(store, 'authority = "nobdy"')
    with pytest.raises(SystemExit):
        main(["create", "--help"])
    configure(store, 'authority = "exec"')
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["create", "--help-all"])
    assert "--exec-command" in capsys.readouterr().out
    assert main(["ls"]) == 0
    assert main(["url", "dev"]) == 0
    assert main(["env", "dev"]) == 0
    assert main(["completion", "bash"]) == 0
    assert os.listdir(store / "machines") == ["dev"]
