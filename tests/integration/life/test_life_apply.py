"""`dinv apply`, with machines: the developer's example is made, changed in place, and removed."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from harness import CHECKOUT

if TYPE_CHECKING:
    from users import User

FILE = os.path.join(CHECKOUT, "examples", "declared", "developer.yaml")


def test_a_developers_machines(user: User) -> None:
    user.environment.update(DEV_MEMORY="300m", TRY_MEMORY="200m")
    assert "2 to create" in user.dinv("diff", "-f", FILE, status=1).stdout
    user.dinv("apply", "-f", FILE)
    assert user.dinv("diff", "-f", FILE).stdout == "Everything is as the files say.\n"
    before = json.loads(user.dinv("inspect", "dev").stdout)
    assert before["Dinv"]["Applied"]["File"] == "developer"
    assert json.loads(user.dinv("inspect", "try").stdout)["Dinv"]["Lease"]["OnExpiry"] == "stop"

    user.environment["DEV_MEMORY"] = "400m"
    said = user.dinv("apply", "-f", FILE).stdout
    assert "memory: 300 MiB -> 400 MiB  (update)" in said
    after = json.loads(user.dinv("inspect", "dev").stdout)
    assert after["Dinv"]["ID"] == before["Dinv"]["ID"]
    assert after["Driver"]["Memory"] == 400 * 1024 * 1024

    user.dinv("delete", "-y", "-f", FILE)
    assert user.dinv("ls", "-q").stdout == ""
    assert user.traces("dev") == user.traces("try") == []
