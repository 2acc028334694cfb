from __future__ import annotations

from pathlib import Path

import httpx

_COMMITTED = Path(__file__).parents[3] / "service" / "asyncapi.json"


async def test_the_service_gives_its_asyncapi_document(address: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://{address}/asyncapi.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.text == _COMMITTED.read_text(encoding="utf-8")
