"""The guide to recording: a file of EEG and predictions, as LabRecorder writes it, is read back."""

from __future__ import annotations

import csv
import math
import re
import runpy
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pylsl
import pytest
from numpy.typing import NDArray
from tests.support.command import command
from tests.support.messages import status

from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.inference.model import demo_model_path, load_model
from eeg_emotion.lsl.outlets import CHANNELS, stream_info
from eeg_emotion.publish.model_card import model_card
from eeg_emotion.recordings.simulation import SimulatedPerson

pytest.importorskip("pyxdf", reason="pyxdf is not installed (the extra 'recordings')")

_PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "record.md"
SFREQ = 128.0
SECONDS = 12
BEGUN = 5000.0


@dataclass(frozen=True)
class Stream:
    """A recorded stream: its description, `(samples,)` stamps and `(samples, channels)` values."""

    info: pylsl.StreamInfo
    stamps: NDArray[np.float64]
    values: NDArray[np.floating]


def _chunk(tag: int, content: bytes) -> bytes:
    return b"\x04" + struct.pack("<IH", len(content) + 2, tag) + content


def _write(path: Path, streams: Sequence[Stream]) -> None:
    """Write an XDF file; a header is a stream's own description, as LabRecorder takes it."""
    content = b"XDF:" + _chunk(1, b"<?xml version='1.0'?><info><version>1.0</version></info>")
    for number, stream in enumerate(streams, start=1):
        content += _chunk(2, struct.pack("<I", number) + stream.info.as_xml().encode())
    for number, stream in enumerate(streams, start=1):
        body = struct.pack("<IBI", number, 4, len(stream.stamps))
        for stamp, row in zip(stream.stamps, stream.values, strict=True):
            body += b"\x08" + struct.pack("<d", stamp) + row.tobytes()
        content += _chunk(3, body)
    for number in range(1, len(streams) + 1):
        content += _chunk(6, struct.pack("<I", number) + b"<info></info>")
    path.write_bytes(content)


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lsl_session: str) -> Path:
    """A file of 12 s of simulated EEG and two predictions, in the current folder."""
    info = pylsl.StreamInfo("Cap", "EEG", len(DEAP32), SFREQ, "float32", "cap-1")
    channels = info.desc().append_child("channels")
    for label in DEAP32:
        channel = channels.append_child("channel")
        channel.append_child_value("label", label).append_child_value("unit", "microvolts")
    eeg = SimulatedPerson(5, 1).run(0, SFREQ).next(int(SECONDS * SFREQ), 0.5, -0.5)
    model = load_model(demo_model_path())
    card = model_card(model.contract, sha256=model.sha256, hop_seconds=1.0)
    predictions = stream_info(status("cap-1").headset, card, filter_seconds=0.02)
    path = tmp_path / "recording.xdf"
    _write(
        path,
        [
            Stream(
                predictions,
                BEGUN + np.array([7.0, 8.0]),
                np.array([[math.nan, math.nan, 0, 0, 0, 0.9, 1], [0.7, 0.2, 0, 0, 1, 0.9, 0]]),
            ),
            Stream(
                info, BEGUN + np.arange(eeg.shape[1]) / SFREQ, eeg.T.astype(np.float32, order="C")
            ),
        ],
    )
    monkeypatch.chdir(tmp_path)
    return path


def test_the_pages_reader_prints_the_recorded_predictions(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = re.search(
        r"^ *```python\n(?P<code> *# file: read_predictions.py\n.*?)^ *```$",
        _PAGE.read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    )
    assert found is not None
    indent = len(found["code"]) - len(found["code"].lstrip())
    script = recording.with_name("read_predictions.py")
    script.write_text("\n".join(line[indent:] for line in found["code"].splitlines()))
    runpy.run_path(str(script))
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("5007.000 {'arousal': nan, 'valence': nan, ")
    assert second.startswith("5008.000 {'arousal': 0.7, 'valence': 0.2, ")
    for line in (first, second):
        assert re.findall(r"'(\w+)':", line) == [label for label, _ in CHANNELS]


def test_the_eeg_is_found_beside_the_predictions(recording: Path) -> None:
    done = command("predict", recording.name, "--out", "predictions.csv")
    assert done.returncode == 0, done.stderr
    with (recording.parent / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["valid"] for row in rows} == {"true", "false"}
    assert len(rows) == SECONDS - 5 + 1  # windows of 5 s, one a second
