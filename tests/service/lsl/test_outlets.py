"""Predictions as LSL streams, read by real inlets."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pylsl
import pytest
from tests.support.service import Service

from eeg_emotion.codes import Reason
from eeg_emotion.lsl.discovery import Discovery
from eeg_emotion.lsl.outlets import CHANNELS, REASON_BITS, Outlets
from eeg_emotion.publish.messages import Prediction, Score, WindowSpan

LABELS = [label for label, _ in CHANNELS]
NO_SCORE = Score(probability=None, label=None)

Predicted = Callable[..., Prediction]


def utc_offset() -> float:
    return float(time.time() - pylsl.local_clock())


@pytest.fixture
def headset() -> str:
    """Return a new id for each test: outlets of the previous one stay visible for a while."""
    return f"h-{uuid.uuid4().hex[:8]}"


@pytest.fixture
async def outlets(service: Service, headset: str) -> AsyncIterator[asyncio.Task[None]]:
    service.headsets.add(headset)
    outlets = Outlets(service.bus, service.headsets, service.model_card())
    task = asyncio.create_task(outlets.run())
    await service.bus.until_subscribers(1)
    yield task
    task.cancel()
    await asyncio.wait([task])


@dataclass
class Reader:
    """An inlet that is read off the event loop."""

    inlet: pylsl.StreamInlet
    info: pylsl.StreamInfo
    seen: list[tuple[dict[str, float], float]] = field(default_factory=list)

    @classmethod
    async def open(cls, headset: str) -> Reader:
        (found,) = await resolve(headset)
        inlet = pylsl.StreamInlet(found, recover=False)
        info = await asyncio.to_thread(inlet.info, 10)
        await asyncio.to_thread(inlet.open_stream, 10)
        return cls(inlet, info)

    async def next(self) -> tuple[dict[str, float], float]:
        sample, stamp = await asyncio.to_thread(self.inlet.pull_sample, 10)
        assert sample is not None
        return dict(zip(LABELS, sample, strict=True)), stamp


async def resolve(headset: str, *, seconds: float = 10.0) -> list[pylsl.StreamInfo]:
    return await asyncio.to_thread(
        pylsl.resolve_byprop, "source_id", f"{headset}-emotion", 1, seconds
    )


def child(element: pylsl.XMLElement, *names: str) -> str:
    for name in names[:-1]:
        element = element.child(name)
    return str(element.child_value(names[-1]))


def children(element: pylsl.XMLElement, name: str) -> list[pylsl.XMLElement]:
    found, each = [], element.child(name)
    while not each.empty():
        found.append(each)
        each = each.next_sibling(name)
    return found


async def test_a_sample_has_the_predictions_values_and_its_windows_end_as_stamp(
    service: Service, headset: str, outlets: asyncio.Task[None], prediction: Predicted
) -> None:
    service.bus.publish(prediction(headset))
    reader = await Reader.open(headset)
    end = time.time() - 0.3
    service.bus.publish(
        prediction(
            headset,
            1,
            window=WindowSpan(start=end - 5, end=end),
            arousal=Score(probability=0.25, label="low"),
            valence=Score(probability=0.51, label="unsure"),
            quality=0.875,
        )
    )
    values, stamp = await reader.next()
    assert values == {
        "arousal": 0.25,
        "valence": 0.51,
        "arousal_unsure": 0.0,
        "valence_unsure": 1.0,
        "valid": 1.0,
        "quality": 0.875,
        "reasons": 0.0,
    }
    assert stamp + utc_offset() == pytest.approx(end, abs=1e-3)
    # As a recorder maps it: both are this machine's clock.
    assert await asyncio.to_thread(reader.inlet.time_correction, 5) == pytest.approx(0, abs=1e-3)


async def test_a_window_without_scores_is_nan_and_its_reasons_are_in_the_bits(
    service: Service, headset: str, outlets: asyncio.Task[None], prediction: Predicted
) -> None:
    service.bus.publish(prediction(headset))
    reader = await Reader.open(headset)
    reasons = (Reason.GAP, Reason.WARMING_UP)
    service.bus.publish(
        prediction(
            headset, 1, arousal=NO_SCORE, valence=NO_SCORE, valid=False, reasons=reasons, quality=0
        )
    )
    values, _ = await reader.next()
    assert math.isnan(values["arousal"])
    assert math.isnan(values["valence"])
    assert (values["valid"], values["quality"]) == (0.0, 0.0)
    stated = {
        child(reason, "name"): int(child(reason, "bit"))
        for reason in children(reader.info.desc().child("reasons"), "reason")
    }
    assert set(stated) == set(Reason)
    assert {name for name, bit in stated.items() if int(values["reasons"]) & bit} == set(reasons)


def test_no_two_reasons_share_a_bit_and_all_fit_a_double() -> None:
    assert sum(REASON_BITS.values()) == 2 ** len(Reason) - 1 < 2**53


async def test_the_metadata_name_the_channels_the_headset_and_the_model(
    service: Service, headset: str, outlets: asyncio.Task[None], prediction: Predicted
) -> None:
    service.bus.publish(prediction(headset))
    info = (await Reader.open(headset)).info
    assert (info.name(), info.type()) == (f"{headset} emotion", "Emotion")
    assert info.nominal_srate() == pylsl.IRREGULAR_RATE
    assert info.channel_format() == pylsl.cf_double64
    desc = info.desc()
    channels = children(desc.child("channels"), "channel")
    assert [(child(c, "label"), child(c, "unit")) for c in channels] == list(CHANNELS)
    card = service.model_card()
    assert {name: child(desc, "model", name) for name in ("name", "version", "sha256")} == {
        "name": card.name,
        "version": card.version,
        "sha256": card.sha256,
    }
    assert child(desc, "model", "simulated") == "true"
    assert child(desc, "simulated") == "true"
    assert child(desc, "headset", "id") == headset
    assert child(desc, "headset", "name") == f"Headset {headset}"
    assert float(child(desc, "window_seconds")) == card.window_seconds
    assert float(child(desc, "hop_seconds")) == card.hop_seconds
    assert float(child(desc, "delay_seconds")) == 0.06


async def test_a_headset_that_returns_in_a_new_epoch_keeps_its_outlet(
    service: Service, headset: str, outlets: asyncio.Task[None], prediction: Predicted
) -> None:
    service.bus.publish(prediction(headset))
    reader = await Reader.open(headset)
    for epoch in ("e1", "e2"):
        service.bus.publish(prediction(headset, epoch=epoch, quality=int(epoch[1]) / 4))
        assert (await reader.next())[0]["quality"] == int(epoch[1]) / 4
    assert len(await resolve(headset)) == 1


async def test_the_service_never_takes_one_for_a_headset(
    service: Service, headset: str, outlets: asyncio.Task[None], prediction: Predicted
) -> None:
    """Discovery finds an EEG stream next to it, but not the outlet, even some looks later."""
    service.bus.publish(prediction(headset))
    assert await resolve(headset)
    eeg = pylsl.StreamOutlet(
        pylsl.StreamInfo(headset, "EEG", 1, 128.0, "float32", f"{headset}-eeg")
    )
    discovery = Discovery()
    looks: list[set[str]] = []
    async with asyncio.timeout(60):
        while sum(f"{headset}-eeg" in look for look in looks) < 6:  # more than a round of liblsl's
            await asyncio.sleep(0.2)
            looks.append({info.source_id() for info in discovery.visible()})
    assert f"{headset}-emotion" not in set().union(*looks)
    assert eeg is not None  # visible until here


async def until_closed(reader: Reader) -> None:
    def wait() -> None:
        deadline = time.monotonic() + 60
        with contextlib.suppress(pylsl.util.LostError):
            while time.monotonic() < deadline:
                reader.inlet.pull_sample(0.2)
            pytest.fail("the outlet is still open")

    await asyncio.to_thread(wait)


async def test_it_closes_once_its_headset_is_forgotten_and_the_others_stay(
    service: Service, headset: str, outlets: asyncio.Task[None], prediction: Predicted
) -> None:
    other = f"{headset}-other"
    service.headsets.add(other)
    for name in (headset, other):
        service.bus.publish(prediction(name))
    gone, kept = await Reader.open(headset), await Reader.open(other)
    service.bus.forget(headset)
    await until_closed(gone)
    service.bus.publish(prediction(other, 1, quality=0.5))
    assert (await kept.next())[0]["quality"] == 0.5
    service.bus.publish(prediction(headset, epoch="e1"))  # it returns, and has one again
    assert (await resolve(headset))[0].uid() != gone.info.uid()


async def test_all_close_when_the_service_ends_and_nothing_stays_on_the_bus(
    service: Service, headset: str, outlets: asyncio.Task[None], prediction: Predicted
) -> None:
    service.bus.publish(prediction(headset))
    reader = await Reader.open(headset)
    outlets.cancel()
    await asyncio.wait([outlets])
    assert outlets.cancelled()
    assert service.bus.subscribers == 0
    await until_closed(reader)


async def test_an_outlet_that_cannot_be_opened_is_said_once_and_costs_the_others_nothing(
    service: Service,
    headset: str,
    outlets: asyncio.Task[None],
    prediction: Predicted,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    real, tried = pylsl.StreamOutlet, []

    def refuse(info: pylsl.StreamInfo) -> pylsl.StreamOutlet:
        tried.append(info.name())
        if info.name() == f"{headset} emotion":
            raise RuntimeError("could not create stream outlet.")
        return real(info)

    monkeypatch.setattr(pylsl, "StreamOutlet", refuse)
    other = f"{headset}-other"
    service.headsets.add(other)
    service.bus.publish(prediction(headset))
    service.bus.publish(prediction(other))
    reader = await Reader.open(other)
    service.bus.publish(prediction(headset, 1))
    service.bus.publish(prediction(other, 1, quality=0.5))
    assert (await reader.next())[0]["quality"] == 0.5
    assert tried == [f"{headset} emotion", f"{other} emotion"]
    (said,) = [record for record in caplog.records if "outlet" in record.getMessage()]
    assert headset in said.getMessage()


async def test_the_event_loop_never_waits_for_liblsl_to_open_or_close(
    service: Service,
    headset: str,
    outlets: asyncio.Task[None],
    prediction: Predicted,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten are opened, and closed at the end two by two: of which each waits for another."""
    threads: set[int] = set()
    closing = threading.Barrier(2)

    class Watched(pylsl.StreamOutlet):  # type: ignore[misc]  # pylsl ships no types
        def __init__(self, info: pylsl.StreamInfo) -> None:
            threads.add(threading.get_ident())
            super().__init__(info)

        def __del__(self) -> None:
            threads.add(threading.get_ident())
            closing.wait(60)
            super().__del__()

    monkeypatch.setattr(pylsl, "StreamOutlet", Watched)
    names = [headset, *(f"{headset}-{number}" for number in range(9))]
    for name in names:
        service.headsets.add(name)
        service.bus.publish(prediction(name))
    assert await resolve(names[-1])
    outlets.cancel()
    await asyncio.wait([outlets])
    assert threads
    assert threading.get_ident() not in threads
    assert not closing.broken
