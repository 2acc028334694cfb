"""REST: headsets, model, predict and the document, and every error a problem."""

from __future__ import annotations

import asyncio
import json
import mimetypes
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest
import websockets
from fastapi import HTTPException
from numpy.typing import NDArray
from tests.support.service import Service

from eeg_emotion.api.body_limit import LARGEST_BODY_BYTES
from eeg_emotion.codes import Check, Reason, State, Trouble
from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.eeg.quality import QualityLimits
from eeg_emotion.inference.model import Model
from eeg_emotion.lsl.inlet import StreamDescription
from eeg_emotion.publish.messages import ChannelQuality, Prediction, Quality, WindowSpan
from eeg_emotion.recordings.simulation import simulated_recording
from eeg_emotion.stream.admission import Admission
from eeg_emotion.stream.pipeline import StreamPipeline
from eeg_emotion.stream.scoring import PredictionSequence, predict

CheckAnswer = Callable[[httpx.Response], Awaitable[None]]
SFREQ = 128
SAMPLES = 8 * SFREQ  # 3 s for the filters to settle and 5 s of window
# A 2-D cap's edge and more: what is left still surrounds every one of them.
THIRTEEN = ("FC5", "FC1", "CP5", "CP1", "Pz", "PO3", "PO4", "CP6", "CP2", "FC6", "FC2", "Cz", "AF4")


@pytest.fixture
def check_answer(strict_json: Callable[[bytes], Any]) -> CheckAnswer:
    """Every answer must be strict JSON, and every error a problem."""

    async def check(response: httpx.Response) -> None:
        body = await response.aread()
        kind = response.headers["content-type"]
        if kind.endswith("json"):
            strict_json(body)
        if response.is_error:
            assert kind == "application/problem+json"
            found = response.json()
            assert found["status"] == response.status_code
            assert found["title"]
            assert found["detail"]

    return check


@pytest.fixture(scope="module")
def signal() -> NDArray[np.float64]:
    """Sixteen seconds of a simulated person, `(32, samples)` µV."""
    stretches = simulated_recording(2026, 7).stretches()
    return np.concatenate([next(stretches).samples for _ in range(16)], axis=1)


def windows(signal: NDArray[np.float64], *starts: int) -> NDArray[np.float64]:
    """Cut windows; two decimals, since a body may have a mebibyte."""
    return np.stack([signal[:, start : start + SAMPLES] for start in starts]).round(2)


def body(windows: NDArray[np.float64], channels: Sequence[str] = DEAP32) -> dict[str, Any]:
    return {"channels": list(channels), "windows": windows.tolist()}


def live(service: Service, window: NDArray[np.float64], channels: Sequence[str]) -> Prediction:
    """Predict as for a headset that is connected when the window begins: chunk after chunk."""
    contract = service.model.contract
    stream = StreamDescription(
        uid="u",
        channel_count=len(channels),
        labels=tuple(channels),
        units=("uV",) * len(channels),
        sfreq=SFREQ,
        is_text=False,
        simulated=True,
        replay_speed=1.0,
    )
    pipeline = StreamPipeline(
        admission=Admission.of(stream, contract.path),
        settings=contract.path,
        normaliser=contract.training_normaliser,
        limits=QualityLimits(),
        clock=lambda: 0.0,
        utc_offset=lambda: 0.0,
        ahead=True,
    )
    stamps = np.arange(SAMPLES) / SFREQ
    judged = [
        pipeline.feed(window[:, at : at + 8], stamps[at : at + 8], 0.0)
        for at in range(0, SAMPLES, 8)
    ]
    newest = judged[-1]
    assert newest is not None
    (last,) = predict(service.model, [(PredictionSequence("h", "e"), newest)], lambda: 0.0)
    assert last.valid
    return last


def assert_same(found: dict[str, Any], expected: Prediction) -> None:
    assert found["valid"] is True
    assert found["reasons"] == []
    assert found["quality"] == pytest.approx(expected.quality, abs=1e-6)
    for target in ("arousal", "valence"):
        score = getattr(expected, target)
        assert found[target]["probability"] == pytest.approx(score.probability, abs=1e-6)
        assert found[target]["label"] == score.label


# -- headsets ----------------------------------------------------------------------------------


async def test_without_headsets_the_list_is_empty(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/headsets")).json() == []


async def test_headsets_are_listed_and_described(
    own_client: httpx.AsyncClient, service: Service
) -> None:
    service.headsets.add("h1")
    service.headsets.add("h2", State.LOST)
    listed = (await own_client.get("/v1/headsets")).json()
    assert [(item["id"], item["state"]) for item in listed] == [("h1", "live"), ("h2", "lost")]
    response = await own_client.get("/v1/headsets/h2")
    assert (response.status_code, response.json()) == (200, listed[1])


async def test_a_headset_is_described_completely(
    own_client: httpx.AsyncClient, service: Service
) -> None:
    plain = service.headsets.add("h1")
    known = plain.model_copy(
        update={
            "check": Check.INTERPOLATED,
            "changes": ("unit uV, now V", "its channels are in a different order"),
            "sfreq_measured": 127.94,
            "unit": "V, as stated",
            "interpolated": ("Cz",),
            "dropped": ("EXG1",),
            "samples_missing": 7,
            "gaps": 2,
            "windows_superseded": 1,
        }
    )
    service.headsets.known["h1"] = known
    reported = (await own_client.get("/v1/headsets/h1")).json()
    assert reported == known.model_dump(mode="json")
    assert (reported["check"], reported["sfreq_measured"]) == ("interpolated", 127.94)
    assert reported["changes"] == ["unit uV, now V", "its channels are in a different order"]


async def test_the_quality_of_the_newest_window_is_returned_by_channel(
    own_client: httpx.AsyncClient, service: Service
) -> None:
    service.headsets.add("h1")
    service.headsets.qualities["h1"] = Quality(
        headset="h1",
        epoch="e0",
        window=WindowSpan(start=1e9, end=1e9 + 5),
        overall=0.4,
        faults=(Reason.POOR_CONTACT,),
        interpolated=("Cz",),
        channels=(
            ChannelQuality(label="Fp1", score=1.0, trouble=None),
            ChannelQuality(label="Fp2", score=0.25, trouble=Trouble.LINE_NOISE),
        ),
    )
    response = await own_client.get("/v1/headsets/h1/quality")
    assert response.status_code == 200
    assert response.json() == {
        "headset": "h1",
        "epoch": "e0",
        "window": {"start": 1e9, "end": 1e9 + 5},
        "overall": 0.4,
        "faults": ["poor_contact"],
        "interpolated": ["Cz"],
        "channels": [
            {"label": "Fp1", "score": 1.0, "trouble": None},
            {"label": "Fp2", "score": 0.25, "trouble": "line_noise"},
        ],
        "regions": [],
    }


async def test_before_the_first_window_there_is_no_quality_and_the_answer_says_why(
    own_client: httpx.AsyncClient, service: Service
) -> None:
    service.headsets.add("h1", State.CONNECTING)
    response = await own_client.get("/v1/headsets/h1/quality")
    assert response.status_code == 404
    assert "no window in its present connection" in response.json()["detail"]
    assert "It is connecting: put here by a test" in response.json()["detail"]


@pytest.mark.parametrize(
    "path",
    ["/v1/headsets/h9", "/v1/headsets/h9/prediction", "/v1/headsets/h9/quality"],
)
async def test_an_unknown_headset_is_answered_with_those_that_are_known(
    own_client: httpx.AsyncClient, service: Service, path: str
) -> None:
    response = await own_client.get(path)
    assert response.status_code == 404
    assert "'h9'; /v1/headsets lists" in response.json()["detail"]
    service.headsets.add("h1")
    service.headsets.add("h2")
    response = await own_client.get(path)
    assert response.status_code == 404
    assert "'h9'; /v1/headsets lists" in response.json()["detail"]


async def test_the_newest_prediction_is_given_and_before_it_a_problem(
    own_client: httpx.AsyncClient, service: Service, prediction: Callable[..., Prediction]
) -> None:
    service.headsets.add("h1")
    response = await own_client.get("/v1/headsets/h1/prediction")
    assert response.status_code == 404
    assert "no window in its present connection; a window takes 5 s" in response.json()["detail"]
    service.bus.publish(prediction(seq=0))
    newest = prediction(seq=1)
    service.bus.publish(newest)
    service.bus.publish(prediction("h2", seq=5))
    response = await own_client.get("/v1/headsets/h1/prediction")
    assert (response.status_code, response.text) == (200, newest.encode())


@pytest.mark.parametrize("state", [State.STALE, State.LOST, State.QUARANTINED, State.CONNECTING])
async def test_the_scores_of_a_headset_that_is_not_live_are_not_repeated(
    own_client: httpx.AsyncClient,
    service: Service,
    prediction: Callable[..., Prediction],
    state: State,
) -> None:
    service.headsets.add("h1", state)
    last = prediction(seq=4)
    assert last.valid
    service.bus.publish(last)
    answer = (await own_client.get("/v1/headsets/h1/prediction")).json()
    assert (answer["valid"], answer["reasons"]) == (False, ["stale"])
    assert answer["arousal"] == answer["valence"] == {"probability": None, "label": None}
    assert (answer["seq"], answer["window"]["end"]) == (4, last.window.end)


async def test_a_prediction_of_an_earlier_connection_is_not_given(
    own_client: httpx.AsyncClient, service: Service, prediction: Callable[..., Prediction]
) -> None:
    service.headsets.add("h1")
    service.bus.publish(prediction(epoch="before"))
    response = await own_client.get("/v1/headsets/h1/prediction")
    assert response.status_code == 404
    assert "no window in its present connection" in response.json()["detail"]


async def test_a_number_that_is_not_finite_is_null(
    own_client: httpx.AsyncClient, service: Service, prediction: Callable[..., Prediction]
) -> None:
    service.headsets.add("h1")
    spoilt = prediction().latency_ms.model_copy(update={"arrival": float("nan")})
    service.bus.publish(prediction(latency_ms=spoilt))
    response = await own_client.get("/v1/headsets/h1/prediction")
    assert response.json()["latency_ms"]["arrival"] is None


# -- model -------------------------------------------------------------------------------------


async def test_the_model_says_that_it_is_simulated_and_how_far_to_trust_it(
    own_client: httpx.AsyncClient, service: Service
) -> None:
    card = (await own_client.get("/v1/model")).json()
    assert card["simulated"] is True
    assert "simulated" in card["trained_on"]
    assert card["sha256"] == service.model.sha256
    assert tuple(card["channels"]) == DEAP32
    assert (card["sfreq"], card["window_seconds"], card["settle_seconds"]) == (128.0, 5.0, 3.0)
    stated = {target.name: target for target in service.model.contract.targets}
    for target in ("arousal", "valence"):
        assert "people held out" in card["held_out"][target]
        calibration = stated[target].calibration
        assert card["calibration"][target] == calibration.describe()
        figures = calibration.model_dump() | {"unsure": list(calibration.unsure)}
        assert card["calibration_figures"][target] == figures
        assert f"temperature {calibration.temperature:.2f}" in card["calibration"][target]
        assert "validation people" in card["calibration"][target]
    assert card["normaliser"] == "training"


async def test_the_calibration_plots_points_are_those_of_the_contract(
    own_client: httpx.AsyncClient, service: Service
) -> None:
    targets = (await own_client.get("/v1/model/calibration")).json()["targets"]
    stated = service.model.contract.held_out
    assert list(targets) == [result.target for result in stated] == ["arousal", "valence"]
    for result in stated:
        found = targets[result.target]
        assert (found["protocol"], found["people"]) == (result.protocol, result.people)
        assert found["windows"] == sum(each["windows"] for each in found["bins"]) == 1920
        assert found["bins"] == [each.model_dump() for each in result.reliability]


async def test_a_model_without_held_out_results_has_no_points(
    own_client: httpx.AsyncClient, service: Service
) -> None:
    contract = service.model.contract.model_copy(update={"held_out": ()})
    service.model = replace(service.model, contract=contract)
    response = await own_client.get("/v1/model/calibration")
    assert (response.status_code, response.json()) == (200, {"targets": {}})


async def test_the_model_says_that_it_needs_each_persons_rest(
    own_client: httpx.AsyncClient, service: Service, adapted: Callable[..., Model]
) -> None:
    service.model = adapted(rest=True)
    assert (await own_client.get("/v1/model")).json()["normaliser"] == "rest-baseline"


# -- predict -----------------------------------------------------------------------------------


async def test_windows_are_judged_as_live(
    own_client: httpx.AsyncClient, service: Service, signal: NDArray[np.float64]
) -> None:
    sent = windows(signal, 0, 1000)
    response = await own_client.post("/v1/predict", json=body(sent))
    assert response.status_code == 200
    answer = response.json()
    assert answer["model"] == "demo-simulated 1"
    first, second = answer["predictions"]
    assert first["interpolated"] == second["interpolated"] == []
    assert_same(first, live(service, sent[0], DEAP32))
    assert_same(second, live(service, sent[1], DEAP32))
    assert first != second


async def test_within_its_band_an_estimate_is_unsure_and_valid_and_at_its_ends_too(
    own_client: httpx.AsyncClient,
    service: Service,
    adapted: Callable[..., Model],
    signal: NDArray[np.float64],
) -> None:
    never = {"arousal": (0.5, 0.5), "valence": (0.5, 0.5)}

    async def ask(bands: dict[str, tuple[float, float]]) -> dict[str, Any]:
        service.model = adapted(bands=never | bands)
        response = await own_client.post("/v1/predict", json=body(windows(signal, 0)))
        (found,) = response.json()["predictions"]
        assert (found["valid"], found["reasons"]) == (True, [])
        return dict(found)

    sure = await ask({})
    for target in ("arousal", "valence"):
        probability = sure[target]["probability"]
        high = probability > 0.5
        assert sure[target]["label"] == ("high" if high else "low")
        # The band that ends with this very probability still holds it; the next smaller does not.
        for beyond, label in [(0.0, "unsure"), (1e-6, sure[target]["label"])]:
            end = (0.5, probability - beyond) if high else (probability + beyond, 0.5)
            found = await ask({target: end})
            assert found[target] == {"probability": probability, "label": label}
            (other,) = {"arousal", "valence"} - {target}
            assert found[other] == sure[other]


async def test_a_model_that_needs_rest_scores_no_window_that_is_sent_and_says_why(
    own_client: httpx.AsyncClient,
    service: Service,
    adapted: Callable[..., Model],
    signal: NDArray[np.float64],
) -> None:
    service.model = adapted(rest=True)
    sent = windows(signal, 0, 1000)
    sent[1] = 0.0
    response = await own_client.post("/v1/predict", json=body(sent))
    assert response.status_code == 200
    good, flat = response.json()["predictions"]
    assert good["reasons"] == [Reason.NO_BASELINE]
    assert flat["reasons"] == [Reason.NOT_WORN, Reason.NO_BASELINE]
    for found in (good, flat):
        assert found["valid"] is False
        assert found["arousal"] == found["valence"] == {"probability": None, "label": None}
    assert good["quality"] == 1.0


async def test_the_order_of_the_channels_does_not_matter(
    own_client: httpx.AsyncClient, service: Service, signal: NDArray[np.float64]
) -> None:
    order = np.random.default_rng(1).permutation(len(DEAP32))
    sent = windows(signal, 0)
    response = await own_client.post(
        "/v1/predict", json=body(sent[:, order], [DEAP32[index] for index in order])
    )
    (found,) = response.json()["predictions"]
    assert_same(found, live(service, sent[0], DEAP32))


async def test_thirteen_missing_channels_are_interpolated_and_named(
    own_client: httpx.AsyncClient, service: Service, signal: NDArray[np.float64]
) -> None:
    kept = [index for index, name in enumerate(DEAP32) if name not in THIRTEEN]
    channels = [DEAP32[index] for index in kept]
    sent = windows(signal[kept], 0)
    response = await own_client.post("/v1/predict", json=body(sent, channels))
    assert response.status_code == 200
    (found,) = response.json()["predictions"]
    assert tuple(found["interpolated"]) == live(service, sent[0], channels).interpolated
    assert found["interpolated"] == [name for name in DEAP32 if name in THIRTEEN]
    assert_same(found, live(service, sent[0], channels))
    assert found["quality"] < 0.9


async def test_fourteen_missing_channels_are_refused_and_named(
    client: httpx.AsyncClient, signal: NDArray[np.float64]
) -> None:
    missing = (*THIRTEEN, "Fz")
    kept = [index for index, name in enumerate(DEAP32) if name not in missing]
    sent = body(windows(signal[kept], 0), [DEAP32[index] for index in kept])
    response = await client.post("/v1/predict", json=sent)
    assert response.status_code == 422
    detail = response.json()["detail"]
    assert "found 18 of the model's 32 channels" in detail
    assert all(name in detail for name in missing)


async def test_a_channel_that_stands_twice_is_refused(
    client: httpx.AsyncClient, signal: NDArray[np.float64]
) -> None:
    channels = ["Fp2" if name == "Fp1" else name for name in DEAP32]
    response = await client.post("/v1/predict", json=body(windows(signal, 0), channels))
    assert response.status_code == 422
    assert "more than one channel labelled Fp2" in response.json()["detail"]


@pytest.mark.parametrize(
    ("channels", "samples"), [(32, SAMPLES - 1), (32, SAMPLES + 1), (32, 640), (31, SAMPLES)]
)
async def test_a_window_of_another_shape_is_refused_with_the_right_one(
    client: httpx.AsyncClient, channels: int, samples: int
) -> None:
    response = await client.post("/v1/predict", json=body(np.ones((1, channels, samples))))
    assert response.status_code == 422
    detail = response.json()["detail"]
    assert f"window 0: found {channels} channels of [{samples}] samples" in detail
    assert f"expected 32 channels of {SAMPLES} samples" in detail


async def test_ragged_rows_are_refused(
    client: httpx.AsyncClient, signal: NDArray[np.float64]
) -> None:
    sent = body(windows(signal, 0, 8))
    sent["windows"][1][5].pop()
    response = await client.post("/v1/predict", json=sent)
    assert response.status_code == 422
    assert f"window 1: found 32 channels of [{SAMPLES - 1}, {SAMPLES}]" in response.json()["detail"]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", "null", '"7"x', "{}"])
async def test_what_is_no_finite_number_is_refused_and_not_repeated(
    client: httpx.AsyncClient, value: str
) -> None:
    content = f'{{"channels": ["Fp1"], "windows": [[[0.5, {value}]]]}}'
    response = await client.post(
        "/v1/predict", content=content, headers={"content-type": "application/json"}
    )
    assert response.status_code == 422
    assert response.json()["errors"]
    assert value.strip("-") not in response.text


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"windows": [[[0.0]]] * 5}, "body.windows"),
        ({"windows": []}, "body.windows"),
        ({"channels": []}, "body.channels"),
        ({"channels": ["Fp1"] * 257}, "body.channels"),
        ({"units": ["uV"]}, "body.units"),
    ],
    ids=["five windows", "no window", "no channel", "257 channels", "unknown field"],
)
async def test_a_body_of_another_form_is_refused_with_the_place(
    client: httpx.AsyncClient, change: dict[str, Any], place: str
) -> None:
    response = await client.post(
        "/v1/predict", json={"channels": ["Fp1"], "windows": [[[0.0]]]} | change
    )
    assert response.status_code == 422
    assert [item["place"] for item in response.json()["errors"]] == [place]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
async def test_what_is_no_json_object_is_refused(client: httpx.AsyncClient, content: bytes) -> None:
    response = await client.post(
        "/v1/predict", content=content, headers={"content-type": "application/json"}
    )
    assert response.status_code in {400, 422}


async def test_four_windows_fit_into_the_largest_body(
    client: httpx.AsyncClient, signal: NDArray[np.float64]
) -> None:
    worn = signal - signal[:, :1]  # without the electrodes' offsets
    sent = json.dumps(body(windows(worn, 0, 8, 16, 24)), separators=(",", ":"))
    assert len(sent) < LARGEST_BODY_BYTES
    response = await client.post(
        "/v1/predict", content=sent, headers={"content-type": "application/json"}
    )
    assert len(response.json()["predictions"]) == 4


async def chunks(size: int) -> AsyncIterator[bytes]:
    """A body without a Content-Length; what is beyond JSON's end is white space."""
    yield b"{}".ljust(65536)
    for _ in range(size // 65536 - 1):
        yield b" " * 65536
    yield b" " * (size % 65536)


@pytest.mark.parametrize("form", ["stated", "chunked", "understated"])
@pytest.mark.parametrize(
    ("size", "status"), [(LARGEST_BODY_BYTES, 422), (LARGEST_BODY_BYTES + 1, 413)]
)
async def test_a_body_beyond_a_mebibyte_is_refused_however_it_is_sent(
    client: httpx.AsyncClient, form: str, size: int, status: int
) -> None:
    headers = {"content-type": "application/json"}
    if form == "understated":
        headers["content-length"] = "2"
    content = b"{}".ljust(size) if form == "stated" else chunks(size)
    response = await client.post("/v1/predict", content=content, headers=headers)
    assert response.status_code == status
    if status == 413:
        assert f"more than {LARGEST_BODY_BYTES} bytes" in response.json()["detail"]


async def test_over_a_socket_a_stated_size_is_refused_before_the_body_is_sent(
    address: str, strict_json: Callable[[bytes], Any]
) -> None:
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Connection: close\r\nContent-Length: 1048577\r\n\r\n"
    )
    async with asyncio.timeout(60):
        head, _, rest = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    assert head.startswith(b"HTTP/1.1 413 ")
    assert strict_json(rest)["status"] == 413


@pytest.mark.parametrize("sample", [0, 3 * SFREQ - 1, 4 * SFREQ, SAMPLES - 1])
@pytest.mark.parametrize("value", [1e30, -1e30, 1e308])
async def test_an_absurd_voltage_gives_a_reason_and_no_score(
    client: httpx.AsyncClient, signal: NDArray[np.float64], sample: int, value: float
) -> None:
    sent = windows(signal, 0)
    sent[0, 3, sample] = value
    response = await client.post("/v1/predict", json=body(sent))
    assert response.status_code == 200
    (found,) = response.json()["predictions"]
    assert found["valid"] is False
    assert Reason.OUT_OF_RANGE in found["reasons"]
    for target in ("arousal", "valence"):
        assert found[target] == {"probability": None, "label": None}


async def test_one_bad_window_does_not_spoil_the_others(
    own_client: httpx.AsyncClient, service: Service, signal: NDArray[np.float64]
) -> None:
    sent = windows(signal, 0, 1000)
    sent[0, :, :] = 1e30
    response = await own_client.post("/v1/predict", json=body(sent))
    bad, good = response.json()["predictions"]
    assert bad["valid"] is False
    assert_same(good, live(service, sent[1], DEAP32))


async def test_channels_that_are_filled_in_are_named_window_by_window(
    own_client: httpx.AsyncClient, service: Service, signal: NDArray[np.float64]
) -> None:
    sent = windows(signal, 0, 1000, 500)
    sent[1, DEAP32.index("Cz")] = 0.0
    response = await own_client.post("/v1/predict", json=body(sent))
    found = response.json()["predictions"]
    assert [item["interpolated"] for item in found] == [[], ["Cz"], []]
    for item, window in zip(found, sent, strict=True):
        assert_same(item, live(service, window, DEAP32))
    assert found[1]["quality"] < found[0]["quality"]


async def test_a_flat_signal_gives_a_reason_and_no_score(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/predict", json=body(np.zeros((1, 32, SAMPLES))))
    (found,) = response.json()["predictions"]
    assert found["reasons"] == [Reason.NOT_WORN]
    assert found["arousal"]["probability"] is None


# -- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/static/nothing.js", 404),
        ("GET", "/static/../service.py", 404),
        ("GET", "/v1/predict", 405),
        ("POST", "/livez", 405),
        ("GET", "/v1/nope", 404),
        ("GET", "/v1/headsets/", 404),
        ("GET", "/static", 404),
        ("GET", "/v1/stream", 426),
        ("POST", "/v1/stream", 405),
    ],
)
async def test_an_unknown_path_or_method_is_a_problem(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    assert (await client.request(method, path)).status_code == status


@pytest.mark.parametrize("path", ["/v1/headsets/", "/livez/", "/static", "/docs/"])
async def test_no_redirection_repeats_the_host_that_a_caller_names(
    client: httpx.AsyncClient, path: str
) -> None:
    response = await client.get(path)
    assert response.status_code == 404
    assert "location" not in response.headers


async def test_a_websocket_asked_for_without_an_upgrade_says_what_it_is(address: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(f"http://{address}/v1/stream")
    assert (response.status_code, response.headers["upgrade"]) == (426, "websocket")
    assert response.headers["content-type"] == "application/problem+json"
    assert "this is a WebSocket; connect with" in response.json()["detail"]


async def test_a_websocket_of_an_unknown_path_is_a_problem(address: str) -> None:
    with pytest.raises(websockets.InvalidStatus) as caught:
        await websockets.connect(f"ws://{address}/v1/nope", proxy=None)
    response = caught.value.response
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert "'/v1/nope'" in json.loads(response.body)["detail"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
async def test_json_that_is_not_called_so_says_how_to_call_it(
    client: httpx.AsyncClient, kind: str | None
) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    response = await client.post("/v1/predict", content=b"{}", headers=headers)
    assert response.status_code == 422
    assert "send 'Content-Type: application/json'" in response.json()["detail"]
    assert repr(kind) in response.json()["detail"] or kind is None
    for right in ("application/json; charset=utf-8", "application/x+json"):
        response = await client.post("/v1/predict", content=b"[]", headers={"Content-Type": right})
        assert "see 'errors'" in response.json()["detail"]


async def test_an_allowed_method_is_named(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/predict")).headers["allow"] == "POST"


async def test_an_error_of_our_own_is_a_problem_that_tells_nothing_of_the_inside(
    own_client: httpx.AsyncClient,
    service: Service,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> None:
        raise ValueError("secret detail")

    monkeypatch.setattr(service.headsets, "headsets", fail)
    response = await own_client.get("/v1/headsets")
    assert response.status_code == 500
    assert "secret" not in response.text
    assert "secret detail" in caplog.text


async def test_a_header_of_an_error_is_kept(service: Service) -> None:
    app = service.app()

    @app.get("/busy")
    async def busy() -> None:
        raise HTTPException(503, "too many", headers={"Retry-After": "7"})

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://localhost"
    ) as client:
        response = await client.get("/busy")
    assert response.headers["retry-after"] == "7"
    assert response.headers["content-type"] == "application/problem+json"


# -- documentation -----------------------------------------------------------------------------


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from references(item)


async def test_the_openapi_document_names_every_path_and_its_references_resolve(
    client: httpx.AsyncClient,
) -> None:
    document = (await client.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert document["paths"].keys() == {
        "/livez",
        "/readyz",
        "/v1/headsets",
        "/v1/headsets/{identifier}",
        "/v1/headsets/{identifier}/prediction",
        "/v1/headsets/{identifier}/quality",
        "/v1/headsets/{identifier}/baseline",
        "/v1/headsets/{identifier}/events",
        "/v1/headsets/{identifier}/history",
        "/v1/headsets/{identifier}/stream",
        "/v1/alarms",
        "/v1/alarms/{alarm}/acknowledge",
        "/v1/rules",
        "/v1/rules/{name}",
        "/v1/profiles",
        "/v1/profiles/{name}",
        "/v1/model",
        "/v1/model/calibration",
        "/v1/montage",
        "/v1/predict",
        "/metrics",
        "/v2",
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/models/{model}",
        "/v2/models/{model}/ready",
        "/v2/models/{model}/infer",
        "/v2/models/{model}/versions/{version}",
        "/v2/models/{model}/versions/{version}/ready",
        "/v2/models/{model}/versions/{version}/infer",
    }
    found = set(references(document))
    assert found
    for reference in found:
        target: Any = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]


async def test_the_openapi_document_names_every_label_reason_and_normaliser(
    client: httpx.AsyncClient,
) -> None:
    schemas = (await client.get("/openapi.json")).json()["components"]["schemas"]
    labels = schemas["Score"]["properties"]["label"]["anyOf"][0]["enum"]
    assert set(labels) == {"low", "high", "unsure"}
    assert set(schemas["Reason"]["enum"]) == {reason.value for reason in Reason}
    card = schemas["ModelCard"]
    assert set(card["properties"]["normaliser"]["enum"]) == {"training", "rest-baseline"}
    assert {"normaliser", "calibration"} <= set(card["required"])


async def test_the_openapi_document_says_that_errors_are_problems(
    client: httpx.AsyncClient,
) -> None:
    document = (await client.get("/openapi.json")).json()
    operations = {
        (path, method): operation["responses"]
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if not path.startswith("/v2")  # whose own protocol says what an error is
    }
    assert {"400", "413", "422"} <= operations["/v1/predict", "post"].keys()
    assert "404" in operations["/v1/headsets/{identifier}", "get"]
    assert "503" in operations["/readyz", "get"]
    for responses in operations.values():
        assert "default" in responses
        for status, response in responses.items():
            if not status.startswith("2"):
                (content,) = response["content"].items()
                assert content[0] == "application/problem+json"
                assert {"title", "status", "detail"} <= content[1]["schema"]["properties"].keys()


async def test_the_documentation_comes_from_here_alone(client: httpx.AsyncClient) -> None:
    page = (await client.get("/docs")).text
    assert not re.findall(r"""\bhttps?:|["'(=]\s*//""", page)
    files = re.findall(r"""(?:src|href)="([^"]+)\"""", page)
    assert files
    for file in files:
        assert (await client.get(file)).status_code == 200, file
    assert (await client.get("/redoc")).status_code == 404


async def test_a_system_that_calls_javascript_plain_text_does_not_break_the_page(
    service: Service,
) -> None:
    for suffix in (".js", ".css", ".svg"):
        mimetypes.add_type("text/plain", suffix)  # as Windows' registry often says
    transport = httpx.ASGITransport(service)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        kinds = {
            name: (await client.get(f"/static/{name}")).headers["content-type"].partition(";")[0]
            for name in ("page.js", "style.css", "icon.svg")
        }
    assert list(kinds.values()) == ["text/javascript", "text/css", "image/svg+xml"]


async def test_the_page_forbids_itself_every_outside_address(client: httpx.AsyncClient) -> None:
    response = await client.get("/")
    assert response.status_code == 200
    policy = response.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    chart = await client.get("/static/plotly.min.js")
    assert chart.headers["content-type"].startswith("text/javascript")
    assert len(chart.content) > 1e6
