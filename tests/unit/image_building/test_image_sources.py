"""Sources of a machine image of one's own: what `image init` writes, and what it refuses."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from dinv.errors import DinvError, ImageBuildError, InputError
from dinv.image_building import builder, sources

CHECKOUT = Path(__file__).parents[3]


def written(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def test_the_examples_are_the_features() -> None:
    assert set(sources.features()) >= {"preloaded", "registry-ca", "sshd"}


@pytest.mark.parametrize("feature", sorted(sources.features()))
def test_an_example_is_what_init_writes_of_it(feature: str, tmp_path: Path) -> None:
    sources.init(str(tmp_path), chosen=[feature])
    example = Path(sources.features()[feature])
    for path in written(example) - {"Dockerfile"}:
        assert (tmp_path / path).read_bytes() == (example / path).read_bytes()
        runs = (tmp_path / path).read_bytes().startswith(b"#!")
        assert bool((tmp_path / path).stat().st_mode & 0o100) is runs
    made, given = ((path / "Dockerfile").read_text() for path in (tmp_path, example))
    for instruction in re.findall(r"^(?:RUN|COPY|EXPOSE|ENV|LABEL|ENTRYPOINT).*", given, re.MULTILINE):
        assert instruction in made
    assert made.index("FROM ${BASE}") < made.index("COPY")


def test_several_features_are_in_one_label(tmp_path: Path) -> None:
    sources.init(str(tmp_path), chosen=["sshd", "preloaded"])
    text = (tmp_path / "Dockerfile").read_text()
    assert re.findall("^LABEL.*", text, re.MULTILINE) == [
        'LABEL io.dinv.image.features="activity,services,sshd,preloaded"'
    ]
    assert text.count("FROM ") == 1
    readme = (tmp_path / "README.md").read_text()
    assert "| sshd |" in readme
    assert "registry-ca" not in readme


def test_without_anything_it_is_a_dockerfile_to_begin_with(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "Mine"
    assert sources.init(str(target)) == [
        str(target / name) for name in (".dockerignore", "README.md", "Dockerfile")
    ]
    assert "ARG BASE=dinv:latest\nFROM ${BASE}\n" in (target / "Dockerfile").read_text()
    assert sources.machine_base(str(target)) is None
    assert "dinv image check dinv-mine" in (target / "README.md").read_text()


@pytest.mark.parametrize(
    ("base", "line"),
    [
        ("photon", "ARG BASE=photon:5.0"),
        ("debian", "ARG BASE=debian:trixie-slim"),
        ("reg.test/debian:13", "ARG BASE=reg.test/debian:13"),
    ],
)
def test_with_a_base_the_whole_sources_are_there(base: str, line: str, tmp_path: Path) -> None:
    sources.init(str(tmp_path), base=base)
    assert line in (tmp_path / "machine" / "Dockerfile").read_text().splitlines()
    assert (tmp_path / "machine" / "rootfs/usr/local/lib/dinv/services").stat().st_mode & 0o100
    assert sources.machine_base(str(tmp_path)) == base
    context = builder.context(root=str(tmp_path / "machine"))
    assert line.encode() in context
    changed = context.replace(line.encode(), b"")
    assert len(changed) < len(context)


def test_files_in_the_way_are_named_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("mine")
    (tmp_path / "sshd").mkdir()
    (tmp_path / "sshd" / "sshd").write_text("mine")
    with pytest.raises(InputError, match=r"has Dockerfile, sshd/sshd already, and nothing was written"):
        sources.init(str(tmp_path), chosen=["sshd"])
    assert written(tmp_path) == {"Dockerfile", "sshd/sshd"}
    sources.init(str(tmp_path), chosen=["sshd"], overwrite=True)
    assert "FROM" in (tmp_path / "Dockerfile").read_text()


def test_a_file_of_the_users_is_put_where_the_feature_has_it(tmp_path: Path) -> None:
    archive = tmp_path / "app.tar"
    archive.write_bytes(b"images")
    sources.init(str(tmp_path / "own"), chosen=[f"preloaded={archive}"])
    assert (tmp_path / "own" / "preloaded" / "images" / "app.tar").read_bytes() == b"images"


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (["nosuch"], 'no feature "nosuch" of images: preloaded, registry-ca, sshd'),
        (["sshd", "sshd"], "sshd was given twice"),
        (["preloaded=/no/such/file"], "/no/such/file: there is no such file"),
        (["preloaded="], "names no file"),
        (["preloaded=/tmp"], "no such file"),
        ([f"sshd={__file__}"], "sshd takes no file"),
    ],
)
def test_what_no_feature_can_be(chosen: list[str], message: str, tmp_path: Path) -> None:
    target = tmp_path / "own"
    with pytest.raises(InputError, match=re.escape(message)):
        sources.init(str(target), chosen=chosen)
    assert not target.exists()


@pytest.mark.parametrize("base", ["", "no such", "x/UPPER", "a@b"])
def test_a_base_that_is_no_images_name(base: str, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        sources.init(str(tmp_path / "own"), base=base)
    assert not (tmp_path / "own").exists()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is not a directory"):
        sources.init(str(tmp_path / "file"))
    with pytest.raises(DinvError, match="cannot be written"):
        sources.init(str(tmp_path / "file" / "below"))
    # A directory where a file is to be.
    (tmp_path / "own" / "Dockerfile").mkdir(parents=True)
    with pytest.raises(ImageBuildError, match="cannot be written"):
        sources.init(str(tmp_path / "own"), overwrite=True)


@pytest.mark.parametrize(
    ("directory", "name"),
    [
        ("company", "dinv-company"),
        ("/a/My Images!", "dinv-my-images"),
        ("dinv-sshd", "dinv-sshd"),
        ("dinv", "dinv-dinv"),
        ("...", "dinv-own"),
        ("/", "dinv-own"),
    ],
)
def test_an_image_goes_by_the_name_of_its_directory(directory: str, name: str) -> None:
    assert sources.default_tag(directory) == name


def test_sources_that_do_not_say_what_they_are_built_on(tmp_path: Path) -> None:
    (tmp_path / "machine").mkdir()
    (tmp_path / "machine" / "Dockerfile").write_text("FROM scratch\n")
    with pytest.raises(InputError, match="has no line ARG BASE"):
        sources.machine_base(str(tmp_path))


def test_the_examples_are_in_the_wheel() -> None:
    # They are found beside the sources of the official image, which are packaged whole.
    assert '"images" = "dinv/images/source"' in (CHECKOUT / "pyproject.toml").read_text()
    assert os.path.dirname(sources.features()["sshd"]) == os.path.join(builder.sources(), "examples")
