"""`dinv image push` to a real registry, and what comes back from there."""

from __future__ import annotations

import base64
import io
import json
import os
import tarfile
from typing import TYPE_CHECKING

import pytest
from docker_registry import PASSWORD, USER, DockerRegistry

from dinv.errors import NotFound
from dinv.labels import LABEL_CONTRACT
from dinv.testing.vch import VchSimulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness import Dinv

    from dinv.engine import Engine

SOURCE = f"dinv-push-{os.urandom(3).hex()}:1"


@pytest.fixture
def source(engine: Engine) -> Iterator[str]:
    """A small image that says it is a machine's; its id."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("file"))
    packed.seek(0)
    repository, _, tag = SOURCE.partition(":")
    changes = [f"LABEL {LABEL_CONTRACT}=dinv"]
    yield engine.images.import_(packed, repo=repository, tag=tag, changes=changes)
    engine.images.remove(SOURCE, force=True)


def taken_away(engine: Engine, name: str) -> None:
    engine.images.remove(name)
    with pytest.raises(NotFound):
        engine.images.inspect(name)


def test_pushed_it_can_be_pulled(dinv: Dinv, engine: Engine, source: str, tmp_path: Path) -> None:
    with DockerRegistry(tmp_path) as registry:
        name = f"{registry.name}/lab/dinv"
        said = dinv("image", "push", name, "--image", SOURCE, check=True).stdout
        assert f"{name}:latest" in said
        digest = said.rpartition("pushed, ")[2].strip()
        taken_away(engine, f"{name}:latest")
        engine.images.pull(name)
        assert engine.images.inspect(name)["Id"] == source
        assert f"{name}@{digest}" in engine.images.inspect(name)["RepoDigests"]
        # What there is of that name already is pushed too, and what it is called there is told.
        again = dinv("image", "push", "-q", f"{name}:2", "--image", f"{name}:latest", check=True).stdout
        assert again == f"{name}@{digest}\n"
        taken_away(engine, f"{name}:latest")
        taken_away(engine, f"{name}:2")


def test_a_registry_that_wants_a_login(dinv: Dinv, engine: Engine, source: str, tmp_path: Path) -> None:
    config = tmp_path / "docker-config" / "config.json"
    config.parent.mkdir(exist_ok=True)
    with DockerRegistry(tmp_path, login=True) as registry:
        name = f"{registry.name}/dinv:1"
        refused = dinv("image", "push", name, "--image", SOURCE)
        assert refused.returncode == 1
        assert f"docker login {registry.name}" in refused.stderr
        assert "none for it" in refused.stderr
        for password, status in (("wrong", 1), (PASSWORD, 0)):
            auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
            config.write_text(json.dumps({"auths": {registry.name: {"auth": auth}}}))
            done = dinv("image", "push", name, "--image", SOURCE)
            assert done.returncode == status, done.stderr
            assert password not in done.stdout + done.stderr
        taken_away(engine, name)


def test_at_a_vch_nothing_is_tried(dinv: Dinv, endpoint_address: str) -> None:
    with VchSimulator(engine=endpoint_address, tls="none") as vch:
        for words in (["build"], ["push", "reg.test/dinv"]):
            refused = dinv("image", *words, "--endpoint", vch.address)
            assert refused.returncode == 1
            assert "dinv image push REGISTRY/dinv --endpoint ENGINE" in refused.stderr
        missing = dinv("create", "dev", "--endpoint", vch.address, "--image", "127.0.0.1:1/nope")
        assert missing.returncode == 3
        assert "dinv image push" in missing.stderr
        assert "dinv image build" not in missing.stderr
        assert not [call for call in vch.calls if not call.implemented]
