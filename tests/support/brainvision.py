"""A BrainVision recording of a simulated person."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.recordings.simulation import SimulatedPerson


def brainvision(
    path: Path, *, seconds: float = 12.0, channels: tuple[str, ...] = DEAP32, gap_at: int = 0
) -> Path:
    """Write a simulated person at 250 Hz; where `gap_at` is not 0, a new segment begins there."""
    samples = SimulatedPerson(5, 1).run(0, 250.0).next(round(seconds * 250), 0.5, -0.5)
    samples[:, 0:2] = np.nan
    path.with_suffix(".eeg").write_bytes(samples[: len(channels)].T.astype("<f4").tobytes())
    listed = "".join(f"Ch{number}={name},,1,µV\n" for number, name in enumerate(channels, 1))
    path.write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n"
        f"[Common Infos]\nCodepage=UTF-8\nDataFile={path.stem}.eeg\n"
        f"MarkerFile={path.stem}.vmrk\nDataFormat=BINARY\nDataOrientation=MULTIPLEXED\n"
        f"NumberOfChannels={len(channels)}\nSamplingInterval=4000\n"
        f"[Binary Infos]\nBinaryFormat=IEEE_FLOAT_32\n[Channel Infos]\n{listed}",
        encoding="utf-8",
    )
    segments = [1, gap_at + 1] if gap_at else [1]
    path.with_suffix(".vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n"
        f"[Common Infos]\nDataFile={path.stem}.eeg\n[Marker Infos]\n"
        + "".join(
            f"Mk{number}=New Segment,,{at},1,0,20260101000000000000\n"
            for number, at in enumerate(segments, 1)
        )
    )
    return path
