"""The API, as programs have it; fuzzed by schemathesis by its own description."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import CHECKS, load_all_checks
from web_world import WebWorld

from dinv.server.database.database import Database
from dinv.server.web import watching

if TYPE_CHECKING:
    from starlette.testclient import TestClient


@pytest.fixture
def world(database: Database) -> WebWorld:
    return furnished(database)


def furnished(database: Database) -> WebWorld:
    made = WebWorld(database)
    made.template(ttl=3600, longest_ttl=7200, is_default=True)
    made.endpoint(max_machines=3)
    made.person("jane")
    made.person("john")
    made.person("olga", role="operator")
    made.person("audra", role="auditor")
    return made


def ask(client: TestClient, **wanted: Any) -> dict[str, Any]:
    answer = client.post("/api/v1/machines", json=wanted)
    assert answer.status_code in (201, 202), answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_machine_from_request_to_removal(world: WebWorld) -> None:
    jane = world.program("jane")
    answer = jane.post("/api/v1/machines", json={"name": "dev", "ttl": "30m"})
    assert answer.status_code == 202
    where = answer.headers["location"]
    assert answer.json()["state"] == "creating"
    assert answer.headers["etag"] == f'"{answer.json()["version"]}"'
    world.work()
    found = jane.get(where).json()
    assert (found["state"], found["name"], found["owner"]) == ("ready", "dev", "jane")
    made = jane.post(f"{where}/certificate", json={"csr": "PEM"}).json()
    assert made["key"] is None
    assert jane.post(f"{where}/certificate", json={}).json()["key"] == "key"
    shares = jane.get(f"{where}/shares").json()
    assert [each["is_owner"] for each in shares] == [True, True]
    assert jane.delete(f"{where}/shares/{shares[0]['serial']}").status_code == 202
    assert jane.post(f"{where}/shares", json={"holder": "bo", "ttl": "1h"}).status_code == 201
    assert jane.get(f"{where}/log?tail=3").text.endswith("3 False\n")
    assert jane.post(f"{where}/stop").status_code == 202
    world.work()
    assert jane.post(f"{where}/start").status_code == 202
    world.work()
    assert jane.delete(where).status_code == 202
    world.work()
    assert jane.get(where).json()["state"] == "removed"
    assert jane.get("/api/v1/machines").json() == {"machines": [], "after": ""}


def test_one_of_the_pool_is_there_at_once(world: WebWorld) -> None:
    world.pool("docker", 1)
    answer = world.program("jane").post("/api/v1/machines", json={})
    assert answer.status_code == 201
    assert answer.json()["state"] == "ready"


def test_the_same_key_is_the_same_machine(world: WebWorld) -> None:
    jane = world.program("jane")
    key = {"Idempotency-Key": "one"}
    first = jane.post("/api/v1/machines", json={}, headers=key).json()
    assert jane.post("/api/v1/machines", json={}, headers=key).json()["id"] == first["id"]
    answer = jane.post("/api/v1/machines", json={"name": "other"}, headers=key)
    assert answer.status_code == 409


def test_versions(world: WebWorld) -> None:
    jane = world.program("jane")
    where = f"/api/v1/machines/{ask(jane)['id']}"
    world.work()
    tag = jane.get(where).headers["etag"]
    assert jane.get(where, headers={"If-None-Match": tag}).status_code == 304
    answer = jane.post(f"{where}/extend", json={"by": "90m"}, headers={"If-Match": tag})
    assert answer.status_code == 200
    assert answer.headers["etag"] != tag
    answer = jane.post(f"{where}/stop", headers={"If-Match": tag})
    assert (answer.status_code, answer.json()["kind"]) == (412, "changed-meanwhile")
    assert jane.post(f"{where}/stop", headers={"If-Match": "five"}).status_code == 422


def test_what_is_somebody_elses_is_not_there(world: WebWorld) -> None:
    where = f"/api/v1/machines/{ask(world.program('jane'))['id']}"
    world.work()
    john = world.program("john")
    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/stop"),
        ("GET", "/shares"),
        ("GET", "/events"),
        ("GET", "/events/stream"),
        ("GET", "/log"),
    ):
        answer = john.request(method, where + path)
        assert (answer.status_code, answer.json()["kind"]) == (404, "not-found"), path


def test_who_one_is_and_what_a_token_may(world: WebWorld) -> None:
    assert world.program("jane").get("/api/v1/me").json()["person"]["name"] == "jane"
    reads = world.program("jane", frozenset({"read"}))
    assert reads.get("/api/v1/machines").status_code == 200
    assert reads.post("/api/v1/machines", json={}).status_code == 403
    answer = world.program().get("/api/v1/me")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    # A session's cookie is nothing here: no other site can have a browser do something.
    assert world.browser("jane").get("/api/v1/me").status_code == 401


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"ttl": "soon"}, "/ttl"),
        ({"ttl": "0s"}, "/ttl"),
        ({"name": "-x"}, "/name"),
        ({"colour": "red"}, "/colour"),
        ({"template": 1}, "/template"),
    ],
)
def test_what_cannot_be_used_is_named(world: WebWorld, body: dict[str, Any], pointer: str) -> None:
    answer = world.program("jane").post("/api/v1/machines", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_a_program_signs_in(world: WebWorld) -> None:
    program = world.program()
    begun = program.post("/api/v1/device").json()
    code = begun["user_code"]
    assert begun["verification_uri_complete"] == f"https://dinv.example.com/device?code={code}"
    poll = {"device_code": begun["device_code"]}
    assert program.post("/api/v1/device/token", json=poll).status_code == 202
    world.people.device_decide(world.actors["jane"], code, allow=True)
    token = program.post("/api/v1/device/token", json=poll).json()["token"]
    me = program.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"}).json()
    assert (me["person"]["name"], me["scopes"]) == ("jane", ["machines", "read"])
    # A token ends itself, and no other.
    others = world.people.tokens(world.actors["jane"])
    headers = {"Authorization": f"Bearer {world.token('jane')}"}
    assert program.delete(f"/api/v1/tokens/{others[0]['id']}", headers=headers).status_code == 403
    assert program.delete("/api/v1/tokens/current", headers=headers).status_code == 204
    assert program.get("/api/v1/me", headers=headers).status_code == 401


def test_operators_have_the_rest(world: WebWorld) -> None:
    olga, jane = world.program("olga"), world.program("jane")
    put = {"options": {"endpoint": "tcp://there:2376"}, "labels": {"zone": "a"}, "weight": 2}
    assert olga.put("/api/v1/endpoints/there", json=put).json()["weight"] == 2
    assert jane.put("/api/v1/endpoints/there", json=put).status_code == 403
    assert jane.get("/api/v1/endpoints").status_code == 403
    assert olga.put("/api/v1/quotas/every-user", json={"machines": 2}).json()["machines"] == 2
    assert jane.get("/api/v1/usage").json()["quota"]["machines"] == 2
    assert olga.patch("/api/v1/pools/docker", json={"size": 1, "maximum": 3}).json()["size"] == 1
    assert olga.delete("/api/v1/endpoints/there").status_code == 204
    found = world.program("audra").get("/api/v1/audit?action=endpoint.remove").json()["entries"]
    assert [(entry["actor"], entry["object"]) for entry in found] == [("olga", "endpoint:there")]
    assert jane.get("/api/v1/audit").status_code == 404


def test_events_as_they_happen(world: WebWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.01)
    jane = world.program("jane")
    where = f"/api/v1/machines/{ask(jane)['id']}"
    world.work()
    said = jane.get(f"{where}/events/stream").text
    assert "event: settled" in said
    assert json.loads(said.rpartition("data: ")[2])["state"] == "ready"
    last = said.split("id: ")[-1].partition("\n")[0]
    again = jane.get(f"{where}/events/stream", headers={"Last-Event-ID": last}).text
    assert "id: " not in again
    assert "event: settled" in again


def test_the_description_names_no_shape_of_the_frameworks(world: WebWorld) -> None:
    found = world.program().get("/api/openapi.json").json()
    assert found["openapi"].startswith("3.1")
    text = json.dumps(found)
    assert "HTTPValidationError" not in text
    assert "#/components/schemas/ProblemSeen" in text
    undescribed = [
        f"{method} {path}"
        for path, operations in found["paths"].items()
        for method, operation in operations.items()
        if not operation.get("description") or not operation.get("tags")
    ]
    assert undescribed == []


STREAMS = ("/events/stream", "/log")
"""The ends of paths whose answers have no end."""


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The description, of an application that answers; one world for all that is sent."""
    load_all_checks()
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('api')}/dinv.db")
    database.upgrade()
    world = furnished(database)
    yield schemathesis.openapi.from_asgi("/api/openapi.json", world.app), world
    database.close()


@pytest.mark.parametrize("who", ["olga", ""])
def test_nothing_that_is_sent_breaks_it(described: tuple[Any, WebWorld], who: str) -> None:
    schema, world = described
    headers = {"Authorization": f"Bearer {world.token(who)}"} if who else {}
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 30
    for operation in operations:
        if not operation.path.endswith(STREAMS):
            _fuzz(operation, headers)


EXCLUDED = ("unsupported_method", "ignored_auth", "positive_data_acceptance")
"""Methods and tokens have tests of their own; whether a text is a template's is not in the description."""


def _fuzz(operation: Any, headers: dict[str, str]) -> None:
    excluded = [CHECKS.get_one(name) for name in EXCLUDED]

    @given(case=operation.as_strategy())
    @settings(
        max_examples=4,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    def send(case: Any) -> None:
        response = case.call(headers=headers)
        case.validate_response(response, excluded_checks=excluded)

    send()
