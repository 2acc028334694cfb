"""Recordings in files: everything that MNE reads (EDF, BDF, BrainVision, FIF, ...), and XDF.

Names, rate, units and values are those of the file. What MNE converts to volts is converted back,
so that a replay sends the daemon what the amplifier would have sent.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.extras import load
from eeg_emotion.readers.xdf import XDF_SUFFIXES, read_xdf
from eeg_emotion.recordings.file_reading import blocks, in_order, reading, source_id
from eeg_emotion.recordings.recording import Recording, RecordingError
from eeg_emotion.recordings.simulation import SIMULATED_MANUFACTURER

# The factors by which MNE converts to volts, by the spelling in the header. Any other spelling in
# an EDF or BDF file (nV, uv, V) is not scaled, whatever unit MNE reports.
_EDF_TO_VOLTS = {"uV": 1e-6, "µV": 1e-6, "\u03bcV": 1e-6, "\x83\xcaV": 1e-6, "mV": 1e-3}
_TO_VOLTS = {"V": 1.0, "mV": 1e-3, "µV": 1e-6, "uV": 1e-6, "nV": 1e-9}
_FIFF_UNIT_V = 107
_BRAINVISION_BYTES = {"INT_16": 2, "INT_32": 4, "IEEE_FLOAT_32": 4}


def read_recording(path: str | os.PathLike[str], *, stream: str | None = None) -> Recording:
    """Open a file as a recording; its signal is read when it is used.

    Parameters
    ----------
    path
        The file; for BrainVision, its header (``.vhdr``).
    stream
        The name of the stream to read from an XDF file. Without it, the file must contain exactly
        one regular stream of type ``EEG``.

    Returns
    -------
    Recording
        Stretches of at most 10 s, `(channels, samples)` in the file's own units. The unit is
        empty if the file states none, or one that MNE does not know. Annotations and text
        streams become markers.

    Raises
    ------
    RecordingError
        If the file is missing, truncated, discontinuous in a way that its reader hides, of an
        unknown format, or without channel names.
    MissingExtraError
        If its reader is not installed.
    """
    path = Path(path)
    if not path.exists():
        raise RecordingError(f"found no file {path}, expected a recording; check its name")
    if path.name.lower().endswith(XDF_SUFFIXES):
        return read_xdf(path, stream)
    if stream is not None:
        raise RecordingError(
            f"{path.name}: found the stream name {stream!r}, expected none: only an XDF file "
            "contains several streams; leave it out"
        )
    return _read_with_mne(path)


def _read_with_mne(path: Path) -> Recording:
    mne = load("mne", f"the reader of {path.name}")
    manufacturer = None
    suffix = path.suffix.lower()
    with reading(path, "MNE"):
        edf = _read_edf_header(path) if suffix in (".edf", ".bdf") else None
        if suffix in (".vhdr", ".ahdr"):
            _check_brainvision(path)
        raw = mne.io.read_raw(path, preload=False, verbose="ERROR")
        channels = tuple(str(name) for name in raw.ch_names)
        if edf is not None:
            units, manufacturer = edf
            factors = [_EDF_TO_VOLTS.get(unit, 1.0) for unit in units]
        elif suffix in (".vhdr", ".ahdr"):
            # MNE stores the factor of every channel in its range, whether volts or not.
            units = tuple(_known(raw._orig_units[name]) for name in channels)
            factors = [float(channel["range"]) for channel in raw.info["chs"]]
        else:
            units, factors = _units_by_mne(raw)
        if len(units) != len(channels):
            raise RecordingError(
                f"{path.name}: found {len(channels)} channels according to MNE and {len(units)} "
                "according to its header, expected the same number; convert it to plain EDF"
            )
        manufacturer = manufacturer or (raw.info["device_info"] or {}).get("type")
        sfreq = float(raw.info["sfreq"])
        segments, markers = _segments_and_markers(raw, sfreq)
    gains = 1.0 / np.asarray(factors)[:, np.newaxis]

    def read(start: int, stop: int) -> NDArray[np.floating]:
        with reading(path, "MNE"):
            samples: NDArray[np.float64] = raw.get_data(start=start, stop=stop, verbose="ERROR")
        return samples * gains

    return Recording(
        name=path.name,
        source_id=source_id(path),
        channels=channels,
        units=units,
        sfreq=sfreq,
        manufacturer=manufacturer or "unknown",
        simulated=manufacturer == SIMULATED_MANUFACTURER,
        stretches=lambda: blocks(segments, markers, sfreq, read),
    )


def _known(unit: str) -> str:
    return "" if unit == "n/a" else unit


def _units_by_mne(raw: Any) -> tuple[tuple[str, ...], list[float]]:
    """Return each channel's unit, and the factor by which MNE multiplied it.

    A voltage is converted back to its original unit. Other quantities stay as MNE returns them, and
    their unit is left empty: which of them MNE has scaled differs between its readers.
    """
    units, factors = [], []
    for channel, kind in zip(raw.info["chs"], raw.get_channel_types(), strict=True):
        original = raw._orig_units.get(channel["ch_name"], "V")
        # MNE reports volts for trigger channels too.
        volts = channel["unit"] == _FIFF_UNIT_V and kind != "stim" and original in _TO_VOLTS
        units.append(original if volts else "")
        factors.append(_TO_VOLTS[original] if volts else 1.0)
    return tuple(units), factors


def _segments_and_markers(
    raw: Any, sfreq: float
) -> tuple[list[tuple[int, int]], list[tuple[int, str]]]:
    """Return the contiguous segments `[start, stop)` and the annotations, both in samples."""
    count = int(raw.n_times)
    holes, markers = [], []
    for annotation in raw.annotations:
        text = str(annotation["description"])
        # In MNE, an onset is relative to the measurement's start, which may precede the first
        # sample.
        start = round((float(annotation["onset"]) - raw.first_time) * sfreq)
        start = min(max(start, 0), count - 1)
        markers.append((start, text))
        if text.upper().startswith("BAD_ACQ_SKIP"):
            holes.append((start, start + round(float(annotation["duration"]) * sfreq)))
        # BrainVision's later segments, EEGLAB's cuts and MNE's own joins: a gap of zero length.
        elif text.startswith("New Segment/") or "boundary" in text.lower():
            holes.append((start, start))
    segments, position = [], 0
    for start, stop in sorted(holes):
        if start > position:
            segments.append((position, start))
        position = max(position, stop)
    if position < count:
        segments.append((position, count))
    return segments, in_order(markers)


def _read_edf_header(path: Path) -> tuple[tuple[str, ...], str | None]:
    """Return the channels' units and the equipment, which MNE does not return as written.

    MNE reads a truncated file, and one with gaps between its records (EDF+D), as if it were
    complete. Both are refused here.
    """
    width = 3 if path.suffix.lower() == ".bdf" else 2
    with path.open("rb") as file:
        fixed = file.read(256).decode("latin-1")
        count = int(fixed[252:256])
        fields = file.read(256 * count).decode("latin-1")
    if fixed[192:197] in ("EDF+D", "BDF+D"):
        raise RecordingError(
            f"{path.name}: found a discontinuous file ({fixed[192:197]}), expected a continuous "
            "one, because MNE hides its gaps; split it into continuous files"
        )
    # The header stores field after field, each for all channels: 16 bytes of label, 80 of
    # transducer, 8 of unit, 8 each of four limits, 80 of filters, 8 of samples per record.
    labels = [fields[16 * k : 16 * k + 16].strip() for k in range(count)]
    units = [fields[8 * k : 8 * k + 8].strip() for k in range(12 * count, 13 * count)]
    per_record = sum(int(fields[8 * k : 8 * k + 8]) for k in range(27 * count, 28 * count))
    records = int(fixed[236:244])
    found = path.stat().st_size
    expected = int(fixed[184:192]) + records * per_record * width
    if found < expected:
        raise RecordingError(
            f"{path.name}: found {found} bytes, expected {expected} for the {records} records "
            "of its header: it is truncated; copy it again"
        )
    kept = [
        unit
        for label, unit in zip(labels, units, strict=True)
        if label not in ("EDF Annotations", "BDF Annotations")
    ]
    # EDF+ has "Startdate DD-MMM-YYYY code technician equipment" here, X for unknown ones.
    words = fixed[88:168].split()
    equipment = words[4] if len(words) > 4 and words[0] == "Startdate" else "X"
    return tuple(kept), None if equipment == "X" else equipment.replace("_", " ")


def _check_brainvision(path: Path) -> None:
    """Raise `RecordingError` if the data end within a sample: MNE silently drops the rest."""
    header = path.read_text(encoding="latin-1")

    def value(key: str) -> str:
        match = re.search(rf"^{key}=(.*)$", header, re.MULTILINE)
        return match[1].strip() if match else ""

    width = _BRAINVISION_BYTES.get(value("BinaryFormat"), 1)
    channels = int(value("NumberOfChannels"))
    data = path.parent / value("DataFile").replace("$b", path.stem)
    if value("DataFormat") == "BINARY" and data.exists():
        left = data.stat().st_size % (width * channels)
        if left:
            raise RecordingError(
                f"{path.name}: found {left} bytes after the last complete sample of {data.name}, "
                f"expected none: with {channels} channels of {width} bytes it is truncated; "
                "copy it again"
            )
