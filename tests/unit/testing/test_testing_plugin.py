from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

pytest_plugins = "pytester"

_USES_A_HOST = "def test_it(docker_host): pass\ndef test_other(docker_host_session): pass\n"


def test_options_and_fixtures_are_shown(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--help")
    result.stdout.fnmatch_lines(
        ["*--dinv-endpoint=ENDPOINT*", "*--dinv-image=IMAGE*", "*--dinv-memory=MEMORY*"]
    )
    result.stdout.fnmatch_lines(["*dinv_endpoint (string)*"])
    shown = pytester.runpytest("--fixtures")
    shown.stdout.fnmatch_lines(["docker_host *", "docker_host_session *"])


def test_without_an_endpoint_the_failure_says_what_to_do(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One clear message in place of a traceback, for each test that wanted a host."""
    pytester.makepyfile(_USES_A_HOST)
    result = pytester.runpytest("--dinv-endpoint", "unix:///no/such/docker.sock")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        ["*dinv: there is no Docker host for this test. *unix:///no/such/docker.sock*"]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*plugin.py:*: *Error*")


def test_options_may_stand_in_the_ini_file(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ndinv_endpoint = unix:///named/in/ini.sock\n")
    pytester.makepyfile(_USES_A_HOST)
    result = pytester.runpytest()
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*unix:///named/in/ini.sock*"])


def test_the_command_line_wins_over_the_ini_file(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ndinv_endpoint = unix:///named/in/ini.sock\n")
    pytester.makepyfile(_USES_A_HOST)
    result = pytester.runpytest("--dinv-endpoint", "unix:///named/on/line.sock")
    result.stdout.fnmatch_lines(["*unix:///named/on/line.sock*"])
    result.stdout.no_fnmatch_line("*ini.sock*")


def test_an_option_that_create_refuses_is_said_as_create_says_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(_USES_A_HOST)
    result = pytester.runpytest("--dinv-memory", "lots")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*memory='lots' is not a size*"])


def test_nothing_is_imported_for_runs_that_do_not_use_it() -> None:
    """Of dinv itself no more than the two packages on the way to the plugin."""
    script = (
        "import pytest, sys; before = set(sys.modules); import dinv.testing.plugin; "
        "print(*sorted(set(sys.modules) - before))"
    )
    run = subprocess.run(
        (sys.executable, "-c", script), check=True, capture_output=True, text=True, timeout=30
    )
    assert run.stdout.split() == ["dinv", "dinv.testing", "dinv.testing.plugin"]


def test_it_is_quiet_where_warnings_are_errors(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    pytester.makepyfile("def test_it(): pass\n")
    result = pytester.runpytest_subprocess("--strict-config", "--strict-markers")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*warnings summary*")
