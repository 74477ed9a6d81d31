"""The volumes of a machine: whose they are, and what stays where when the image changes."""

from __future__ import annotations

from docker_machine import MOUNTS, new_driver
from fake_engine import FakeEngine

from dinv.drivers.docker import volumes


def test_what_an_image_declares_keeps_its_volume_whatever_the_next_declares() -> None:
    driver = new_driver(FakeEngine())
    driver.site.declared_volumes = {"/b", "/d", MOUNTS["cache"]}
    first = {path: volume for volume, path in volumes.make(driver.site, MOUNTS)}
    assert first == {"/var/lib/docker": "dinv-dev-cache", "/b": "dinv-dev-data1", "/d": "dinv-dev-data2"}
    driver.site.declared_volumes = {"/a", "/d"}
    second = {path: volume for volume, path in volumes.make(driver.site, MOUNTS)}
    assert second == {"/var/lib/docker": "dinv-dev-cache", "/a": "dinv-dev-data3", "/d": first["/d"]}
    driver.site.declared_volumes = {"/b"}
    assert ("dinv-dev-data1", "/b") in volumes.make(driver.site, MOUNTS)


def test_an_image_that_declares_none_leaves_no_word_of_any() -> None:
    driver = new_driver(FakeEngine())
    assert volumes.make(driver.site, MOUNTS) == [("dinv-dev-cache", "/var/lib/docker")]
    assert "DataVolumes" not in driver.config.driver
