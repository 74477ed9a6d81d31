"""The JSON Schema: that it is one, that it is what the reader reads, and what ships is what is generated."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from dinv.declared.kinds import fleet
from dinv.declared.reading import read
from dinv.declared.schema import schema
from dinv.errors.declared import DeclarationError
from dinv.formats.strict_yaml import LARGEST
from dinv.options import Table

SCHEMA = schema(fleet())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def accepted(value: Any) -> bool:
    try:
        read(json.dumps(value, ensure_ascii=False), kinds=[fleet()], variables={})
    except DeclarationError:
        return False
    return True


def test_it_is_a_schema_of_2020_12() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"] == "urn:dinv:schema:v1:fleet"
    machine = SCHEMA["properties"]["machines"]["anyOf"][0]["additionalProperties"]["anyOf"][0]["properties"]
    assert {"memory", "label", "vault-token", "url", "join"} <= set(machine)
    assert all("description" in each for each in machine.values())


HEAD = {"apiVersion": "dinv/v1", "name": "a"}


def with_machine(**options: Any) -> dict[str, Any]:
    return {**HEAD, "machines": {"dev": {key.replace("_", "-"): value for key, value in options.items()}}}


@pytest.mark.parametrize(
    ("value", "fine"),
    [
        (HEAD, True),
        ({**HEAD, "kind": "Fleet", "x-own": [1]}, True),
        ({**HEAD, "machines": {"dev": None}, "caches": None}, True),
        (with_machine(memory="4g", cpus=1.5, label={"a": 1, "b": True}, dns=["1.1.1.1"]), True),
        (with_machine(label=["a=b"], context=False, memory=1024, timeout=3, network=None), True),
        (with_machine(memory="${MEMORY:-4g}", cpus="${CPUS:-2}", context="${C:-true}"), True),
        (with_machine(cert_lifetime="1d12h"), True),
        (with_machine(engine_opt={"debug": None, "mtu": 1400}), True),
        ({"name": "a"}, False),
        ({**HEAD, "apiVersion": "v1"}, False),
        ({**HEAD, "name": "A B"}, False),
        ({**HEAD, "name": None}, False),
        ({**HEAD, "machine": {}}, False),
        ({**HEAD, "machines": {"a_b": {}}}, False),
        ({**HEAD, "caches": {"c": {"upstream": "docker.io"}}}, False),
        (with_machine(memroy="4g"), False),
        (with_machine(memory="lots"), False),
        (with_machine(memory=-1), False),
        (with_machine(cpus="2"), False),
        (with_machine(context="no"), False),
        (with_machine(network=True), False),
        (with_machine(label={"a": ["b"]}), False),
        (with_machine(label=["a"]), False),
        (with_machine(label={"a": None}), False),
        (with_machine(dns="1.1.1.1"), False),
        (with_machine(cert_lifetime=90), False),
        (with_machine(cert_lifetime="90"), False),
        (with_machine(timeout=0), False),
        (with_machine(authority="vault", vault_token="s3cr3t"), False),
    ],
)
def test_schema_and_reader_agree(value: Any, fine: object) -> None:
    assert VALIDATOR.is_valid(value) is fine
    assert accepted(value) is fine


words = some.text("abcXYZ019 .-_/:${}=no,", max_size=8)
scalars = (
    some.none() | some.booleans() | some.integers(-(10**6), 10**6) | words
    | some.floats(allow_nan=False, allow_infinity=False)
    | some.sampled_from(["4g", "1.5 GiB", "12h", "1d", "none", "true", "no", "a=b", ":2376", "a"])
)  # fmt: skip
anything = scalars | some.lists(scalars, max_size=3) | some.dictionaries(words, scalars, max_size=3)
PLAIN = sorted(
    # What a machine of the usual driver takes; which options go together is beyond the schema.
    option.name
    for option in Table(driver="docker")
    if option.name
    not in ("driver", "provisioner", "authority", "image-contract", "registry-ca", "registry-cache")
    and not option.name.startswith(("swarm", "vault", "step", "cfssl", "exec", "tls-ca"))
)


def meaningful(value: Any) -> bool:
    """Whether a value has nothing in it that only the reader knows: variables, and bounds of durations."""
    if isinstance(value, dict):
        return all(map(meaningful, [*value, *value.values()]))
    if isinstance(value, list):
        return all(map(meaningful, value))
    return not (isinstance(value, str) and "$" in value)


@settings(max_examples=400, suppress_health_check=list(HealthCheck))
@given(some.dictionaries(some.sampled_from(PLAIN), anything, max_size=2))
def test_for_any_options_they_say_the_same(options: dict[str, Any]) -> None:
    value = {**HEAD, "machines": {"dev": options}}
    reader, by_schema = accepted(value), VALIDATOR.is_valid(value)
    assert by_schema or not reader, f"the reader takes what the schema refuses: {value}"
    if meaningful(options) and not any("lifetime" in name or "ttl" in name for name in options):
        assert reader or not by_schema, f"the schema takes what the reader refuses: {value}"


caches = some.dictionaries(
    some.sampled_from(["upstream", "push", "endpoint", "network", "image", "credentials", "bogus"]),
    anything,
    max_size=3,
)


@settings(max_examples=200, suppress_health_check=list(HealthCheck))
@given(
    name=words | some.none(),
    cached=some.dictionaries(words, caches | some.none(), max_size=2),
    more=some.dictionaries(
        some.sampled_from(["x-a", "machines", "bogus", "kind", "defaults"]), anything, max_size=1
    ),
)
def test_for_any_document_they_say_the_same(name: Any, cached: Any, more: Any) -> None:
    value = {"apiVersion": "dinv/v1", "name": name, "caches": cached, **more}
    reader, by_schema = accepted(value), VALIDATOR.is_valid(value)
    assert by_schema or not reader, f"the reader takes what the schema refuses: {value}"
    if meaningful(value):
        assert reader or not by_schema, f"the schema takes what the reader refuses: {value}"


def test_yaml_that_people_write_fits_as_well() -> None:
    text = (
        "apiVersion: dinv/v1\nname: a\nmachines:\n  dev:\n    memory: 4g\n    tls-san: [a.example]\n  ci:\n"
    )
    assert VALIDATOR.is_valid(yaml.safe_load(text))
    assert read(text, kinds=[fleet()], variables={}).name == "a"
    assert len(json.dumps(SCHEMA)) < LARGEST
