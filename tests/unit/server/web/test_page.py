"""The page, as a browser without JavaScript has it."""

from __future__ import annotations

import asyncio
import html
import io
import re
import tarfile
from typing import TYPE_CHECKING

import pytest
from known_people import PASSWORD
from openid_provider import CLIENT_ID, CLIENT_SECRET, Provider
from web_world import WebWorld

from dinv.server.models import Actor, Quota
from dinv.server.problems import NotSignedIn
from dinv.server.settings import OpenIdProvider
from dinv.server.web import watching
from dinv.server.web.page import live
from dinv.server.web.page.rendering import static

if TYPE_CHECKING:
    from dinv.server.database.database import Database


@pytest.fixture
def world(database: Database) -> WebWorld:
    made = WebWorld(database)
    made.template(ttl=3600, is_default=True, title="A Docker host")
    made.endpoint(max_machines=3)
    made.person("jane")
    made.person("john")
    made.person("olga", role="operator")
    made.person("audra", role="auditor")
    return made


def key(html: str) -> str:
    """The key of the button's form."""
    found = re.search(r'name="key" value="([^"]+)"', html)
    assert found is not None
    return found[1]


def press(world: WebWorld, person: str, **fields: str) -> str:
    """Press the button; return the path of the machine's page."""
    browser = world.browser(person)
    sent = {"template": "docker", "key": key(browser.get("/").text), **fields}
    answer = browser.post("/machines", data=sent)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def test_the_button(world: WebWorld) -> None:
    jane = world.browser("jane")
    assert "Give me a Docker host" in jane.get("/").text
    path = press(world, "jane")
    shown = jane.get(path)
    assert "creating" in shown.text
    world.work()
    shown = jane.get(path)
    assert "eval &#34;$(dinv env docker)&#34;" in shown.text or 'eval "$(dinv env docker)"' in shown.text
    assert "docker context import docker docker.dinv" in shown.text
    assert path in jane.get("/").text


def test_pressed_twice_is_one_machine(world: WebWorld) -> None:
    jane = world.browser("jane")
    sent = {"template": "docker", "key": key(jane.get("/").text)}
    first, second = (jane.post("/machines", data=sent).headers["location"] for _ in range(2))
    assert first == second


def test_what_cannot_be_had_is_said_beside_the_button(world: WebWorld) -> None:
    olga = world.actors["olga"]
    world.fleet.set_quota(olga, Quota("every-user", machines=0))
    jane = world.browser("jane")
    answer = jane.post("/machines", data={"template": "docker", "name": "mine", "ttl": "1h"})
    assert answer.status_code == 409
    assert 'role="alert"' in answer.text
    assert 'value="mine"' in answer.text
    answer = jane.post("/machines", data={"template": "docker", "ttl": "soon"})
    assert answer.status_code == 422
    assert "is not a duration" in answer.text


def test_the_context_is_for_docker(world: WebWorld) -> None:
    path = press(world, "jane")
    world.work()
    answer = world.browser("jane").post(f"{path}/context")
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == 'attachment; filename="docker.dinv"'
    assert answer.headers["cache-control"] == "no-store"
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as tar:
        assert tar.getnames()[0] == "meta.json"
        assert "tls/docker/key.pem" in tar.getnames()
    assert "(owner)" in world.browser("jane").get(path).text


def test_sharing_and_taking_away(world: WebWorld) -> None:
    path = press(world, "jane")
    world.work()
    jane = world.browser("jane")
    answer = jane.post(f"{path}/shares", data={"holder": "bo", "lifetime": "8h"})
    assert answer.status_code == 200
    shown = jane.get(path).text
    serial = re.search(rf'action="{path}/shares/([0-9a-f]+)/revoke"', shown)
    assert serial is not None
    assert jane.post(f"{path}/shares/{serial[1]}/revoke").status_code == 303
    assert "taken away" in jane.get(path).text


def test_extend_stop_start_and_delete(world: WebWorld) -> None:
    path = press(world, "jane")
    world.work()
    jane = world.browser("jane")
    assert jane.post(f"{path}/extend", data={"by": "30m"}).headers["location"] == f"{path}?said=as-long"
    assert jane.post(f"{path}/stop").status_code == 303
    world.work()
    assert "stopped" in jane.get(path).text
    assert jane.post(f"{path}/start").status_code == 303
    world.work()
    assert "Delete docker?" in jane.get(f"{path}/remove").text
    assert jane.post(f"{path}/remove").headers["location"] == "/?said=removing"
    world.work()
    assert ">removed<" in jane.get(path).text
    assert path not in jane.get("/").text
    # Back, and once more.
    assert jane.get(f"{path}/remove").headers["location"] == path
    assert jane.post(f"{path}/remove").headers["location"] == "/?said=gone"


def test_what_is_somebody_elses_is_not_there(world: WebWorld) -> None:
    path = press(world, "jane")
    world.work()
    john = world.browser("john")
    for way in ("", "/remove", "/log", "/live"):
        assert john.get(path + way).status_code in (404, 200 if way == "/live" else 404)
    for way in ("/stop", "/remove", "/context", "/extend"):
        assert john.post(path + way).status_code == 404
    assert path not in john.get("/").text


@pytest.mark.parametrize(
    "path",
    ["", "/machines", "/templates", "/endpoints", "/people", "/quotas", "/audit", "/audit.csv"],
)
def test_operators_and_auditors_see_everything_and_users_nothing(world: WebWorld, path: str) -> None:
    press(world, "jane")
    assert world.browser("olga").get(f"/operate{path}").status_code == 200
    assert world.browser("audra").get(f"/operate{path}").status_code == 200
    assert world.browser("jane").get(f"/operate{path}").status_code == 404


def test_operators_change_things_and_auditors_do_not(world: WebWorld) -> None:
    olga, audra = world.browser("olga"), world.browser("audra")
    quota = {"subject": "every-user", "machines": "2", "memory": "8g"}
    assert olga.post("/operate/quotas", data=quota).status_code == 303
    assert "8 GiB" in olga.get("/operate/quotas").text
    assert audra.post("/operate/quotas", data=quota).status_code == 403
    endpoint = {"name": "there", "endpoint": "tcp://there:2376", "labels": "zone=a", "memory": "64g"}
    assert olga.post("/operate/endpoints", data=endpoint).status_code == 303
    assert "zone=a" in olga.get("/operate/endpoints").text
    assert olga.post("/operate/endpoints/there/disable").status_code == 303
    assert "switched off" in olga.get("/operate/endpoints").text
    assert olga.post("/operate/endpoints/there/remove").status_code == 303
    answer = olga.post("/operate/endpoints", data={"name": "there", "memory": "lots"})
    assert answer.status_code == 422
    assert "is not a size" in answer.text
    assert olga.post("/operate/people/john", data={"do": "disable"}).status_code == 303
    assert ">disabled<" in olga.get("/operate/people").text
    assert olga.post("/operate/people/olga", data={"do": "disable"}).status_code == 409
    added = {"name": "ann", "password": PASSWORD, "teams": "red, blue"}
    assert olga.post("/operate/people", data=added).status_code == 303
    assert "blue, red" in olga.get("/operate/people?q=ann").text
    assert olga.post("/operate/pools/docker", data={"do": "pause"}).status_code == 303


def test_auditors_are_shown_no_buttons(world: WebWorld) -> None:
    path = press(world, "jane")
    world.work()
    world.browser("jane").post(f"{path}/context")
    for page in (path, "/operate", "/operate/machines", "/operate/endpoints", "/operate/people"):
        shown = world.browser("audra").get(page).text
        forms = re.findall(r'<form method="post"[^>]*>', shown)
        assert forms == ['<form method="post" action="/sign-out" class="inline">'], page
    assert "<form" in world.browser("olga").get(path).text


def test_a_form_to_change_has_what_there_is_and_keeps_the_rest(world: WebWorld) -> None:
    options = {"endpoint": "tcp://a:2376", "endpoint_cert_path": "/c", "endpoint_tls_verify": True}
    world.endpoint("odd", options=options, labels={"zone": "a"}, memory=3 * 2**30, cpus=2.5, enabled=False)
    olga = world.browser("olga")
    shown = olga.get("/operate/endpoints?change=odd").text
    fields = dict(re.findall(r'<input id="[^"]+" name="([a-z_]+)"[^>]* value="([^"]*)"', shown))
    assert fields.pop("q") == ""
    assert (fields["memory"], fields["cpus"], fields["labels"]) == ("3g", "2.5", "zone=a")
    assert olga.post("/operate/endpoints", data={**fields, "memory": "4g"}).status_code == 303
    odd = next(each for each in world.fleet.endpoints(world.actors["olga"]) if each.name == "odd")
    assert (odd.options, odd.memory, odd.enabled) == (options, 4 * 2**30, False)
    world.fleet.set_quota(world.actors["olga"], Quota("every-team", machines=2_000_000, memory=1537))
    shown = olga.get("/operate/quotas?change=every-team").text
    assert 'name="machines" type="number" min="0" value="2000000"' in shown
    assert 'value="1537"' in shown


def test_many_endpoints_have_pages_and_are_searched(world: WebWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dinv.server.web.page.routes.operate.endpoints.PAGE", 1)
    world.endpoint("zone-b", labels={"zone": "b"}, state="unreachable")
    olga = world.browser("olga")
    shown = olga.get("/operate/endpoints").text
    assert (">here<" in shown, ">zone-b<" in shown) == (True, False)
    following = re.search(r'href="(/operate/endpoints[^"]+after=[^"]+)" rel="next"', shown)
    assert following is not None
    assert ">zone-b<" in olga.get(following[1].replace("&amp;", "&")).text
    assert ">here<" not in olga.get("/operate/endpoints?q=zone=b").text
    # What somebody has to look at comes first.
    assert re.findall(r"<strong>(here|zone-b)</strong>", olga.get("/operate").text) == ["zone-b", "here"]


def test_a_template_begins_with_the_line_it_was_written_with(world: WebWorld) -> None:
    """HTML drops the first line break of a text field."""
    world.template("odd", document="\n\nkind: Template")
    assert ">\n\n\nkind: Template</textarea>" in world.browser("olga").get("/operate/templates").text


def test_machines_of_all_are_searched_and_paged(world: WebWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    press(world, "jane", name="one")
    press(world, "john", name="two")
    olga = world.browser("olga")
    assert {name for name in ("one", "two") if f">{name}<" in olga.get("/operate/machines").text} == {
        "one",
        "two",
    }
    assert ">two<" not in olga.get("/operate/machines?q=jane").text
    assert "None that match" in olga.get("/operate/machines?state=stopped").text
    monkeypatch.setattr("dinv.server.web.page.routes.operate.machines.PAGE", 1)
    first = olga.get("/operate/machines").text
    following = re.search(r'href="(/operate/machines[^"]+after=[^"]+)" rel="next"', first)
    assert following is not None
    assert ">one<" in olga.get(following[1].replace("&amp;", "&")).text


def test_the_audit_log_as_csv(world: WebWorld) -> None:
    press(world, "jane")
    answer = world.browser("audra").get("/operate/audit.csv?q=jane")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "machine.request" in answer.text


def test_signing_in_and_out(world: WebWorld) -> None:
    browser = world.browser()
    answer = browser.get("/machines/some")
    assert answer.headers["location"] == "/sign-in?next=/machines/some"
    answer = browser.post("/sign-in", data={"name": "jane", "password": "wr0ng", "next": "/account"})
    assert answer.status_code == 401
    assert 'role="alert"' in answer.text
    assert "wr0ng" not in answer.text
    answer = browser.post("/sign-in", data={"name": "jane", "password": PASSWORD, "next": "/account"})
    assert answer.headers["location"] == "/account"
    assert browser.get("/account").status_code == 200
    assert browser.get("/sign-in").headers["location"] == "/"
    assert browser.post("/sign-out").headers["location"] == "/sign-in"
    assert browser.get("/account").headers["location"].startswith("/sign-in")


def test_a_password_is_changed_and_the_session_goes_on(world: WebWorld) -> None:
    jane, elsewhere = world.browser("jane"), world.browser("jane")
    change = {"current": "no", "password": "another long one"}
    assert jane.post("/account/password", data=change).status_code in (401, 403, 422)
    change["current"] = PASSWORD
    assert jane.post("/account/password", data=change).headers["location"] == "/account?said=password"
    assert jane.get("/account").status_code == 200
    assert elsewhere.get("/account").status_code == 303


def test_other_sessions_are_seen_and_ended(world: WebWorld) -> None:
    jane, elsewhere, john = world.browser("jane"), world.browser("jane"), world.browser("john")
    assert jane.get("/account").text.count("(this one)") == 1
    assert "Sign out all others" in jane.get("/account").text
    assert jane.post("/account/sessions/end").headers["location"] == "/account?said=signed-out"
    assert elsewhere.get("/account").status_code == 303
    assert john.get("/account").status_code == 200
    shown = jane.get("/account").text
    assert "(this one)" in shown
    assert "Sign out all others" not in shown
    assert ("jane", "sign-out.others", "user:jane") in world.audited()


def test_whoever_was_signed_in_is_told_that_the_session_is_over(world: WebWorld) -> None:
    path = press(world, "jane")
    world.work()
    jane = world.browser("jane")
    world.people.end_other_sessions(world.actors["jane"], current="")
    # A form leads back to where it stood, and a part of a page gets no form to sign in for its content.
    there = {"Referer": f"https://dinv.example.com{path}"}
    answer = jane.post(f"{path}/extend", headers=there)
    assert answer.headers["location"] == f"/sign-in?next={path}&said=over"
    assert "Your session is over" in jane.get(answer.headers["location"]).text
    answer = jane.get(f"{path}/log/latest", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.content) == (401, b"")
    assert "said" not in world.browser().get(path).headers["location"]
    # What is open is told too, and does not come back again and again.
    for live_path in ("/live", f"{path}/live"):
        with jane.stream("GET", live_path) as answer:
            events = b"".join(answer.iter_bytes()).decode()
        assert re.findall("event: (.*)", events) == ["over", "gone"]
        assert "the session is over" in events


def test_too_many_attempts_are_told_how_long_it_takes(
    world: WebWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dinv.server.people.passwords.verify", lambda *_: False)  # which takes its time
    browser = world.browser()
    wrong = {"name": "jane", "password": "not this one"}
    for _ in range(10):
        assert browser.post("/sign-in", data=wrong).status_code == 401
    answer = browser.post("/sign-in", data=wrong)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 500
    assert "open again in 9 minutes" in answer.text


@pytest.mark.parametrize(
    "path", ["//evil.example.com", "/\\evil.example.com", "https://evil.example.com", "/\tx", "javascript:x"]
)
def test_nobody_is_sent_elsewhere_after_signing_in(world: WebWorld, path: str) -> None:
    answer = world.browser().post("/sign-in", data={"name": "jane", "password": PASSWORD, "next": path})
    assert answer.headers["location"] == "/"


def test_signing_in_by_a_provider(database: Database) -> None:
    with Provider() as provider:
        known = OpenIdProvider("Example ID", provider.issuer, CLIENT_ID, CLIENT_SECRET)
        world = WebWorld(database, provider=known)
        browser = world.browser()
        assert "Continue with Example ID" in browser.get("/sign-in").text
        away = browser.get("/sign-in/provider?next=/account").headers["location"]
        assert away.startswith(provider.issuer)
        assert browser.get("/sign-in/answer?code=bad&state=bad").status_code == 401
        away = browser.get("/sign-in/provider?next=/account").headers["location"]
        answer = browser.get("/sign-in/answer", params=provider.sign_in(away))
        assert answer.headers["location"] == "/account"
        assert "Jane Doe" in browser.get("/account").text


def test_the_first_operator(database: Database) -> None:
    world = WebWorld(database)
    browser = world.browser()
    link = world.people.first_link()
    assert "first operator" in browser.get(link).text
    assert browser.get("/first/other").status_code == 404
    answer = browser.post(link, data={"name": "jane", "password": "short"})
    assert answer.status_code == 422
    assert 'value="jane"' in answer.text
    answer = browser.post(link, data={"name": "jane", "password": PASSWORD})
    assert answer.headers["location"] == "/"
    assert "Overview" in browser.get("/account").text
    assert browser.get(link).status_code == 404


def test_a_program_is_allowed_by_whoever_sees_what_it_asks(world: WebWorld) -> None:
    jane = world.browser("jane")
    begun = world.people.device_begin(address="192.0.2.7")
    shown = jane.get("/device", params={"code": str(begun["user_code"])})
    assert f'value="{begun["user_code"]}"' in shown.text
    assert "192.0.2.7" in shown.text
    assert jane.get("/device?code=AAAA-BBBB").status_code == 404
    assert jane.post("/device", data={"code": "AAAA-BBBB", "answer": "allow"}).status_code == 404
    answer = jane.post("/device", data={"code": str(begun["user_code"]), "answer": "allow"})
    assert "signed in as you" in answer.text
    token = world.people.device_poll(str(begun["device_code"]), address="192.0.2.7")
    assert token is not None
    begun = world.people.device_begin(address="192.0.2.7")
    assert "refused" in jane.post("/device", data={"code": str(begun["user_code"])}).text


def test_a_token_is_shown_once(world: WebWorld) -> None:
    jane = world.browser("jane")
    answer = jane.post("/account/tokens", data={"name": "ci", "lifetime": "30d", "scope": "machines"})
    secret = re.search(r"dinv_[A-Za-z0-9_-]{20,}", answer.text)
    assert secret is not None
    assert answer.headers["cache-control"] == "no-store"
    shown = jane.get("/account").text
    assert secret[0] not in shown
    revoke = re.search(r'action="(/account/tokens/[^/]+/revoke)"', shown)
    assert revoke is not None
    assert jane.post(revoke[1]).headers["location"] == "/account?said=token-revoked"
    assert jane.post("/account/tokens", data={"name": "ci", "lifetime": ""}).status_code == 422


def test_the_page_has_no_script_of_its_own_and_nothing_from_elsewhere(world: WebWorld) -> None:
    path = press(world, "jane")
    world.work()
    for shown in ("/", path, "/account", "/sign-in"):
        html = world.browser("jane" if shown != "/sign-in" else "").get(shown).text
        assert not re.findall(r"<script(?! src=\"/static/)", html)
        assert not re.findall(r"\s(?:style|on[a-z]+)=", html)
        assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", html)


def test_static_files_are_kept_for_ever_and_by_digest(world: WebWorld) -> None:
    browser = world.browser()
    for name in ("dinv.css", "dinv.js", "htmx.min.js", "htmx-sse.min.js", "icon.svg"):
        answer = browser.get(static(name))
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert browser.get("/static/000000000000/dinv.css").status_code == 404
    assert browser.get(static("dinv.css").replace("dinv.css", "rendering.py")).status_code == 404


def test_a_problem_is_a_page_for_a_browser(world: WebWorld) -> None:
    answer = world.browser("jane").get("/machines/other")
    assert answer.status_code == 404
    assert "<h1>" in answer.text
    assert answer.headers["x-request-id"] in answer.text


def test_what_changes_is_sent(world: WebWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.01)
    path = press(world, "jane")
    jane = world.actors["jane"]

    async def watch() -> list[str]:
        seen: list[str] = []
        stream = live.one_machine(
            world.parts, lambda: jane, path.rpartition("/")[2], "https://x", mine=lambda *_: True
        )
        async for part in stream:
            seen.append(part)
            if "is creating" in part:
                await asyncio.to_thread(world.work)
            elif "Use it" in part:
                await asyncio.to_thread(world.fleet.remove, jane, path.rpartition("/")[2])
                await asyncio.to_thread(world.work)
        return seen

    seen = asyncio.run(asyncio.wait_for(watch(), 60))
    assert seen[0].startswith("retry:")
    assert all(re.fullmatch(r"event: [a-z]+\n(data:.*\n)+\n", part) for part in seen[1:-1])
    assert seen[-1].startswith("event: gone")


def test_a_stream_ends_with_the_server(world: WebWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.01)
    world.stopping.set()
    with world.browser("jane").stream("GET", "/live") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert b"".join(answer.iter_bytes()) == b"retry: 2000\n\n"


def test_a_stream_ends_with_the_session(world: WebWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who looks is asked again: a session that ended gets nothing more."""
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.01)
    press(world, "jane")
    jane = world.actors["jane"]
    signed_in = [jane]

    def asks() -> Actor:
        if not signed_in:
            raise NotSignedIn("The session is over.")
        return signed_in[0]

    async def watch() -> list[str]:
        seen: list[str] = []
        async for part in live.own_machines(world.parts, asks, jane.person.id):
            seen.append(part)
            if part.startswith("event: machines"):
                signed_in.clear()
                await asyncio.to_thread(world.work)
        return seen

    seen = asyncio.run(asyncio.wait_for(watch(), 60))
    names = [part.partition("\n")[0] for part in seen]
    assert names == ["retry: 2000", "event: machines", "event: over", "event: gone"]


def test_the_example_of_a_template_is_one(world: WebWorld) -> None:
    """What stands in the form can be sent as it is, and is not in the place of one that is there."""
    olga = world.browser("olga")
    form = olga.get("/operate/templates").text.rpartition("<textarea")[2]
    document = form.partition(">")[2].partition("</textarea>")[0]
    there = {template.name for template in world.fleet.templates(world.actors["olga"])}
    answer = olga.post("/operate/templates", data={"document": html.unescape(document)})
    assert answer.status_code == 303, answer.text
    assert len(world.fleet.templates(world.actors["olga"])) == len(there) + 1
