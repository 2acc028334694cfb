from __future__ import annotations

import httpx
import pytest
from tests.support.service import Service

from eeg_emotion.api.app import create_app
from eeg_emotion.eeg.montage import DEAP32


async def test_electrodes_lie_on_the_head_as_seen_from_above(service: Service) -> None:
    transport = httpx.ASGITransport(create_app(service))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        found = (await client.get("/v1/montage")).json()["electrodes"]
    assert set(DEAP32) <= found.keys()
    assert found["Cz"] == {"x": 0.0, "y": 0.0, "region": "central"}
    # The right ear is to the right, the nose above, and pairs mirror each other.
    assert found["T8"]["x"] > 0.7
    assert found["T8"]["y"] == 0.0
    assert found["Fz"]["x"] == pytest.approx(0.0)
    assert found["Fz"]["y"] > 0 > found["Pz"]["y"]
    for left, right in (("Fp1", "Fp2"), ("C3", "C4"), ("PO3", "PO4")):
        assert found[left]["x"] == pytest.approx(-found[right]["x"])
        assert found[left]["y"] == pytest.approx(found[right]["y"])
    assert all(place["x"] ** 2 + place["y"] ** 2 <= 1.0001 for place in found.values())
