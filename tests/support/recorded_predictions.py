"""Predictions of fixed simulated recordings, kept in a file: no change of the code may change them.

python -m tests.support.recorded_predictions    # record them again, where a change is meant to
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.inference.model import demo_model_path, load_model
from eeg_emotion.offline.run import OfflineRun
from eeg_emotion.recordings.recording import Recording, Stretch
from eeg_emotion.recordings.simulation import SimulatedPerson
from eeg_emotion.stream.selection import HeadsetFilter

FILE = Path(__file__).parent / "recorded_predictions.jsonl"
_LATENCY = "latency_ms"


def recordings() -> Iterator[tuple[Recording, float]]:
    """Yield simulated recordings, each with the hop to predict at, in seconds."""
    plain = SimulatedPerson(11, 1).run(0, 128.0).next(128 * 16, 0.5, -0.5)
    yield _recording("32 channels at 128 Hz", (plain,), DEAP32, "uV", 128.0), 1.0

    # Other order, volts, a gap, hum of the mains, an electrode that comes off and one of no use.
    wide = SimulatedPerson(12, 2).run(1, 256.0).next(256 * 24, -0.6, 0.4)[::-1] / 1e6
    wide[3] += 4e-6 * np.sin(2 * np.pi * 50.0 * np.arange(wide.shape[1]) / 256.0)
    wide[7, 256 * 15 :] = 0.0
    labels = (*reversed(DEAP32[1:]), "ECG")
    parts = wide[:, : 256 * 13], wide[:, 256 * 13 :]
    yield _recording("31 channels in volts at 256 Hz", parts, labels, "V", 256.0), 0.5

    # Fewer channels, filled in; samples that are no numbers; a rate that is resampled.
    few = SimulatedPerson(13, 3).run(0, 500.0).next(500 * 14, 0.9, 0.9)[:20].copy()
    few[5, 4100:4200] = np.nan
    yield _recording("20 channels at 500 Hz", (few,), DEAP32[:20], "uV", 500.0), 0.25


def lines() -> Iterator[str]:
    """Yield each prediction as it goes over the wire, without its latencies."""
    model = load_model(demo_model_path())
    for recording, hop_seconds in recordings():
        run = OfflineRun(
            recording,
            model,
            replace(model.contract.path, hop_seconds=hop_seconds),
            HeadsetFilter(),
            model.contract.training_normaliser,
        )
        for prediction in run.predictions():
            stated = json.loads(prediction.encode())
            del stated[_LATENCY]
            yield json.dumps(stated, sort_keys=True)


def _recording(
    name: str, parts: tuple[np.ndarray, ...], channels: tuple[str, ...], unit: str, sfreq: float
) -> Recording:
    return Recording(
        name=name,
        source_id=name.lower().replace(" ", "-"),
        channels=channels,
        units=(unit,) * len(channels),
        sfreq=sfreq,
        manufacturer="simulated",
        simulated=True,
        stretches=lambda: (Stretch(part) for part in parts),
    )


if __name__ == "__main__":
    FILE.write_text("".join(f"{line}\n" for line in lines()), encoding="utf-8")
