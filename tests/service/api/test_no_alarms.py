"""A service whose alarms are not installed: REST and health say so, and nothing else differs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from tests.support.service import Service

from eeg_emotion.access.access import Access
from eeg_emotion.access.keys import KeyStore


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    service.alarms_installed = False
    transport = httpx.ASGITransport(service)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/alarms?headset=h1&limit=1000"),
        ("POST", f"/v1/alarms/{'0' * 32}/acknowledge"),
        ("GET", "/v1/rules"),
        ("PUT", "/v1/rules/excited"),
        ("DELETE", "/v1/rules/excited"),
    ],
)
async def test_the_paths_of_alarms_name_the_extra(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == (
        "alarms are not installed in this service, expected the extra 'alarms'; whoever runs the "
        "service adds it with: pip install 'eeg-emotion[alarms]'"
    )


async def test_they_are_not_documented_and_the_others_are(client: httpx.AsyncClient) -> None:
    documented = (await client.get("/openapi.json")).json()["paths"]
    assert not [path for path in documented if path.startswith(("/v1/alarms", "/v1/rules"))]
    assert "/v1/headsets" in documented


async def test_the_service_is_ready_and_has_no_event_store(client: httpx.AsyncClient) -> None:
    answer = await client.get("/readyz?verbose")
    assert (answer.status_code, answer.json()["event_store"]) == (200, None)


async def test_credentials_are_asked_for_first(
    service: Service, client: httpx.AsyncClient, tmp_path_factory: pytest.TempPathFactory
) -> None:
    service.access = Access(keys=KeyStore(tmp_path_factory.mktemp("keys") / "keys.json"))
    assert (await client.get("/v1/alarms")).status_code == 401
