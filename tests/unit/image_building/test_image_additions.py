"""Programs put into a machine image: what is taken, what is refused, and what the endpoint is told."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, Any, cast

import pytest

from dinv.errors import ImageBuildError, InputError, NotFound, ServerError
from dinv.image_building import additions
from dinv.labels import LABEL_CONTRACT, LABEL_FEATURES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dinv.engine import Engine

MACHINE = {"Config": {"Labels": {LABEL_CONTRACT: "dinv", LABEL_FEATURES: "services"}}}


def elf(machine: int = 62) -> bytes:
    return b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00" + machine.to_bytes(2, "little") + bytes(200)


class Images:
    """Builds nothing, but reads the context."""

    def __init__(self) -> None:
        self.there: dict[str, Any] = {"machine": MACHINE, "plain": {"Config": {}}}
        self.built: list[tuple[str, dict[str, bytes], dict[str, int]]] = []
        self.removed: list[str] = []
        self.refusal: ServerError | None = None

    def inspect(self, name: str, **_: object) -> Any:
        if name not in self.there:
            raise NotFound("no", status=404, method="GET", path="/")
        return self.there[name]

    def remove(self, name: str, **_: object) -> None:
        self.removed.append(name)

    def build(self, context: Any, *, tag: str, progress: Any, **_: object) -> str:
        progress({"stream": "Step 1/2\n"})
        if self.refusal:
            raise self.refusal
        with tarfile.open(fileobj=io.BytesIO(context.read())) as archive:
            found, modes = {}, {}
            for entry in archive:
                content = archive.extractfile(entry)
                assert content is not None
                found[entry.name], modes[entry.name] = content.read(), entry.mode
        self.built.append((tag, found, modes))
        return "sha256:new"


class Endpoint:
    address = "unix:///e.sock"

    def __init__(self, architecture: str = "x86_64") -> None:
        self.images = Images()
        self.architecture = architecture

    def info(self, **_: object) -> dict[str, str]:
        return {"Architecture": self.architecture}


def none(_tag: str) -> None:
    pytest.fail("it takes minutes")


def build(
    endpoint: Endpoint, *texts: str, base: str = "machine", make: Callable[[str], object] = none
) -> tuple[str, Any, Any]:
    said: list[str] = []
    others, found = additions.split(texts)
    assert others == []
    additions.build(
        cast("Engine", endpoint),
        found,
        base=base,
        make=make,
        tag="own:1",
        report=said.append,
        timeout=9,
    )
    assert said == ["Step 1/2"]
    return endpoint.images.built[-1]


def packed(path: Path, **files: bytes) -> str:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name.replace("__", "/"))
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return str(path)


def test_a_program_is_a_layer_on_a_machine_image(tmp_path: Path) -> None:
    (tmp_path / "k3s").write_bytes(elf())
    tag, context, modes = build(Endpoint(), f"k3s={tmp_path / 'k3s'}")
    assert tag == "own:1"
    assert context["k3s"] == elf()
    assert modes["k3s"] == 0o755  # whatever it has here
    assert context["Dockerfile"].decode().splitlines() == [
        "FROM machine",
        "COPY k3s /usr/local/bin/k3s",
        f'LABEL {LABEL_FEATURES}="k3s,services"',
    ]


def test_a_script_runs_on_any_processor(tmp_path: Path) -> None:
    (tmp_path / "k3s").write_bytes(b"#!/bin/sh\nexec /opt/k3s\n")
    _, context, _ = build(Endpoint("riscv64"), f"k3s={tmp_path / 'k3s'}")
    assert context["k3s"].startswith(b"#!")


def test_a_tar_is_unpacked(tmp_path: Path) -> None:
    path = packed(tmp_path / "k.tar.gz", usr__bin__kubeadm=elf(), usr__bin__kubelet=elf(), opt__cni__x=b"x")
    _, context, _ = build(Endpoint(), f"kubeadm={path}")
    assert "ADD kubeadm.tar /" in context["Dockerfile"].decode()


@pytest.mark.parametrize("architecture", ["x86_64", "s390x"])
def test_a_program_for_other_processors_is_refused_if_those_are_known(
    tmp_path: Path, architecture: str
) -> None:
    (tmp_path / "k3s").write_bytes(elf(183))
    if architecture == "s390x":
        build(Endpoint(architecture), f"k3s={tmp_path / 'k3s'}")
        return
    with pytest.raises(ImageBuildError, match="other processors"):
        build(Endpoint(architecture), f"k3s={tmp_path / 'k3s'}")


@pytest.mark.parametrize(
    ("content", "match"),
    [(b"<html>404</html>", "not a program for Linux"), (b"", "not a program"), (b"\x7fELF", "not a program")],
)
def test_what_is_no_program_is_refused(tmp_path: Path, content: bytes, match: str) -> None:
    (tmp_path / "k3s").write_bytes(content)
    endpoint = Endpoint()
    with pytest.raises(ImageBuildError, match=match):
        build(endpoint, f"k3s={tmp_path / 'k3s'}")
    assert not endpoint.images.built


def test_what_is_too_large_or_no_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "k3s").write_bytes(elf())
    monkeypatch.setattr(additions, "MOST_BYTES", 100)
    with pytest.raises(ImageBuildError, match="bytes, 100 at most"):
        build(Endpoint(), f"k3s={tmp_path / 'k3s'}")
    for path, why in ((tmp_path, "is not a file"), (tmp_path / "none", "No such file")):
        with pytest.raises(ImageBuildError, match=why):
            build(Endpoint(), f"k3s={path}")


def test_one_program_is_not_enough_for_kubeadm(tmp_path: Path) -> None:
    (tmp_path / "kubeadm").write_bytes(elf())
    with pytest.raises(ImageBuildError, match="give a tar that has /usr/bin/kubeadm and /usr/bin/kubelet"):
        build(Endpoint(), f"kubeadm={tmp_path / 'kubeadm'}")


@pytest.mark.parametrize(
    ("files", "match"),
    [
        ({"usr__local__bin__k3x": elf()}, "has no usr/local/bin/k3s"),
        ({"usr__local__bin__k3s": b"<html>"}, "not a program"),
        ({"usr__local__bin__k3s": elf(), "..__etc__passwd": b"x"}, "no place in an image"),
    ],
)
def test_a_tar_without_the_program_or_with_more_than_files_is_refused(
    tmp_path: Path, files: dict[str, bytes], match: str
) -> None:
    with pytest.raises(ImageBuildError, match=match):
        build(Endpoint(), f"k3s={packed(tmp_path / 'k.tgz', **files)}")


def test_a_tar_has_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(tmp_path / "k.tgz", usr__local__bin__k3s=elf())
    monkeypatch.setattr(additions, "MOST_UNPACKED", 10)
    with pytest.raises(ImageBuildError, match="more in it than k3s can have"):
        build(Endpoint(), f"k3s={path}")


def test_a_release_is_fetched_by_its_sum() -> None:
    _, context, _ = build(Endpoint(), f"k3s=v1.33.1+k3s1@sha256:{'a' * 64}")
    text = context["Dockerfile"].decode()
    assert "ARG K3S_VERSION=v1.33.1+k3s1" in text
    assert f"ARG K3S_SHA256={'a' * 64}" in text
    assert "releases/download/${K3S_VERSION}/k3s;" in text
    assert "sha256sum -c" in text


def test_a_release_for_arm_has_another_name() -> None:
    _, context, _ = build(Endpoint("aarch64"), "k3s=v1.33.1+k3s1")
    assert "/k3s-arm64;" in context["Dockerfile"].decode()
    assert "sha256sum-arm64.txt" in context["Dockerfile"].decode()
    _, context, _ = build(Endpoint("aarch64"), "k0s=v1.33.1+k0s.0")
    assert "/k0s-${K0S_VERSION}-arm64;" in context["Dockerfile"].decode()


@pytest.mark.parametrize("text", ["k3s=", "k3s", "kubeadm", "kubeadm=v1.33.1"])
def test_what_cannot_be_put_in(text: str) -> None:
    with pytest.raises(InputError):
        additions.split([text])


def test_other_features_are_of_the_source() -> None:
    others, found = additions.split(["sshd", "k3s=./k3s", "registry-ca=ca.pem"])
    assert others == ["sshd", "registry-ca=ca.pem"]
    assert [each.distribution.name for each in found] == ["k3s"]


@pytest.mark.parametrize("base", ["", "debian", "plain", "none"])
def test_where_there_is_no_machine_image_one_is_made_under_a_name_that_goes(
    tmp_path: Path, base: str
) -> None:
    endpoint = Endpoint()
    made: list[str] = []

    def make(tag: str) -> None:
        made.append(tag)
        endpoint.images.there[tag] = MACHINE

    (tmp_path / "k3s").write_bytes(elf())
    _, context, _ = build(endpoint, f"k3s={tmp_path / 'k3s'}", base=base, make=make)
    assert context["Dockerfile"].decode().startswith(f"FROM {made[0]}\n")
    assert endpoint.images.removed == made
    endpoint.images.refusal = ServerError("full", status=500, method="POST", path="/build")
    with pytest.raises(ImageBuildError, match="full"):
        build(endpoint, f"k3s={tmp_path / 'k3s'}", base=base, make=make)
    assert len(endpoint.images.removed) == 2


def test_a_bad_file_is_found_before_anything_is_built(tmp_path: Path) -> None:
    (tmp_path / "k3s").write_bytes(b"x")
    with pytest.raises(ImageBuildError):
        build(Endpoint(), f"k3s={tmp_path / 'k3s'}", base="")
