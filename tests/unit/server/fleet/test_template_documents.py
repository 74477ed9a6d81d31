"""What operators write, and what people get of it."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest
from fleet_world import GIB, World

import dinv
from dinv.server.fleet.inventory.documents import read
from dinv.server.problems import Forbidden, Invalid, NotFound, TooLarge

if TYPE_CHECKING:
    from dinv.server.database.database import Database

WHOLE = """\
apiVersion: dinv/v1
kind: Template
name: docker
title: A Docker host
description: |
  For builds.
default: true
teams: [web, data]
endpoint-labels: {zone: a}
ttl: 8h
longest-ttl: 3d
idle-ttl: 2h
options:
  memory: 4g
  cpus: 1.5
  cache-size: 20g
  label: {team: red}
pool:
  size: 3
  max: 20
"""
LEAST = "apiVersion: dinv/v1\nkind: Template\nname: docker\n"


def test_all_of_a_template() -> None:
    read_values = read(WHOLE)
    assert read_values.pop("document") == WHOLE
    assert len(read_values.pop("generation")) == 16
    assert read_values == {
        "name": "docker",
        "title": "A Docker host",
        "description": "For builds.\n",
        "options": {"memory": "4g", "cpus": 1.5, "cache_size": "20g", "label": {"team": "red"}},
        "ttl": 8 * 3600,
        "longest_ttl": 3 * 86400,
        "idle_ttl": 7200,
        "cpus": 1.5,
        "memory": 4 * GIB,
        "cache": 20 * GIB,
        "endpoint_labels": {"zone": "a"},
        "teams": ["data", "web"],
        "is_default": True,
        "pool_size": 3,
        "pool_max": 20,
        "pool_paused": False,
    }


def test_the_least_of_a_template() -> None:
    values = read(LEAST)
    assert (values["title"], values["options"], values["cpus"], values["pool_size"]) == ("docker", {}, 0.0, 0)


@pytest.mark.parametrize(
    ("change", "other"),
    [
        ("ttl: 1h\n", False),
        ("title: x\n", False),
        ("pool: {size: 1}\n", False),
        ("options: {memory: 1g}\n", True),
        ("endpoint-labels: {a: b}\n", True),
    ],
)
def test_the_generation_is_of_what_machines_are_made_with(change: str, *, other: bool) -> None:
    assert (read(LEAST + change)["generation"] != read(LEAST)["generation"]) is other


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(Invalid) as problem:
        read(
            LEAST
            + "ttl: 1x\nname: docker\noptions:\n  memory: much\n  endpoint: tcp://h:2376\n  nonsense: 1\n"
            + "default: no\npool: {size: -1}\n"
        )
    lines = [error["line"] for error in problem.value.fields["errors"]]
    assert sorted(lines) == [4, 5, 7, 8, 9, 10, 11], problem.value.fields["errors"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ttl: 3d\nlongest-ttl: 8h\n", "line 4, column 1: ttl is longer than longest-ttl"),
        ("pool: {size: 3, max: 2}\n", "pool.size is more than pool.max, 2"),
        ("options: {network: $HOME}\n", "HOME"),
        ("options: {ttl: 8h}\n", 'no key "ttl": create has that option, but it cannot be given here'),
        ("options: {endpoint: e}\n", 'no key "endpoint": create has that option'),
    ],
)
def test_what_does_not_go_together(text: str, said: str) -> None:
    with pytest.raises(Invalid) as problem:
        read(LEAST + text)
    assert said in str(problem.value)


@pytest.mark.parametrize("text", ["", "a: [", "&a [*a]", "[" * 5000, "\0", "x: " + "y" * 60000])
def test_what_is_no_template_is_said(text: str) -> None:
    with pytest.raises(Invalid):
        read(text)


def test_the_template_of_the_page_is_one() -> None:
    page = os.path.join(os.path.dirname(dinv.__file__), "..", "..", "docs", "server-templates.md")
    with open(page, encoding="utf-8") as file:
        (text,) = re.findall(r"```yaml\n(.*?)```", file.read(), re.DOTALL)
    assert read(text)["pool_max"] == 20


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def test_operators_write_templates(world: World) -> None:
    operator, jane = world.person("op", role="operator"), world.person("jane")
    with pytest.raises(Forbidden):
        world.fleet.put_template(jane, LEAST)
    with pytest.raises(TooLarge):
        world.fleet.put_template(operator, LEAST + "#" * 2**20)
    written = world.fleet.put_template(operator, LEAST + "default: true\n")
    assert world.fleet.templates(jane) == [written]
    other = world.fleet.put_template(operator, LEAST.replace("docker", "large") + "default: true\n")
    assert [template.name for template in world.fleet.templates(jane)] == ["large", "docker"]
    assert [template.is_default for template in world.fleet.templates(jane)] == [True, False]
    again = world.fleet.put_template(operator, LEAST.replace("docker", "large") + "title: Larger\n")
    assert (again.id, again.title, again.is_default) == (other.id, "Larger", False)
    assert world.audited()[-1] == ("op", "template.put", "template:large")


def test_a_template_that_is_removed_comes_back(world: World) -> None:
    operator, jane = world.person("op", role="operator"), world.person("jane")
    world.endpoint()
    first = world.fleet.put_template(operator, LEAST)
    world.pool("docker", 2)
    mine = world.fleet.request(jane)
    before = world.fleet.latest_event()
    world.fleet.remove_template(operator, "docker")
    ((_, waiting, owner),) = world.fleet.happened(before)[0]
    assert (waiting == mine.id, owner) == (False, None)
    world.work()
    assert world.states() == {mine.name: "ready"}
    assert world.fleet.templates(jane) == []
    assert world.fleet.pools(operator) == []
    with pytest.raises(NotFound):
        world.fleet.remove_template(operator, "docker")
    assert world.fleet.put_template(operator, LEAST).id == first.id
