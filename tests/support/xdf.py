"""An XDF recording, as LabRecorder writes one."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def xdf(
    path: Path,
    streams: Mapping[str, NDArray[np.float64]],
    *,
    labels: Sequence[str] = ("Fz", "Cz", "Pz", "Oz"),
    simulated: bool = False,
) -> Path:
    """Write streams of `(channels, samples)` µV at 128 Hz, by name."""

    def chunk(tag: int, number: int, content: bytes) -> bytes:
        body = struct.pack("<HI", tag, number) + content
        return b"\x04" + struct.pack("<I", len(body)) + body

    info = b"<info><version>1.0</version></info>"
    file = b"XDF:" + b"\x04" + struct.pack("<IH", len(info) + 2, 1) + info
    channels = "".join(
        f"<channel><label>{name}</label><unit>uV</unit></channel>" for name in labels
    )
    for number, name in enumerate(streams, start=1):
        header = (
            f"<info><name>{name}</name><type>EEG</type><channel_count>{len(labels)}"
            "</channel_count><nominal_srate>128</nominal_srate><channel_format>float32"
            f"</channel_format><desc><simulated>{simulated}</simulated>"
            f"<channels>{channels}</channels></desc></info>"
        )
        file += chunk(2, number, header.encode())
    for number, values in enumerate(streams.values(), start=1):
        body = b"\x04" + struct.pack("<I", values.shape[1])
        for index, sample in enumerate(values.T.astype("<f4")):
            body += b"\x08" + struct.pack("<d", 100 + index / 128) + sample.tobytes()
        file += chunk(3, number, body) + chunk(6, number, b"<info></info>")
    path.write_bytes(file)
    return path
