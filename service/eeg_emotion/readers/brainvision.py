"""What MNE does not check of a BrainVision recording: its files, its length and its digits."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.readers.wrapping import FEWEST_STEPS, wrapped_steps
from eeg_emotion.recordings.damage import check_transfer
from eeg_emotion.recordings.recording import RecordingError

BRAINVISION_SUFFIXES = (".vhdr", ".ahdr")
_BYTES = {"INT_16": 2, "INT_32": 4, "IEEE_FLOAT_32": 4}
_BLOCK_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Header:
    """What is needed of a header.

    Attributes
    ----------
    data
        The file of samples.
    channels
        Channels of a sample; a V-Amp's (``.ahdr``) has one more than its header lists.
    width
        Bytes of a value; None where the values are text.
    wraps
        Whether values are 16-bit integers, sample by sample.
    """

    data: Path
    channels: int
    width: int | None
    wraps: bool


def check_brainvision(path: Path) -> list[str]:
    """Check the files that a header names; return notes for people.

    Raises
    ------
    RecordingError
        If a file lies elsewhere or is damaged, or if most channels have wrapped.
    """
    header = _read_header(path)
    notes: list[str] = []
    if not header.data.is_file():
        raise RecordingError(
            f"{path.name}: found no file {header.data.name} beside it, expected the samples there "
            "as its header says (DataFile); copy it again together with the header, or correct "
            "the name in the header"
        )
    check_transfer(header.data)
    if header.width is None:
        return notes
    rest = header.data.stat().st_size % (header.width * header.channels)
    if rest:
        notes.append(
            f"{header.data.name} ends within a sample ({rest} bytes after the last whole one of "
            f"{header.channels} channels of {header.width} bytes), as if the recorder had crashed "
            "or a copy had been cut: what is whole is read; if its source is longer, copy it again"
        )
    if header.wraps:
        _check_wrapping(path, header)
    return notes


def _read_header(path: Path) -> Header:
    text = path.read_text(encoding="latin-1")

    def value(key: str) -> str:
        match = re.search(rf"^{key}=(.*)$", text, re.MULTILINE)
        return match[1].strip() if match else ""

    _check_labels(path, text)
    try:
        listed = int(value("NumberOfChannels"))
    except ValueError:
        listed = 0
    if listed < 1:
        raise RecordingError(
            f"{path.name}: found {value('NumberOfChannels')!r} as its number of channels, expected "
            "a number: it is no BrainVision header, or damaged; copy it again"
        )
    named = value("DataFile").replace("$b", path.stem)
    if named != Path(named).name or "\\" in named:
        raise RecordingError(
            f"{path.name}: found the data file {named!r}, expected a name in the header's own "
            "folder; put both there and correct DataFile in the header"
        )
    binary = value("DataFormat").upper() == "BINARY"
    data_type = value("BinaryFormat").upper()
    return Header(
        data=path.parent / named,
        channels=listed + (path.suffix.lower() == ".ahdr"),
        width=_BYTES.get(data_type) if binary else None,
        wraps=binary
        and data_type == "INT_16"
        and value("DataOrientation").upper() == "MULTIPLEXED",
    )


def _check_labels(path: Path, text: str) -> None:
    labels = Counter(re.findall(r"^Ch\d+=([^,\r\n]*)", text, re.MULTILINE))
    doubled = [label for label, count in labels.items() if count > 1]
    if doubled:
        raise RecordingError(
            f"{path.name}: found more than one channel labelled {', '.join(doubled)}, expected "
            "each once; give them distinct labels in the header, which is a text file"
        )


def _check_wrapping(path: Path, header: Header) -> None:
    steps = wrapped_steps(_digits(header), 16)[: header.channels]
    bad = int((steps >= FEWEST_STEPS).sum())
    if bad:
        raise RecordingError(
            f"{path.name}: found steps of nearly 65536 digits from one sample to the next in {bad} "
            f"of {header.channels} channels, expected none: values beyond 16 bits have wrapped; "
            "export it again as 32-bit numbers (IEEE_FLOAT_32), or without those channels"
        )


def _digits(header: Header) -> Iterator[NDArray[np.int16]]:
    row = 2 * header.channels
    size = max(1, _BLOCK_BYTES // row) * row
    with header.data.open("rb") as file:
        while content := file.read(size):
            whole = len(content) // row * row
            if whole:
                yield np.frombuffer(content[:whole], "<i2").reshape(-1, header.channels).T
