"""REST around rest baselines, over a real server: what is asked for, and every refusal."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import websockets
from numpy.typing import NDArray
from tests.support.service import Service

from eeg_emotion.access.access import Access
from eeg_emotion.access.grants import Scope
from eeg_emotion.access.keys import KeyStore
from eeg_emotion.baseline.profiles import ProfileStore
from eeg_emotion.codes import State
from eeg_emotion.inference.model import Model
from eeg_emotion.publish.messages import Baseline, BaselineState

PLACE = "/v1/headsets/h1/baseline"
SFREQ = 128
SETTLE = 3


@pytest.fixture(scope="module")
def model(request: pytest.FixtureRequest, adapted: Callable[..., Model]) -> Model:
    """The model that is served: one that needs each person's rest, unless a test says no."""
    return adapted(rest=getattr(request, "param", True))


@pytest.fixture(autouse=True)
def headset(service: Service, fake_pipeline: Any) -> Any:
    """Add the live headset `h1`, and return its pipeline."""
    service.headsets.add("h1", pipeline=fake_pipeline)
    return fake_pipeline


@pytest.fixture
async def client(address: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://{address}") as client:
        yield client


@pytest.fixture
def rest(service: Service, headset: Any, rest_signal: NDArray[np.float64]) -> Callable[..., None]:
    """Feed seconds of rest."""

    def come(seconds: int = 20 + SETTLE) -> None:
        headset.rest.feed(rest_signal[:, : seconds * SFREQ])
        service.baselines.on_samples("h1", None)

    return come


def refusal(response: httpx.Response, status: int) -> str:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    return str(response.json()["detail"])


async def collect(client: httpx.AsyncClient, rest: Callable[..., None], name: str = "p07") -> None:
    response = await client.post(PLACE, json={"seconds": 20, "profile": name})
    assert response.status_code == 202
    rest()


async def test_from_nothing_to_a_baseline_in_use(
    client: httpx.AsyncClient, rest: Callable[..., None], service: Service, prediction: Any
) -> None:
    found = Baseline.model_validate((await client.get(PLACE)).json())
    assert (found.state, found.profile) == (BaselineState.NONE, None)
    begun = await client.post(PLACE, json={"seconds": 20, "profile": "p07"})
    assert begun.status_code == 202
    assert Baseline.model_validate(begun.json()).state is BaselineState.COLLECTING
    rest(10)
    assert (await client.get(PLACE)).json()["clean_seconds"] == 10 - SETTLE
    service.bus.publish(prediction(seq=3, valid=False, reasons=("no_baseline",)))
    rest(20)
    service.baselines.on_samples("h1", prediction(seq=4, window={"start": 2e9, "end": 2e9 + 5}))
    done = Baseline.model_validate((await client.get(PLACE)).json())
    assert (done.state, done.profile, done.clean_seconds) == (BaselineState.APPLIED, "p07", 20)
    assert done.before is not None
    assert done.after is not None
    assert (done.before.seq, done.before.valid) == (3, False)
    assert (done.after.seq, done.after.valid) == (4, True)


async def test_without_a_name_and_seconds_it_is_a_minute_under_a_pseudonym(
    client: httpx.AsyncClient,
) -> None:
    begun = Baseline.model_validate((await client.post(PLACE, json={})).json())
    assert begun.seconds == 60
    assert begun.profile is not None
    assert begun.profile.startswith("person-")


async def test_subscribers_see_it_second_by_second(
    client: httpx.AsyncClient, rest: Callable[..., None], address: str
) -> None:
    async with websockets.connect(f"ws://{address}/v1/stream?headset=h1") as subscriber:
        assert json.loads(await subscriber.recv())["type"] == "welcome"
        assert json.loads(await subscriber.recv())["type"] == "subscribed"
        await client.post(PLACE, json={"seconds": 20, "profile": "p07"})
        first = Baseline.model_validate_json(await subscriber.recv())
        rest(5)
        second = Baseline.model_validate_json(await subscriber.recv())
        rest(21)
        last = Baseline.model_validate_json(await subscriber.recv())
    assert [item.clean_seconds for item in (first, second, last)] == [0, 2, 20]
    assert last.state is BaselineState.APPLIED


async def test_a_collection_is_cancelled_and_a_profile_laid_aside(
    client: httpx.AsyncClient, rest: Callable[..., None], headset: Any
) -> None:
    await client.post(PLACE, json={"seconds": 20, "profile": "p07"})
    assert (await client.delete(PLACE)).json()["state"] == "none"
    assert headset.rest is None
    await collect(client, rest)
    assert (await client.delete(PLACE)).json()["state"] == "none"
    assert headset.used[-1] is None
    used = await client.put(PLACE, json={"profile": "p07"})
    assert (used.status_code, used.json()["state"]) == (200, "applied")
    assert headset.used[-1] == headset.used[0] is not None


async def test_profiles_are_listed_without_their_numbers(
    client: httpx.AsyncClient, rest: Callable[..., None], service: Service
) -> None:
    assert (await client.get("/v1/profiles")).json() == {"profiles": [], "damaged": {}}
    await collect(client, rest)
    store: ProfileStore = service.baselines.profiles
    other = store.load("p07").model_copy(update={"name": "p08", "model_sha256": "f" * 64})
    store.save(other)
    (store.folder / "p09.json").write_text("{")
    found = (await client.get("/v1/profiles")).json()
    assert [item["name"] for item in found["profiles"]] == ["p07", "p08"]
    assert found["damaged"].keys() == {"p09"}
    seven, eight = found["profiles"]
    assert seven["unfit"] is None
    assert "made for the model" in eight["unfit"]
    assert seven["features"] == service.model.contract.path.window_shape[1]
    assert "normaliser" not in seven
    assert (await client.get("/v1/profiles/p07")).json() == seven


async def test_a_profile_is_deleted_once_nobody_uses_it(
    client: httpx.AsyncClient, rest: Callable[..., None]
) -> None:
    await collect(client, rest)
    assert "in use by headset h1" in refusal(await client.delete("/v1/profiles/p07"), 409)
    await client.delete(PLACE)
    deleted = await client.delete("/v1/profiles/p07")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert "found no profile 'p07'" in refusal(await client.get("/v1/profiles/p07"), 404)
    assert "found no profile 'p07'" in refusal(await client.delete("/v1/profiles/p07"), 404)


@pytest.mark.parametrize(
    ("method", "body"),
    [("GET", None), ("DELETE", None), ("POST", {"seconds": 60}), ("PUT", {"profile": "p07"})],
)
async def test_an_unknown_headset_is_not_found(
    client: httpx.AsyncClient, method: str, body: Any
) -> None:
    place = PLACE.replace("h1", "h9")
    assert "/v1/headsets lists them" in refusal(await client.request(method, place, json=body), 404)


@pytest.mark.parametrize(
    "body",
    [
        {"seconds": 19},
        {"seconds": 601},
        {"seconds": 20.5},
        {"seconds": "60"},
        {"seconds": 60, "person": "Anna"},
        {"profile": "Anna Müller"},
        {"profile": "../p07"},
        [],
    ],
)
async def test_what_makes_no_sense_is_unprocessable(
    client: httpx.AsyncClient, headset: Any, body: Any
) -> None:
    refusal(await client.post(PLACE, json=body), 422)
    assert headset.rest is None


async def test_a_refusal_states_the_range_of_seconds(client: httpx.AsyncClient) -> None:
    assert "expected 20 to 600 s" in refusal(await client.post(PLACE, json={"seconds": 5}), 422)


@pytest.mark.parametrize("state", [State.CONNECTING, State.STALE, State.LOST, State.QUARANTINED])
async def test_a_headset_that_is_not_live_conflicts(
    client: httpx.AsyncClient, service: Service, state: State
) -> None:
    service.headsets.add("h1", state)
    assert "expected it live" in refusal(await client.post(PLACE, json={}), 409)


async def test_a_second_collection_conflicts_with_the_first(client: httpx.AsyncClient) -> None:
    await client.post(PLACE, json={})
    assert "under way" in refusal(await client.post(PLACE, json={}), 409)
    assert "under way" in refusal(await client.put(PLACE, json={"profile": "p07"}), 409)


async def test_a_profile_that_is_unknown_damaged_or_of_another_model_is_not_used(
    client: httpx.AsyncClient, rest: Callable[..., None], service: Service
) -> None:
    await collect(client, rest)
    store: ProfileStore = service.baselines.profiles
    other = store.load("p07").model_copy(update={"name": "p08", "model_sha256": "f" * 64})
    store.save(other)
    (store.folder / "p09.json").write_text("{")
    for name, status, said in (
        ("p10", 404, "known: p07, p08, p09"),  # to one who may list them
        ("p08", 409, "was made for the model"),
        ("p09", 409, "is damaged"),
        ("P 7", 422, "pseudonym"),
    ):
        assert said in refusal(await client.put(PLACE, json={"profile": name}), status)
    assert (await client.get(PLACE)).json()["profile"] == "p07"


@pytest.fixture
def keys(service: Service, tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Return the header of a key with these scopes; from then on keys are required."""
    store = KeyStore(tmp_path / "keys.json")

    def header(*scopes: str) -> dict[str, str]:
        service.access = Access(keys=store)
        key = store.add(f"k{len(store.list())}", tuple(map(Scope.parse, scopes)))
        return {"Authorization": f"Bearer {key}"}

    return header


async def test_who_may_not_list_profiles_neither_names_nor_learns_one(
    client: httpx.AsyncClient,
    rest: Callable[..., None],
    service: Service,
    headset: Any,
    keys: Callable[..., dict[str, str]],
) -> None:
    await collect(client, rest)
    await client.delete(PLACE)
    before = service.baselines.profiles.load("p07")
    controls = keys("control:h1")
    answers = [
        await client.put(PLACE, json={"profile": "p07"}, headers=controls),
        await client.put(PLACE, json={"profile": "p99"}, headers=controls),
        await client.post(PLACE, json={"seconds": 20, "profile": "p07"}, headers=controls),
    ]
    for answer in answers:
        assert "expected profiles" in refusal(answer, 403)
        assert "p07" not in answer.text
    assert answers[0].json() == answers[1].json()
    assert headset.rest is None
    assert headset.used[-1] is None
    assert service.baselines.profiles.load("p07") == before


@pytest.mark.parametrize("profile", [None, "p99"])
async def test_who_may_not_list_profiles_may_collect_under_a_new_name(
    client: httpx.AsyncClient, keys: Callable[..., dict[str, str]], profile: str | None
) -> None:
    asked = {"seconds": 20, "profile": profile}
    begun = await client.post(PLACE, json=asked, headers=keys("control:h1"))
    assert begun.status_code == 202


async def test_who_may_list_profiles_too_names_them(
    client: httpx.AsyncClient,
    rest: Callable[..., None],
    keys: Callable[..., dict[str, str]],
) -> None:
    await collect(client, rest)
    both = keys("control:h1", "profiles")
    assert (await client.put(PLACE, json={"profile": "p07"}, headers=both)).status_code == 200
    unknown = await client.put(PLACE, json={"profile": "p99"}, headers=both)
    assert "known: p07" in refusal(unknown, 404)
    again = {"seconds": 20, "profile": "p07"}
    assert (await client.post(PLACE, json=again, headers=both)).status_code == 202


@pytest.mark.parametrize("model", [False], indirect=True)
async def test_a_model_that_uses_no_rest_conflicts(client: httpx.AsyncClient) -> None:
    for response in (
        await client.post(PLACE, json={}),
        await client.put(PLACE, json={"profile": "p07"}),
    ):
        assert "from its training data" in refusal(response, 409)


async def test_the_document_names_them_all(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert paths["/v1/headsets/{identifier}/baseline"].keys() == {"get", "post", "put", "delete"}
    assert paths["/v1/profiles"].keys() == {"get"}
    assert paths["/v1/profiles/{name}"].keys() == {"get", "delete"}
