from __future__ import annotations

import hashlib
import io
import json
import tarfile

import pytest

from dinv.errors import ImageBuildError, InputError
from dinv.image_building.layer import Layer, source_date_epoch

_STARTED = 2_000_000_000


def file_system(made_at: int, *, long_name: str = "é" * 80) -> io.BytesIO:
    """A file system with files of packages and two that the build made at `made_at`."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, time, content in (
            ("./usr/bin/old", 1_500_000_000, b"old"),
            (f"./{long_name}", 1_600_000_000, b"of a package"),
            ("./etc/made", made_at, b"made"),
            (f"./etc/{long_name}", made_at, b"made, too"),
        ):
            member = tarfile.TarInfo(name)
            member.mtime = time
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    data.seek(0)
    return data


def entries(archive: io.BytesIO) -> dict[str, bytes]:
    with tarfile.open(fileobj=archive) as tar:
        found = {}
        for member in tar:
            file = tar.extractfile(member)
            assert file is not None
            found[member.name] = file.read()
        return found


def image(layer: Layer, **config: object) -> tuple[dict[str, bytes], str]:
    archive, identity = layer.image(config, architecture="amd64")
    data = b""
    while piece := archive.read(1000):
        data += piece
    assert len(data) % 512 == 0
    return entries(io.BytesIO(data)), identity


def test_the_time_of_the_build_is_not_in_the_image() -> None:
    with Layer(file_system(_STARTED), started=_STARTED) as first:
        one = image(first, Env=["a=b"], StopSignal="SIGTERM")
    with Layer(file_system(_STARTED + 86400), started=_STARTED + 86399) as second:
        another = image(second, StopSignal="SIGTERM", Env=["a=b"])
    assert one == another
    assert first.epoch == 1_600_000_000
    parts, identity = one
    layer = parts[f"{first.digest}/layer.tar"]
    assert hashlib.sha256(layer).hexdigest() == first.digest
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        assert [int(member.mtime) for member in tar] == [1_500_000_000, *[1_600_000_000] * 3]
    assert set(entries(io.BytesIO(layer)).values()) == {b"old", b"of a package", b"made", b"made, too"}
    described = parts[f"{identity.removeprefix('sha256:')}.json"]
    assert f"sha256:{hashlib.sha256(described).hexdigest()}" == identity
    config = json.loads(described)
    assert config["created"] == "2020-09-13T12:26:40Z"
    assert config["rootfs"] == {"type": "layers", "diff_ids": [f"sha256:{first.digest}"]}
    assert config["config"] == {"Env": ["a=b"], "StopSignal": "SIGTERM"}
    assert json.loads(parts["manifest.json"]) == [
        {
            "Config": f"{identity.removeprefix('sha256:')}.json",
            "RepoTags": None,
            "Layers": [f"{first.digest}/layer.tar"],
        }
    ]


def test_with_a_time_given_all_stays_as_it_is() -> None:
    with Layer(file_system(1_700_000_000)) as layer:
        parts, _ = image(layer)
        assert layer.epoch == 1_700_000_000
    content = parts[f"{layer.digest}/layer.tar"]
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        assert tar.getmember("./etc/made").mtime == 1_700_000_000


def test_other_files_are_another_image() -> None:
    with Layer(file_system(_STARTED), started=_STARTED) as one:
        first = image(one)[1]
        assert image(one, User="x")[1] != first
    with Layer(file_system(_STARTED, long_name="x" * 150), started=_STARTED) as another:
        assert image(another)[1] != first


def test_files_in_it_can_be_read() -> None:
    with Layer(file_system(_STARTED), started=_STARTED) as layer:
        assert layer.read("etc/made") == b"made"
        assert layer.read("etc/nothing") == b""


@pytest.mark.parametrize("size", [100, 700])
def test_an_archive_that_ends_early_is_refused(size: int) -> None:
    with pytest.raises(ImageBuildError, match="not whole"):
        Layer(io.BytesIO(file_system(_STARTED).read(size)))


def test_source_date_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert source_date_epoch() is None
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert source_date_epoch() == 1_700_000_000
    for text in ("-1", "now", "1.5", "99999999999999", "\u0661"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
        with pytest.raises(InputError, match="seconds since 1970"):
            source_date_epoch()
