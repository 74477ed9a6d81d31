"""What every request passes: ids, headers, bounds, origin, who asks, and problems as answers."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from fastapi import FastAPI, Form
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.testclient import TestClient

from dinv.server.audit import Audit
from dinv.server.models import Actor, Person, Pool, Scope
from dinv.server.problems import Problem, QuotaExceeded, Unavailable
from dinv.server.settings import Settings
from dinv.server.web import app as app_module
from dinv.server.web import cookies
from dinv.server.web.guards import Anybody, SignedIn
from dinv.server.web.log import JsonLines
from dinv.server.web.middleware import limits
from dinv.server.web.parts import Parts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class KnownPeople:
    """Two people, each with a session and a token."""

    roles = {"ada": "user", "olga": "operator", "audra": "auditor"}  # noqa: RUF012

    def session(self, secret: str, *, address: str, request_id: str) -> Actor | None:
        return self._actor(secret, "session-", "session", address, request_id)

    def token(self, secret: str, *, address: str, request_id: str) -> Actor | None:
        return self._actor(secret, "dinv_", "token", address, request_id)

    def _actor(self, secret: str, prefix: str, via: Any, address: str, request_id: str) -> Actor | None:
        name = secret.removeprefix(prefix).removesuffix("-reads")
        if not secret.startswith(prefix) or name not in self.roles:
            return None
        reads = secret.endswith("-reads")
        scopes = cast("frozenset[Scope]", frozenset({"read"} if reads else {"read", "machines", "operate"}))
        role = cast("Any", self.roles[name])
        return Actor(Person(name, name, "", "", role), via, scopes, address=address, request_id=request_id)


class Answering:
    def check(self) -> None:
        """It answers."""


class Gone:
    def check(self) -> None:
        raise Unavailable("The database does not answer. Try again.", retry_after=4.2)


class NoMachines:
    def counts(self, actor: Actor) -> dict[str, int]:
        return {"ready": 3}

    def pools(self, actor: Actor) -> list[Pool]:
        return [Pool("docker", 2, 5, paused=False, ready=2, creating=1, parked=0, claimed=1, generation="g")]


class FleetGone(NoMachines):
    def counts(self, actor: Actor) -> dict[str, int]:
        raise Unavailable("The database does not answer. Try again.")


class Sent(BaseModel):
    name: str
    password: str


def parts(tmp_path: Path, database: Any = None, **settings: Any) -> Parts:
    settings = {"public_url": "https://dinv.example.com", **settings}
    database = database or Answering()
    known = cast("Any", KnownPeople())
    return Parts(
        Settings(str(tmp_path), **settings), database, Audit(database), known, cast("Any", NoMachines())
    )


def make(parts: Parts) -> FastAPI:
    app = app_module.make_app(parts)

    @app.get("/who")
    @app.get("/api/v1/who")
    def who(found: Anybody) -> dict[str, str]:
        return {"name": found.person.name if found else "", "address": found.address if found else ""}

    @app.get("/mine")
    @app.post("/mine")
    @app.get("/api/v1/mine")
    @app.post("/api/v1/mine")
    def mine(actor: SignedIn) -> str:
        return actor.person.name

    @app.post("/api/v1/sent")
    def sent(body: Sent) -> str:
        return body.name

    @app.post("/form")
    def form(name: str = Form()) -> str:
        return name

    @app.get("/kept/{secret}")
    def first(secret: str) -> Response:
        return PlainTextResponse("own", headers={"Cache-Control": "max-age=60"})

    @app.get("/fails")
    def fails() -> None:
        raise ZeroDivisionError("with a secret in it")

    @app.get("/refused")
    def refused() -> None:
        raise QuotaExceeded("Too much.", retry_after=2.5, quota="machines", limit=2)

    @app.get("/address")
    def address(request: Request) -> list[str]:
        assert request.client is not None
        return [request.client.host, request.url.scheme]

    return app


def browser(parts: Parts, **more: Any) -> TestClient:
    return TestClient(make(parts), base_url="https://dinv.example.com", raise_server_exceptions=False, **more)


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    return browser(parts(tmp_path))


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("dinv.server")
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel("INFO")
    yield stream
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_a_session_counts_on_pages_and_a_token_for_the_api(client: TestClient) -> None:
    cookie = {"Cookie": f"{cookies.SESSION}=session-ada"}
    bearer = {"Authorization": "Bearer dinv_ada"}
    assert client.get("/who", headers=cookie).json()["name"] == "ada"
    assert client.get("/api/v1/who", headers=bearer).json()["name"] == "ada"
    assert client.get("/api/v1/who", headers=cookie).json()["name"] == ""
    assert client.get("/who", headers=bearer).json()["name"] == ""
    assert client.get("/api/v1/who", headers={"Authorization": "Basic dinv_ada"}).json()["name"] == ""
    assert client.get("/api/v1/who", headers={"Authorization": "bearer dinv_ada"}).json()["name"] == "ada"


@pytest.mark.parametrize(
    ("path", "headers", "status", "words"),
    [
        ("/api/v1/mine", {}, 401, "Authorization: Bearer"),
        ("/api/v1/mine", {"Authorization": "Bearer dinv_eve"}, 401, "unknown, expired or revoked"),
        ("/api/v1/mine", {"Authorization": "Bearer " + "x" * 300}, 401, "Authorization: Bearer"),
        ("/mine", {"Cookie": f"{cookies.SESSION}=nonsense"}, 401, "the session is over"),
    ],
)
def test_who_may(client: TestClient, path: str, headers: dict[str, str], status: int, words: str) -> None:
    answer = client.get(path, headers=headers)
    assert answer.status_code == status
    assert words in str(answer.json())
    if status == 401:
        assert answer.headers["www-authenticate"] == 'Bearer realm="dinv"'


def test_a_problem_is_told_to_programs(client: TestClient) -> None:
    answer = client.get("/refused")
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "3"
    assert answer.json() == {
        "type": "urn:dinv:problem:quota-exceeded",
        "kind": "quota-exceeded",
        "title": "This would be more than the quota",
        "status": 409,
        "detail": "Too much.",
        "quota": "machines",
        "limit": 2,
        "request_id": answer.headers["x-request-id"],
    }


def test_what_the_framework_refuses_is_a_problem_too(client: TestClient) -> None:
    bearer = {"Authorization": "Bearer dinv_ada"}
    missing = client.get("/api/v1/nothing")
    assert (missing.status_code, missing.json()["kind"]) == (404, "no-route")
    wrong = client.delete("/api/v1/mine", headers=bearer)
    assert (wrong.status_code, wrong.json()["kind"]) == (405, "method-not-allowed")
    assert wrong.headers["allow"]
    invalid = client.post("/api/v1/sent", json={"password": ["hunter2"]})
    assert invalid.status_code == 422
    assert [each["pointer"] for each in invalid.json()["errors"]] == ["/name", "/password"]
    assert "hunter2" not in invalid.text
    for answer in (missing, wrong, invalid, client.post("/api/v1/sent", content=b"{")):
        assert answer.headers["content-type"] == "application/problem+json"


def test_an_unexpected_error_tells_its_id_and_nothing_else(client: TestClient, logged: io.StringIO) -> None:
    answer = client.get("/fails")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-request-id"] in answer.json()["detail"]
    assert "secret" not in answer.text
    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    assert [line["request_id"] for line in lines] == [answer.headers["x-request-id"]] * 2
    assert "ZeroDivisionError" in lines[0]["error"]


def test_a_browser_gets_the_page_s_own_answer(tmp_path: Path) -> None:
    app = make(parts(tmp_path))

    def page(request: Request, problem: Problem) -> Response:
        return PlainTextResponse(f"page: {problem.kind}", problem.status)

    app.state.problem_page = page
    client = TestClient(app, base_url="https://dinv.example.com")
    html = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    assert client.get("/mine", headers=html).text == "page: not-signed-in"
    assert client.get("/nothing", headers=html).text == "page: no-route"
    assert client.get("/mine").json()["kind"] == "not-signed-in"
    assert client.get("/api/v1/mine", headers=html).json()["kind"] == "not-signed-in"
    forged = client.post("/form", data={"name": "x"}, headers={**html, "Origin": "https://evil.example"})
    assert forged.text == "page: forbidden"


def test_every_answer_has_the_headers_of_safety(client: TestClient) -> None:
    for answer in (client.get("/who"), client.get("/nothing"), client.get("/fails")):
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert "server" not in answer.headers
    assert client.get("/kept/x").headers["cache-control"] == "max-age=60"


def test_strict_transport_is_for_tls_and_not_for_localhost(tmp_path: Path) -> None:
    app = make(parts(tmp_path))
    for url in ("http://dinv.example.com", "https://localhost:8443"):
        answer = TestClient(app, base_url=url).get("/who")
        assert "strict-transport-security" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"Origin": "https://dinv.example.com", "Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "https://dinv.example.com"}, True),
        ({"Origin": "https://DINV.example.com:443"}, False),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({}, True),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "https://dinv.example.com.evil.example"}, False),
        ({"Origin": "http://dinv.example.com"}, False),
        ({"Origin": "https://dinv.example.com:8443"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": ""}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://dinv.example.com"}, False),
        ({"Cookie": f"{cookies.SESSION}=session-ada"}, False),
        ({"Cookie": f"{cookies.SESSION}=session-ada", "Origin": "https://dinv.example.com"}, True),
    ],
)
def test_another_site_s_requests_are_refused(
    client: TestClient,
    headers: dict[str, str],
    allowed: bool,  # noqa: FBT001
) -> None:
    answer = client.post("/form", data={"name": "x"}, headers=headers)
    assert (answer.status_code == 200) is allowed
    if not allowed:
        assert answer.json()["kind"] == "forbidden"


def test_without_a_public_url_the_origin_is_where_the_browser_asks(tmp_path: Path) -> None:
    client = TestClient(make(parts(tmp_path, public_url="")), base_url="https://192.0.2.1:8443")
    assert (
        client.post("/form", data={"name": "x"}, headers={"Origin": "https://192.0.2.1:8443"}).text == '"x"'
    )
    assert (
        client.post("/form", data={"name": "x"}, headers={"Origin": "https://192.0.2.1"}).status_code == 403
    )


def test_what_is_too_large_is_refused(client: TestClient) -> None:
    address = client.get("/who?" + "x" * limits.LONGEST_ADDRESS)
    headers = client.get("/who", headers={"X-Large": "x" * limits.LARGEST_HEADERS})
    many = client.get("/who", headers={f"X-{number}": "1" for number in range(limits.MOST_HEADERS)})
    body = client.post("/api/v1/sent", content=b"x" * (limits.LARGEST_BODY + 1))
    pieces = client.post("/api/v1/sent", content=iter([b"x" * 300_000] * 5))
    nonsense = client.post("/api/v1/sent", content=b"x", headers={"Content-Length": "-1"})
    for answer in (address, headers, many, body, pieces, nonsense):
        assert (answer.status_code, answer.json()["kind"]) == (413, "too-large")
        assert answer.headers["connection"] == "close"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_body_that_does_not_come_is_not_waited_for_for_ever() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass

    async def silent() -> Any:
        await asyncio.sleep(60)

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "headers": [], "path": "/", "raw_path": b"/", "query_string": b""}
    asyncio.run(limits.Limits(app, body_seconds=0.05)(scope, silent, send))
    assert sent[0]["status"] == 408


def test_streams_may_wait_for_ever_after_the_body() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert not (await receive()).get("more_body")
        async with asyncio.timeout(0.2):
            await receive()

    turns = iter([{"type": "http.request", "body": b""}])

    async def receive() -> Any:
        try:
            return next(turns)
        except StopIteration:
            await asyncio.sleep(60)

    scope = {"type": "http", "headers": [], "path": "/", "raw_path": b"/", "query_string": b""}
    with pytest.raises(TimeoutError):
        asyncio.run(limits.Limits(app, body_seconds=0.05)(scope, receive, cast("Any", None)))


def test_the_log_says_the_route_and_no_secret(client: TestClient, logged: io.StringIO) -> None:
    client.get("/kept/the-secret?token=the-secret", headers={"Authorization": "Bearer the-secret"})
    client.get("/the-secret/typed/by-mistake")
    client.get("/who", headers={"Cookie": f"{cookies.SESSION}=session-ada"})
    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    assert "the-secret" not in logged.getvalue()
    assert [(line["route"], line["status"]) for line in lines] == [
        ("/kept/{secret}", 200),
        ("", 404),
        ("/who", 200),
    ]
    assert lines[1]["problem"] == "no-route"
    assert lines[2]["actor"] == "ada"
    assert all(line["message"] == "request" and len(line["request_id"]) == 20 for line in lines)


def test_only_a_trusted_proxy_tells_where_a_request_is_from(tmp_path: Path) -> None:
    told = {"X-Forwarded-For": "203.0.113.5", "X-Forwarded-Proto": "https", "X-Request-Id": "of-the-proxy"}
    trusting = make(parts(tmp_path, trusted_proxies=("10.0.0.0/8",)))
    for peer, address in (("10.1.2.3", ["203.0.113.5", "https"]), ("192.0.2.7", ["192.0.2.7", "http"])):
        client = TestClient(trusting, base_url="http://dinv.example.com", client=(peer, 1))
        assert client.get("/address", headers=told).json() == address
    client = TestClient(make(parts(tmp_path)), base_url="http://dinv.example.com", client=("10.1.2.3", 1))
    answer = client.get("/address", headers=told)
    assert answer.json() == ["10.1.2.3", "http"]
    assert answer.headers["x-request-id"] != "of-the-proxy"


def test_the_session_s_cookie_is_for_this_host_over_tls_and_no_script() -> None:
    response = Response()
    cookies.set_session(response, "s" * 43)
    (cookie,) = response.headers.getlist("set-cookie")
    assert cookie.startswith("__Host-dinv=sss")
    words = [word.strip().lower() for word in cookie.split(";")]
    assert {"path=/", "secure", "httponly", "samesite=lax"} <= set(words)
    assert not any(word.startswith("domain") for word in words)
    ended = Response()
    cookies.end_session(ended)
    assert "Max-Age=0" in ended.headers["set-cookie"]


def test_health_and_readiness(tmp_path: Path) -> None:
    well = parts(tmp_path)
    client = browser(well)
    assert client.get("/healthz").text == "ok\n"
    assert client.get("/readyz").text == "ready\n"
    well.stopping.set()
    assert client.get("/readyz").status_code == 503
    ill = browser(parts(tmp_path, Gone()))
    assert ill.get("/healthz").status_code == 200
    answer = ill.get("/readyz")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("127.0.0.1", {"X-Forwarded-For": "203.0.113.5"}, 401),
        ("127.0.0.1", {"Forwarded": "for=203.0.113.5"}, 401),
        ("192.0.2.7", {}, 401),
        ("192.0.2.7", {"Authorization": "Bearer dinv_ada"}, 403),
        ("192.0.2.7", {"Authorization": "Bearer dinv_audra"}, 200),
        ("192.0.2.7", {"Authorization": "Bearer dinv_olga"}, 200),
    ],
)
def test_figures_are_for_this_computer_and_for_operators(
    tmp_path: Path, peer: str, headers: dict[str, str], status: int
) -> None:
    client = browser(parts(tmp_path), client=(peer, 1))
    client.get("/who")
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == status
    if status == 200:
        assert 'dinv_http_request_seconds_count{method="GET",route="/who",status="200"}' in answer.text


def test_figures_say_what_there_is_and_whether_the_database_answers(tmp_path: Path) -> None:
    well = parts(tmp_path)
    text = browser(well, client=("127.0.0.1", 1)).get("/metrics").text
    for line in (
        'dinv_machines{state="ready"} 3.0',
        'dinv_pool_ready{pool="docker"} 2.0',
        'dinv_pool_machines{pool="docker",state="creating"} 1.0',
        "dinv_database_up 1.0",
    ):
        assert line in text
    gone = dataclasses.replace(well, fleet=cast("Any", FleetGone()))
    answer = browser(gone, client=("127.0.0.1", 1)).get("/metrics")
    assert answer.status_code == 200
    assert "dinv_database_up 0.0" in answer.text


def test_behind_a_proxy_of_this_computer_figures_need_a_token(tmp_path: Path) -> None:
    client = browser(parts(tmp_path, plain=True), client=("127.0.0.1", 1))
    assert client.get("/metrics").status_code == 401


def test_workers_look_after_what_may_have_asked_for_something(tmp_path: Path) -> None:
    woken: list[int] = []
    app = make(replace(parts(tmp_path), wake=lambda: woken.append(1)))
    client = TestClient(app, base_url="https://dinv.example.com")
    client.get("/who")
    assert woken == []
    client.post("/api/v1/nothing")
    assert woken == [1]
