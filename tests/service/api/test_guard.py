"""The way in: each refusal and each allowance, over REST, events and the WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from tests.support.service import Service

from eeg_emotion.access.access import Access
from eeg_emotion.access.audit import Audit
from eeg_emotion.access.grants import Action, Scope
from eeg_emotion.access.keys import KeyStore
from eeg_emotion.access.origins import Origins
from eeg_emotion.api.guard import OPEN_PATHS
from eeg_emotion.page import codes_module
from eeg_emotion.publish.session import VALIDITY_SECONDS

Serving = Callable[..., contextlib.AbstractAsyncContextManager[str]]
Audited = Callable[[], list[dict[str, Any]]]

BOARD = "https://board.example.org"
ANY_GRANT = {  # who may do anything at all may know what the service is
    ("/v1/model", "get"),
    ("/v1/model/calibration", "get"),
    ("/v2", "get"),
    ("/v2/models/{model}", "get"),
    ("/v2/models/{model}/ready", "get"),
    ("/v2/models/{model}/versions/{version}", "get"),
    ("/v2/models/{model}/versions/{version}/ready", "get"),
}


@pytest.fixture
def keys(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "keys.json")


@pytest.fixture
def audited(tmp_path: Path) -> Audited:
    def read() -> list[dict[str, Any]]:
        text = (tmp_path / "audit.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    return read


@pytest.fixture
def open_service(service: Service, tmp_path: Path) -> Service:
    service.access = Access(
        audit=Audit("research", tmp_path / "audit.jsonl"), origins=Origins.parse([BOARD])
    )
    service.headsets.add("ward-7")
    service.headsets.add("lab-1")
    return service


@pytest.fixture
def guarded(open_service: Service, keys: KeyStore, tmp_path: Path) -> Service:
    open_service.access = Access(
        keys=keys,
        audit=Audit("research", tmp_path / "audit.jsonl"),
        origins=Origins.parse([BOARD]),
    )
    return open_service


@pytest.fixture
def make_key(keys: KeyStore) -> Callable[..., str]:
    def make(*scopes: str) -> str:
        return keys.add(f"k{len(keys.list())}", tuple(map(Scope.parse, scopes)))

    return make


@contextlib.asynccontextmanager
async def asking(service: Service, key: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    transport = httpx.ASGITransport(service, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1:8000", headers=headers
    ) as client:
        yield client


async def operations(client: httpx.AsyncClient) -> list[tuple[str, str]]:
    document = (await client.get("/openapi.json")).json()
    return [(path, method) for path, item in document["paths"].items() for method in item]


def filled(path: str) -> str:
    values = {"identifier": "ward-7", "name": "p", "model": "m", "version": "1",
              "alarm": "0" * 32}  # fmt: skip
    return path.format(**values)


async def test_every_endpoint_asks_for_credentials_but_those_that_are_listed(
    guarded: Service,
) -> None:
    async with asking(guarded) as client:
        answers = {
            (path, method): (await client.request(method, filled(path)))
            for path, method in await operations(client)
        }
        assert (await client.get("/no/such/path")).status_code == 401
        assert (await client.get("/")).status_code == 200
        assert (await client.get("/static/page.js")).status_code == 200
        # The page needs the codes' words before anyone has entered a key.
        codes = await client.get("/static/codes.js")
        assert (codes.status_code, codes.text) == (200, codes_module())
        assert codes.headers["content-type"].startswith("text/javascript")
    asked = {place for place, answer in answers.items() if answer.status_code == 401}
    assert {path for path, _ in answers.keys() - asked} <= OPEN_PATHS
    assert len(asked) > 15
    for place in asked:
        assert answers[place].headers["www-authenticate"] == "Bearer"
        assert "expected 'Authorization: Bearer'" in answers[place].text


async def test_every_endpoint_needs_a_scope_but_those_that_are_listed(
    guarded: Service, make_key: Callable[..., str]
) -> None:
    """The scope `metrics` opens one endpoint; every other one is refused and named."""
    async with asking(guarded, make_key("metrics")) as client:
        answers = {
            (path, method): (await client.request(method, filled(path)))
            for path, method in await operations(client)
            if path not in OPEN_PATHS
        }
    allowed = {place for place, answer in answers.items() if answer.status_code != 403}
    assert allowed == ANY_GRANT | {("/metrics", "get")}
    needed = [answer.text.split("expected ")[1].split(";")[0] for answer in answers.values()
              if answer.status_code == 403]  # fmt: skip
    assert set(needed) == {
        "read:*", "read:ward-7", "control:*", "control:ward-7", "profiles", "predict",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/v1/headsets", "read:ward-*"),
        ("GET", "/v1/headsets/ward-7", "read:ward-7"),
        ("GET", "/v1/headsets/ward-7/baseline", "read:*"),
        ("DELETE", "/v1/headsets/ward-7/baseline", "control:ward-*"),
        ("GET", "/v1/profiles", "profiles"),
        ("GET", "/v1/model", "metrics"),
        ("GET", "/v1/model/calibration", "metrics"),
        ("GET", "/metrics", "metrics"),
    ],
)
async def test_the_scope_lets_in(
    guarded: Service, make_key: Callable[..., str], method: str, path: str, scope: str
) -> None:
    async with asking(guarded, make_key(scope)) as client:
        assert (await client.request(method, path)).status_code == 200


async def test_prediction_needs_its_scope_before_what_is_sent_is_judged(
    guarded: Service, make_key: Callable[..., str]
) -> None:
    async with asking(guarded, make_key("read:*")) as client:
        assert (await client.post("/v1/predict", json={})).status_code == 403
    async with asking(guarded, make_key("predict")) as client:
        assert (await client.post("/v1/predict", json={})).status_code == 422


async def test_a_body_without_credentials_is_not_read(guarded: Service) -> None:
    read = []

    async def body() -> AsyncIterator[bytes]:
        read.append(1)
        yield b"{}"

    async with asking(guarded) as client:
        assert (await client.post("/v1/predict", content=body())).status_code == 401
    assert read == []


async def test_only_the_headsets_that_may_be_read_are_listed(
    guarded: Service, make_key: Callable[..., str]
) -> None:
    async with asking(guarded, make_key("read:ward-*", "control:lab-*")) as client:
        listed = (await client.get("/v1/headsets")).json()
        assert [headset["id"] for headset in listed] == ["ward-7"]
        unknown = await client.get("/v1/headsets/ward-9")
        verbose = await client.get("/readyz?verbose")
    assert unknown.status_code == 404
    assert "lab-1" not in unknown.text + verbose.text


@pytest.mark.parametrize(
    "suffix", ["", "/quality", "/prediction", "/history", "/events", "/stream"]
)
async def test_whether_another_headset_exists_is_not_said(
    guarded: Service, make_key: Callable[..., str], suffix: str
) -> None:
    async with asking(guarded, make_key("read:ward-*")) as client:
        there = await client.get(f"/v1/headsets/lab-1{suffix}")
        not_there = await client.get(f"/v1/headsets/lab-2{suffix}")
    assert there.status_code == not_there.status_code == 403
    assert there.text.replace("lab-1", "lab-2") == not_there.text


async def test_who_may_read_may_not_control(guarded: Service, make_key: Callable[..., str]) -> None:
    place = "/v1/headsets/ward-7/baseline"
    async with asking(guarded, make_key("read:*", "control:lab-*")) as client:
        assert (await client.get(place)).status_code == 200
        for method in ("POST", "PUT", "DELETE"):
            refused = await client.request(method, place, json={})
            assert (refused.status_code, "control:ward-7" in refused.text) == (403, True)


@pytest.mark.parametrize("header", ["Bearer wrong", "Basic eA==", "Bearer", "eeg_k0_x"])
async def test_wrong_credentials_are_refused_where_some_are_asked_for_and_only_there(
    guarded: Service, make_key: Callable[..., str], header: str
) -> None:
    """A probe behind a proxy with Basic authentication sends the proxy's credentials along."""
    make_key("read:*")
    async with asking(guarded) as client:
        for path in ("/v1/headsets", "/readyz?verbose", "/readyz?a=1&verbose=1"):
            refused = await client.get(path, headers={"Authorization": header})
            assert refused.status_code == 401
            assert refused.headers["content-type"] == "application/problem+json"
        for path in ("/livez", "/readyz", "/", "/static/page.js", "/v2/health/ready"):
            found = await client.get(path, headers={"Authorization": header})
            assert found.status_code == 200


async def test_refusals_are_counted_by_reason(
    guarded: Service, serving: Serving, make_key: Callable[..., str]
) -> None:
    def counted() -> dict[str, float | None]:
        registry = guarded.metrics.registry
        return {
            reason: registry.get_sample_value(
                "emotion_connections_refused_total", {"reason": reason}
            )
            for reason in ("origin", "credentials", "scope")
        }

    async with asking(guarded) as client:
        await client.get("/livez")
        assert counted() == {"origin": 0, "credentials": 0, "scope": 0}
        await client.get("/v1/headsets")
        await client.get("/v1/headsets", headers={"Origin": "https://evil.net"})
    async with asking(guarded, make_key("metrics")) as client:
        await client.get("/v1/headsets")
    assert counted() == {"origin": 1, "credentials": 1, "scope": 1}
    async with serving() as address:
        for headers in ({"Authorization": "Bearer x"}, {"Origin": "https://evil.net"}):
            with pytest.raises(websockets.InvalidStatus):
                await upgrade(address, **headers)
    assert counted() == {"origin": 2, "credentials": 2, "scope": 1}


async def test_the_open_inference_protocol_is_refused_in_its_own_form(guarded: Service) -> None:
    async with asking(guarded) as client:
        assert "no credentials" in (await client.get("/v2/models/m")).json()["error"]


async def test_credentials_stand_in_the_document_where_they_are_asked_for(
    guarded: Service,
) -> None:
    async with asking(guarded) as client:
        document = (await client.get("/openapi.json")).json()
    scheme = document["components"]["securitySchemes"]["HTTPBearer"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    for path, item in document["paths"].items():
        for operation in item.values():
            assert ("security" in operation) or path in OPEN_PATHS, path
    assert "security" not in document["paths"]["/livez"]["get"]
    guarded.access = Access()
    async with asking(guarded) as client:
        assert "security" not in (await client.get("/openapi.json")).text


async def test_a_revoked_key_is_refused_at_once(
    guarded: Service, keys: KeyStore, make_key: Callable[..., str]
) -> None:
    async with asking(guarded, make_key("read:*")) as client:
        assert (await client.get("/v1/headsets")).status_code == 200
        keys.revoke("k0")
        assert (await client.get("/v1/headsets")).status_code == 401


async def test_a_token_in_an_address_is_refused_and_not_repeated(
    open_service: Service, audited: Audited
) -> None:
    queries = [
        "token=x", "access_token=x", "authorization=x", "key=x", "api_key=x", "a=1&TOKEN=x",
        "token", "%74oken=x", "apikey=x", "jwt=x", "auth=x", "bearer=x", "secret=x", "X-API-Key=x",
    ]  # fmt: skip
    async with asking(open_service) as client:
        for path, query in product(["/", "/livez", "/v1/headsets", "/v2/models/m"], queries):
            refused = await client.get(f"{path}?{query.replace('x', 'hunter2')}")
            assert refused.status_code == 400, (path, query)
            assert "hunter2" not in refused.text
        assert (await client.get("/livez?verbose&tokens=1")).status_code == 200
    assert "hunter2" not in json.dumps(audited())


SECRETS = ["eeg_k0_" + "s" * 43, "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"]


@pytest.mark.parametrize("secret", SECRETS)
async def test_what_looks_like_a_key_is_refused_in_any_parameter(
    open_service: Service, secret: str, audited: Audited
) -> None:
    async with asking(open_service) as client:
        for query in (f"headset={secret}", f"a=1&b=Bearer%20{secret}", secret):
            refused = await client.get(f"/v1/headsets?{query}")
            assert refused.status_code == 400
            assert "found a key or a token in the address" in refused.json()["detail"]
            assert secret not in refused.text
        for query in ("headset=eeg_1_raw", "headset=eyJ.a", "headset=eeg-lab-7"):
            assert (await client.get(f"/v1/headsets?{query}")).status_code == 200
    assert secret not in json.dumps(audited())


@pytest.mark.parametrize("secret", SECRETS)
async def test_what_looks_like_a_key_in_a_path_is_not_noted(
    guarded: Service,
    make_key: Callable[..., str],
    secret: str,
    audited: Audited,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    for key in (None, make_key("metrics")):
        async with asking(guarded, key) as client:
            assert (await client.get(f"/v1/headsets/{secret}")).status_code in (401, 403)

    def fail(*arguments: object) -> None:
        raise ValueError("broken")

    pytest.MonkeyPatch().setattr(guarded.headsets, "headset", fail)
    async with asking(guarded, make_key("read:*")) as client:
        assert (await client.get(f"/v1/headsets/{secret}")).status_code == 500
    assert [line["event"] for line in audited()] == ["refused"] * 2
    reported = [
        str(record.msg) for record in caplog.records if record.name.startswith("eeg_emotion")
    ]
    assert len(reported) == 3
    assert secret not in json.dumps(audited()) + "".join(reported)


# -- pages of other origins --------------------------------------------------------------------

ASKED = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}


async def test_a_preflight_without_a_key_states_what_an_allowed_page_may_send(
    guarded: Service, audited: Audited
) -> None:
    async with asking(guarded) as client:
        for path in ("/v1/headsets/ward-7/baseline", "/v2/models/m/infer", "/nothing"):
            answer = await client.options(path, headers={"Origin": BOARD, **ASKED})
            assert (answer.status_code, answer.content) == (204, b"")
            assert answer.headers["access-control-allow-origin"] == BOARD
            assert answer.headers["vary"] == "Origin"
            allowed = answer.headers["access-control-allow-headers"]
            assert allowed == "Authorization, Content-Type, Last-Event-ID"
            assert answer.headers["access-control-allow-methods"] == "GET, POST, PUT, DELETE"
            assert answer.headers["access-control-max-age"] == "600"
            assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.net", **ASKED}, 403),
        ({"Origin": "null", **ASKED}, 403),
        ({"Origin": "http://127.0.0.1:8000", **ASKED}, 401),  # its own page needs none
        ({"Origin": BOARD}, 401),
        (ASKED, 401),
    ],
)
async def test_no_other_preflight_states_what_a_page_may_send(
    guarded: Service, headers: dict[str, str], status: int
) -> None:
    async with asking(guarded) as client:
        answer = await client.options("/v1/headsets", headers=headers)
    assert answer.status_code == status
    assert "access-control-allow-methods" not in answer.headers


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [
        ("/v1/headsets", "read:*", 200),
        ("/v1/headsets", None, 401),
        ("/v1/headsets", "metrics", 403),
        ("/v1/headsets?token=x", "read:*", 400),
        ("/v1/nothing", "read:*", 404),
        ("/static/page.js", None, 200),
        ("/livez", None, 200),
    ],
)
async def test_an_allowed_page_may_read_what_is_answered(
    guarded: Service, make_key: Callable[..., str], path: str, key: str | None, status: int
) -> None:
    async with asking(guarded, None if key is None else make_key(key)) as client:
        allowed = await client.get(path, headers={"Origin": BOARD})
        assert allowed.status_code == status
        assert allowed.headers["access-control-allow-origin"] == BOARD
        assert "Origin" in allowed.headers["vary"]
        none = await client.get(path)
        assert none.status_code == status
        assert "access-control-allow-origin" not in none.headers
        assert "Origin" in none.headers["vary"]  # else a cache gives it to the page
        foreign = await client.get(path, headers={"Origin": "https://evil.net"})
        assert foreign.status_code == 403
        assert "access-control-allow-origin" not in foreign.headers


async def test_an_allowed_page_may_read_events(
    guarded: Service, serving: Serving, make_key: Callable[..., str]
) -> None:
    headers = {"Authorization": f"Bearer {make_key('read:*')}", "Origin": BOARD}
    async with (
        asyncio.timeout(60),
        serving() as address,
        httpx.AsyncClient(headers=headers, trust_env=False) as client,
        client.stream("GET", f"http://{address}/v1/headsets/ward-7/stream") as events,
    ):
        assert events.status_code == 200
        assert events.headers["access-control-allow-origin"] == BOARD


async def test_where_no_page_is_allowed_nothing_is_said_of_pages(
    guarded: Service, keys: KeyStore
) -> None:
    guarded.access = Access(keys=keys)
    async with asking(guarded) as client:
        answer = await client.get("/livez", headers={"Origin": "http://127.0.0.1:8000"})
    assert answer.status_code == 200
    assert not {"vary", "access-control-allow-origin"} & set(answer.headers)


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        (BOARD, 200),
        ("http://127.0.0.1:8000", 200),
        ("https://evil.net", 403),
        ("http://127.0.0.1:3000", 403),
        ("null", 403),
    ],
)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_only_its_own_page_and_allowed_ones_may_ask(
    open_service: Service, method: str, origin: str | None, status: int
) -> None:
    headers = {} if origin is None else {"Origin": origin}
    async with asking(open_service) as client:
        answer = await client.request(method, "/v1/headsets/ward-7/baseline", headers=headers)
    assert answer.status_code == status
    if status == 403:
        assert answer.headers["content-type"] == "application/problem+json"
        assert "--origin" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost", 200),
        ("[::1]:8000", 200),
        ("board.example.org", 200),
        ("rebound.evil.net:8000", 403),
    ],
)
async def test_an_open_service_answers_to_no_unknown_name(
    open_service: Service, host: str, status: int
) -> None:
    async with asking(open_service) as client:
        for path in ("/", "/v1/headsets"):
            answer = await client.get(path, headers={"Host": host})
            assert answer.status_code == status
    if status == 403:
        assert "--origin http://rebound.evil.net:8000" in answer.json()["detail"]


async def test_a_service_that_asks_for_credentials_answers_to_any_name(
    guarded: Service, make_key: Callable[..., str]
) -> None:
    async with asking(guarded, make_key("read:*")) as client:
        found = await client.get("/v1/headsets", headers={"Host": "eeg.ward.example.org"})
        page = {"Host": "eeg.evil.net", "Origin": "http://eeg.evil.net"}
        refused = await client.get("/v1/headsets", headers=page)
    assert (found.status_code, refused.status_code) == (200, 403)


def upgrade(address: str, query: str = "", **headers: str) -> websockets.connect:
    return websockets.connect(
        f"ws://{address}/v1/stream{query}",
        additional_headers={name.replace("_", "-"): value for name, value in headers.items()},
        proxy=None,
    )


@pytest.mark.parametrize(
    ("query", "headers", "status", "words"),
    [
        ("", {"Origin": "https://evil.net"}, 403, "found a page of the origin"),
        ("", {"Origin": "null"}, 403, "found a page of the origin"),
        ("?token=hunter2", {}, 400, "found 'token' in the address"),
        ("?headset=*&Access_Token=hunter2", {}, 400, "found 'Access_Token' in the address"),
        ("", {"Authorization": "Bearer hunter2"}, 401, "found a key that is unknown"),
    ],
)
async def test_a_websocket_is_refused_before_the_upgrade(
    guarded: Service,
    serving: Serving,
    audited: Audited,
    query: str,
    headers: dict[str, str],
    status: int,
    words: str,
) -> None:
    async with serving() as address:
        with pytest.raises(websockets.InvalidStatus) as caught:
            await upgrade(address, query, **headers)
    response = caught.value.response
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert words in json.loads(response.body)["detail"]
    assert [line["event"] for line in audited()] == ["refused"]
    assert "hunter2" not in response.body.decode() + json.dumps(audited())


async def test_a_websocket_of_an_unknown_name_is_refused_while_open(
    open_service: Service, serving: Serving
) -> None:
    async with serving() as address:
        port = address.split(":")[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
        writer.write(
            b"GET /v1/stream HTTP/1.1\r\nHost: rebound.evil.net\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert (await reader.read(12)) == b"HTTP/1.1 403"
        writer.close()


@pytest.mark.parametrize("origin", ["own", BOARD, None])
async def test_a_websocket_of_an_allowed_page_or_of_none_is_let_in(
    open_service: Service, serving: Serving, origin: str | None
) -> None:
    async with serving() as address:
        stated = {"own": f"http://{address}"}.get(origin or "", origin)
        headers = {} if stated is None else {"Origin": stated}
        async with upgrade(address, **headers) as socket:
            assert json.loads(await socket.recv())["subject"] == "anonymous"


@pytest.mark.parametrize("by", ["header", "hello"])
async def test_a_websocket_with_a_key_gets_what_its_scopes_say_and_the_audit_has_it(
    guarded: Service,
    serving: Serving,
    make_key: Callable[..., str],
    audited: Audited,
    by: str,
) -> None:
    key = make_key("read:ward-*")
    headers = {"Authorization": f"Bearer {key}"} if by == "header" else {}
    hello = {"type": "hello", "subscribe": ["ward-7", "lab-1"]}
    if by == "hello":
        hello["token"] = key
    async with asyncio.timeout(60), serving() as address, upgrade(address, **headers) as socket:
        await socket.send(json.dumps(hello))
        welcome, *answers = [json.loads(await socket.recv()) for _ in range(3)]
        client = "{}:{}".format(*socket.local_address)
    assert (welcome["subject"], welcome["scopes"]) == ("k0", ["read:ward-*"])
    assert [headset["id"] for headset in welcome["headsets"]] == ["ward-7"]
    assert {answer["type"]: answer["headset"] for answer in answers} == {
        "refused": "lab-1",
        "subscribed": "ward-7",
    }
    reported = [(line["event"], line["subject"], line.get("headsets")) for line in audited()]
    assert reported == [
        ("connected", "k0", None),
        ("subscribed", "k0", ["ward-7"]),
        ("refused", "k0", ["lab-1"]),
    ]
    assert {(line["client"], line["purpose"]) for line in audited()} == {(client, "research")}


@pytest.mark.parametrize(("trusted", "believed"), [("127.0.0.0/8", True), ("10.0.0.0/8", False)])
async def test_the_audit_has_the_callers_address_where_the_proxy_is_trusted(
    guarded: Service,
    serving: Serving,
    make_key: Callable[..., str],
    audited: Audited,
    trusted: str,
    believed: bool,
) -> None:
    headers = {"Authorization": f"Bearer {make_key('read:*')}", "X-Forwarded-For": "203.0.113.9"}
    async with (
        asyncio.timeout(60),
        serving(trusted_proxies=[trusted]) as address,
        upgrade(address, **headers) as socket,
    ):
        await socket.recv()
        client = "{}:{}".format(*socket.local_address)
    assert {line["client"] for line in audited()} == {"203.0.113.9:0" if believed else client}


async def test_events_need_the_scope_and_end_with_the_key(
    guarded: Service,
    serving: Serving,
    keys: KeyStore,
    make_key: Callable[..., str],
    audited: Audited,
) -> None:
    headers = {"Authorization": f"Bearer {make_key('read:ward-*')}"}
    async with (
        asyncio.timeout(60),
        serving() as address,
        httpx.AsyncClient(base_url=f"http://{address}", headers=headers) as client,
    ):
        assert (await client.get("/v1/headsets/lab-1/stream")).status_code == 403
        async with client.stream("GET", "/v1/headsets/ward-7/stream") as events:
            lines = events.aiter_lines()
            async for line in lines:
                if line.startswith("event: subscribed"):
                    break
            keys.revoke("k0")
            guarded.clock = lambda: time.monotonic() + VALIDITY_SECONDS
            async for _ in lines:
                pass
    reported = [(line["event"], line["headset"]) for line in audited()]
    assert reported == [
        ("refused", "lab-1"),
        ("subscribed", "ward-7"),
        ("credentials revoked", "ward-7"),
    ]


async def test_events_end_with_the_token(
    guarded: Service, serving: Serving, keys: KeyStore
) -> None:
    key = keys.add("guest", (Scope(Action.READ),), expires=time.time() + 3600)
    guarded.utc = lambda: time.time() + 7200
    async with (
        asyncio.timeout(60),
        serving() as address,
        httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}) as client,
        client.stream("GET", f"http://{address}/v1/headsets/ward-7/stream") as events,
    ):
        assert events.status_code == 200
        async for _ in events.aiter_lines():
            pass


async def test_what_is_refused_and_who_controls_is_in_the_audit(
    guarded: Service, make_key: Callable[..., str], audited: Audited
) -> None:
    place = "/v1/headsets/ward-7/baseline"
    async with asking(guarded) as client:
        await client.get("/v1/headsets")
    async with asking(guarded, make_key("control:ward-7", "profiles")) as client:
        await client.get(place)
        await client.delete(place)
        await client.get("/v1/profiles")
    reported = [
        (line["event"], line["subject"], line["headset"], line["path"], line.get("method"))
        for line in audited()
    ]
    assert reported == [
        ("refused", None, None, "/v1/headsets", None),
        ("refused", "k0", "ward-7", place, None),
        ("allowed", "k0", "ward-7", place, "DELETE"),
        ("allowed", "k0", None, "/v1/profiles", "GET"),
    ]


async def test_no_key_is_in_any_log_line(
    guarded: Service,
    serving: Serving,
    make_key: Callable[..., str],
    audited: Audited,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # As the service sets them: of others, whose finer levels show whole requests, only warnings.
    caplog.set_level(logging.WARNING)
    caplog.set_level(logging.DEBUG, logger="eeg_emotion")
    good, wrong = make_key("read:*"), "eeg_k0_" + "w" * 43
    async with serving() as address, httpx.AsyncClient(base_url=f"http://{address}") as client:
        for key in (good, wrong):
            for path in ("/v1/headsets", f"/v1/headsets?token={key}"):
                await client.get(path, headers={"Authorization": f"Bearer {key}"})
            with contextlib.suppress(websockets.InvalidStatus):
                async with upgrade(address, Authorization=f"Bearer {key}"):
                    pass
            with contextlib.suppress(websockets.ConnectionClosed):
                async with upgrade(address) as socket:
                    await socket.send(json.dumps({"type": "hello", "token": key}))
                    await socket.recv()
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) > 6
    for secret in (good.split("_", 2)[2], wrong.split("_", 2)[2]):
        assert secret not in "".join(lines) + json.dumps(audited())
