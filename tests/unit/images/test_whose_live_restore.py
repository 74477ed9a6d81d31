"""Whose setting live-restore is in a daemon.json: the image and the contract have to be of one mind."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from dinv.images.dinv import DinvContract

LIB = Path(__file__).parents[3] / "images" / "rootfs" / "usr" / "local" / "lib" / "dinv"
SCRIPT = """
. "$LIB/config.sh"
daemon_json=$DIR/daemon.json live_restore=''
set_live_restore true
is_switched_here
"""


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}\n",
        '{"debug":true}\n',
        '{"live-restore":false}\n',
        '{"live-restore":true,"debug":true}\n',
        '{ "live-restore":false}\n',
        '{ "live-restore": true, "debug":true}\n',
        '{\n  "debug": true,\n  "live-restore": false\n}\n',
        '{"labels":["live-restore"]}\n',
    ],
)
def test_the_image_switches_it_where_the_contract_says_that_nobody_has_set_it(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / "daemon.json").write_text(content)
    assert DinvContract.daemon_json == "/etc/docker/daemon.json"
    ran = subprocess.run(
        ["sh", "-c", SCRIPT],
        env={**os.environ, "LIB": str(LIB), "DIR": str(tmp_path)},
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert not ran.stderr
    switched = ran.returncode == 0
    assert (DinvContract().live_restore(content.encode()) is None) == switched
