"""The OpenAPI document is true: schemathesis, let loose on the running service, finds nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.service import Service

from eeg_emotion.access.access import Access
from eeg_emotion.access.grants import Action, Scope
from eeg_emotion.access.keys import KeyStore
from eeg_emotion.baseline.profiles import Profile, ProfileStore
from eeg_emotion.eeg.normaliser import Normaliser
from eeg_emotion.publish.messages import (
    ChannelQuality,
    Prediction,
    Quality,
    Status,
    WindowSpan,
)

pytestmark = pytest.mark.slow
needs_time = pytest.mark.needs("time")

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
OPERATIONS = 34


@pytest.fixture
def known(service: Service, prediction: Callable[..., Prediction]) -> None:
    """A headset of which everything is known, and a stored profile."""
    service.bus.publish(Status(headset=service.headsets.add("h1")))
    for seq in range(30):
        service.bus.publish(prediction(seq=seq))
    service.headsets.qualities["h1"] = Quality(
        headset="h1",
        epoch="e0",
        window=WindowSpan(start=1e9, end=1e9 + 5),
        overall=1.0,
        faults=(),
        interpolated=(),
        channels=(ChannelQuality(label="Cz", score=1.0, trouble=None),),
    )
    contract = service.model.contract
    profile = Profile(
        name="person-1",
        model=contract.name,
        model_version=contract.version,
        model_sha256=service.model.sha256,
        representation=contract.path.representation.kind,
        channels=contract.path.channels,
        interpolated=(),
        created=datetime.now(UTC),
        clean_seconds=60,
        normaliser=Normaliser(kind="rest-baseline", mean=(0.0,), sd=(1.0,)),
    )
    store: ProfileStore = service.baselines.profiles
    store.save(profile)


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    ("options", "guarded"),
    [
        pytest.param(("--max-examples", "10"), False, id="open", marks=needs_time),
        pytest.param(("--max-examples", "2"), True, id="guarded by a key", marks=needs_time),
    ],
)
async def test_schemathesis_finds_nothing(
    service: Service,
    serving: Callable[..., contextlib.AbstractAsyncContextManager[str]],
    tmp_path: Path,
    options: tuple[str, ...],
    guarded: bool,
) -> None:
    if guarded:
        keys = KeyStore(tmp_path / "keys.json")
        service.access = Access(keys=keys)
        key = keys.add("schemathesis", tuple(Scope(action) for action in Action))
        options = (*options, "--header", f"Authorization: Bearer {key}")
    async with serving() as address:
        status, report = await schemathesis(address, options, tmp_path)
    assert status == 0, report
    tested = re.search(r"Tested: (\d+)", report)
    assert tested is not None, report
    assert int(tested[1]) >= OPERATIONS, report


async def schemathesis(
    address: str, options: tuple[str, ...], folder: Path
) -> tuple[int | None, str]:
    """Run schemathesis; return its exit status and its report."""
    environment = {
        name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")
    }
    command: list[str | Path] = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", CONFIGURATION),
        *("run", f"http://{address}/openapi.json", *options, "--seed", "7"),
        *("--continue-on-failure", "--no-color", "--generation-database", "none"),
    ]
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


@pytest.fixture
async def document(address: str) -> dict[str, Any]:
    async with httpx.AsyncClient(trust_env=False) as client:
        found: dict[str, Any] = (await client.get(f"http://{address}/openapi.json")).json()
        return found


async def test_every_operation_documents_its_errors_in_the_form_of_its_path(
    document: dict[str, Any],
) -> None:
    for path, operations in document["paths"].items():
        kind = "application/json" if path.startswith("/v2") else "application/problem+json"
        for method, operation in operations.items():
            errors = {
                status: list(response["content"])
                for status, response in operation["responses"].items()
                if not status.startswith("2")
            }
            assert "default" in errors, (method, path)
            assert set(map(tuple, errors.values())) == {(kind,)}, (method, path)


async def test_an_answer_of_405_names_every_method_of_its_path(
    address: str, document: dict[str, Any]
) -> None:
    async with httpx.AsyncClient(trust_env=False, base_url=f"http://{address}") as client:
        for path, operations in document["paths"].items():
            response = await client.patch(re.sub("{.*?}", "x", path))
            assert response.status_code == 405
            methods = {method.upper() for method in operations}
            methods |= {"HEAD"} if "GET" in methods else set()
            allowed = ", ".join(sorted(methods))
            assert response.headers["allow"] == allowed, path
