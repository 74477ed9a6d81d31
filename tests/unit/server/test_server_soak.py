"""The soak of benchmarks/soak, for some seconds; and that it sees what it is there to see."""

from __future__ import annotations

import argparse
import random
from typing import TYPE_CHECKING

import pytest
from benchmarks.soak import __main__ as soak
from benchmarks.soak import people, samples, weather
from benchmarks.soak.samples import MB, Sample

if TYPE_CHECKING:
    from pathlib import Path


def test_soak_of_some_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(soak, "IDLE_SECONDS", 0.3)
    monkeypatch.setattr(people, "THINKS", (0.05, 0.2))
    monkeypatch.setattr(people, "WAITS_SECONDS", 11.0)
    left = people.Crowd._left

    def left_until_somebody_has_listed(crowd: people.Crowd) -> float:
        seconds = left(crowd)
        return seconds if crowd.answers["list", 200] or seconds < -30 else max(seconds, 0.5)

    # On a slow computer the time may be over before anybody has come.
    monkeypatch.setattr(people.Crowd, "_left", left_until_somebody_has_listed)
    options = argparse.Namespace(seconds=1.0, people=4, every=0.5, database="", samples=str(tmp_path / "s"))

    assert soak.soak(options, str(tmp_path), random.Random(3)) == []  # noqa: S311

    shown = capsys.readouterr().out
    assert "nobody is there any more" in shown
    assert "| list | 200" in shown
    assert (tmp_path / "s").read_text().count("\n") >= 3


def sample(seconds: float, memory: float = 100.0, files: int = 50, threads: int = 10) -> Sample:
    return Sample(seconds, int(memory * MB), files, threads, 0.0, 0)


HOUR = range(0, 3601, 10)


def test_a_server_that_fills_its_caches_and_stays_so_is_well() -> None:
    dice = random.Random(1)  # noqa: S311
    taken = [
        sample(second, min(150.0, 100 + second / 10) + dice.uniform(-2, 2), dice.randrange(40, 60))
        for second in HOUR
    ]

    assert samples.wrong(taken) == []
    assert abs(samples.slope(samples.after_warm_up(taken))) < MB


@pytest.mark.parametrize(
    ("growing", "found"),
    [
        ({"memory": 100}, "memory grew"),
        ({"files": 60}, "files grew"),
        ({"threads": 60}, "threads grew"),
    ],
)
def test_what_grows_all_the_time_is_seen(growing: dict[str, int], found: str) -> None:
    (name, more) = next(iter(growing.items()))
    first = getattr(sample(0), name) // (MB if name == "memory" else 1)
    taken = [sample(second, **{name: first + more * second // 3600}) for second in HOUR]

    assert [words for words in samples.wrong(taken) if found in words]


def test_what_is_kept_when_all_have_gone_is_seen() -> None:
    assert samples.wrong_when_idle(sample(0), sample(3700, files=120)) == []
    assert len(samples.wrong_when_idle(sample(0), sample(3700, files=200, threads=100))) == 2


def test_weather_is_fair_at_first_and_bad_by_turns() -> None:
    assert {weather.at(second, "steady-1") for second in HOUR} == {weather.WELL}
    assert weather.at(0, "dies") == weather.WELL
    for endpoint, trouble in (("dies", weather.DEAD), ("hangs", weather.HANGING), ("fills", weather.FULL)):
        seen = [weather.at(second, endpoint) for second in HOUR]
        assert set(seen) == {weather.WELL, trouble}
        assert seen[-len(seen) // 2 :].count(trouble) > 10
