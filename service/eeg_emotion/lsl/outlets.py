"""Predictions as LSL streams: one outlet per headset, to be recorded alongside its EEG.

A sample is stamped with the end of its window, on LSL's own clock like the EEG. LSL has no
credentials: anyone in reach can read every headset's outlet.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pylsl

from eeg_emotion.codes import Reason
from eeg_emotion.logs import get_logger
from eeg_emotion.publish.bus import Bus
from eeg_emotion.publish.frames import Frame
from eeg_emotion.publish.headsets import Headsets
from eeg_emotion.publish.messages import Headset, ModelCard, Prediction
from eeg_emotion.publish.outbox import Outbox
from eeg_emotion.publish.requests import EVERY_HEADSET

logger = get_logger(__name__)

STREAM_TYPE = "Emotion"
"""Not EEG, so that no service, including this one, mistakes it for a headset."""

CHANNELS = (
    ("arousal", "probability"),
    ("valence", "probability"),
    ("arousal_unsure", "boolean"),
    ("valence_unsure", "boolean"),
    ("valid", "boolean"),
    ("quality", "fraction"),
    ("reasons", "bits"),
)
"""Label and unit of each channel."""

REASON_BITS = {reason: 1 << place for place, reason in enumerate(Reason)}
"""The bit of each reason in the channel `reasons`; the stream's metadata state it too."""

_ROUND_SECONDS = 1.0  # how soon a forgotten headset's outlet is closed
# liblsl takes 25 ms to close an outlet, nearly all of it waiting; a few hundred must not delay the
# daemon's exit.
_CLOSED_AT_ONCE = 32


def values_of(prediction: Prediction) -> list[float]:
    """Return a prediction's values in the order of `CHANNELS`; NaN for a missing score."""
    arousal, valence = prediction.arousal, prediction.valence
    return [
        math.nan if arousal.probability is None else arousal.probability,
        math.nan if valence.probability is None else valence.probability,
        float(arousal.label == "unsure"),
        float(valence.label == "unsure"),
        float(prediction.valid),
        prediction.quality,
        float(sum(REASON_BITS[reason] for reason in set(prediction.reasons))),
    ]


def stream_info(headset: Headset, card: ModelCard, filter_seconds: float) -> pylsl.StreamInfo:
    """Return the description of a headset's prediction stream.

    Parameters
    ----------
    headset
        The headset.
    card
        The model that makes the predictions.
    filter_seconds
        By how much the activity in a window is older than its stamp.
    """
    info = pylsl.StreamInfo(
        f"{headset.id} emotion",
        STREAM_TYPE,
        len(CHANNELS),
        pylsl.IRREGULAR_RATE,
        "double64",
        f"{headset.id}-emotion",
    )
    desc = info.desc()
    channels = desc.append_child("channels")
    for label, unit in CHANNELS:
        channel = channels.append_child("channel")
        _fill(channel, label=label, unit=unit, type=STREAM_TYPE)
    _fill(desc.append_child("headset"), id=headset.id, name=headset.name)
    _fill(
        desc,
        simulated=_truth(bool(headset.simulated)),
        window_seconds=f"{card.window_seconds:g}",
        hop_seconds=f"{card.hop_seconds:g}",
        delay_seconds=f"{filter_seconds:.4f}",
        stamp="when the window's last sample was taken; its content is delay_seconds older",
        scores="probability of high; NaN where valid is 0",
    )
    _fill(
        desc.append_child("model"),
        name=card.name,
        version=card.version,
        sha256=card.sha256,
        simulated=_truth(card.simulated),
    )
    reasons = desc.append_child("reasons")
    for reason, bit in REASON_BITS.items():
        _fill(reasons.append_child("reason"), bit=str(bit), name=reason)
    return info


class Outlets:
    """Follows the bus and pushes each prediction into its headset's outlet.

    An outlet is opened at a headset's first prediction, stays open while the headset is lost, and
    is closed once the headset is forgotten.

    Parameters
    ----------
    bus
        The source of the predictions.
    headsets
        The known headsets.
    card
        The model.
    utc_offset
        Returns the seconds to add to this machine's LSL clock for Unix time. Windows were dated
        with it shortly before, so stamps are accurate to some 0.1 ms, unless the machine's clock
        was set in between.
    """

    def __init__(
        self,
        bus: Bus,
        headsets: Headsets,
        card: ModelCard,
        utc_offset: Callable[[], float] = lambda: time.time() - pylsl.local_clock(),
    ) -> None:
        self._bus = bus
        self._headsets = headsets
        self._card = card
        self._utc_offset = utc_offset
        self._open: dict[str, pylsl.StreamOutlet | None] = {}

    async def run(self) -> None:
        """Push predictions until cancelled; then close all outlets."""
        wake = asyncio.Event()
        outbox = Outbox(wake.set)
        self._bus.attach(outbox, lambda headset: True)
        self._bus.subscribe(outbox, [EVERY_HEADSET])
        # Outlets are opened and closed in threads: either can block the event loop.
        with ThreadPoolExecutor(_CLOSED_AT_ONCE, thread_name_prefix="outlet") as threads:
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._close_forgotten(threads))
                    while True:
                        await wake.wait()
                        wake.clear()
                        for frame in outbox.take():
                            if frame.kind == "prediction":
                                await self._push(frame, threads)
            finally:
                self._bus.detach(outbox)
                await self._close(list(self._open), threads)

    async def _push(self, frame: Frame, threads: ThreadPoolExecutor) -> None:
        prediction = Prediction.model_validate_json(frame.data)
        if prediction.headset not in self._open:
            headset = self._headsets.headset(prediction.headset)
            if headset is None:
                return  # forgotten while its prediction was on its way
            filter_seconds = prediction.latency_ms.filter / 1e3
            info = stream_info(headset, self._card, filter_seconds)
            try:
                opening = asyncio.get_running_loop().run_in_executor(
                    threads, pylsl.StreamOutlet, info
                )
                self._open[headset.id] = await opening
            except RuntimeError as error:
                # Logged once: the same cause would prevent opening it every second.
                self._open[headset.id] = None
                logger.warning("outlet cannot be opened", headset=headset.id, why=str(error))
        outlet = self._open[prediction.headset]
        if outlet is not None:
            outlet.push_sample(values_of(prediction), prediction.window.end - self._utc_offset())

    async def _close_forgotten(self, threads: ThreadPoolExecutor) -> None:
        while True:
            await asyncio.sleep(_ROUND_SECONDS)
            forgotten = [name for name in self._open if self._bus.last_prediction(name) is None]
            await self._close(forgotten, threads)

    async def _close(self, headsets: list[str], threads: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        # pylsl closes an outlet when its last reference is dropped, so a thread must drop it.
        boxes = [[self._open.pop(name)] for name in headsets]
        await asyncio.gather(*(loop.run_in_executor(threads, box.clear) for box in boxes))


def _fill(element: pylsl.XMLElement, **values: str) -> None:
    for name, value in values.items():
        element.append_child_value(name, value)


def _truth(value: bool) -> str:
    return "true" if value else "false"
