"""Recordings in files: EDF, BDF and XDF by readers of our own, and everything else that MNE reads.

Names, rate, units and values are those of the file. What MNE converts to volts is converted back,
so that a replay sends the daemon what the amplifier would have sent.
"""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.eeg import montage
from eeg_emotion.extras import load, load_package
from eeg_emotion.readers.brainvision import BRAINVISION_SUFFIXES, check_brainvision
from eeg_emotion.readers.edf import EDF_SUFFIXES, read_edf
from eeg_emotion.readers.formats import check_kind, cnt_reader, cut_rule, kind_of
from eeg_emotion.readers.xdf import XDF_SUFFIXES, read_xdf
from eeg_emotion.recordings.damage import check_transfer
from eeg_emotion.recordings.file_reading import blocks, in_order, reading, source_id
from eeg_emotion.recordings.recording import Recording, RecordingError
from eeg_emotion.recordings.simulation import SIMULATED_MANUFACTURER

_TO_VOLTS = {"V": 1.0, "mV": 1e-3, "µV": 1e-6, "uV": 1e-6, "nV": 1e-9}
_FIFF_UNIT_V = 107
_EPOCHED = re.compile(r"number of trials is (\d+)")
_NEEDS_PACKAGE = re.compile(r"the (?:module )?([\w.-]+)\S* (?:module )?is needed")


def read_recording(path: str | os.PathLike[str], *, stream: str | None = None) -> Recording:
    """Open a file as a recording; its signal is read when it is used.

    Parameters
    ----------
    path
        The file; for BrainVision, its header (``.vhdr``).
    stream
        The stream to read from an XDF file: its name, source id, uid or number. Without it, the
        file must contain exactly one with samples that is of type ``EEG``, or only one at all.

    Returns
    -------
    Recording
        Stretches of at most 10 s, `(channels, samples)` in the file's own units. The unit is
        empty if the file states none, or one that MNE does not know. Annotations and text
        streams become markers. What was odd and read nevertheless is in its notes.

    Raises
    ------
    RecordingError
        If the file is missing, damaged, not what its name says, or without signals. The message
        has the cause.
    MissingExtraError
        If its reader is not installed.
    """
    path = Path(path)
    if not path.exists():
        raise RecordingError(f"found no file {path}, expected a recording; check its name")
    if not path.is_file() and not path.is_dir():
        raise RecordingError(f"found no regular file {path}, expected a recording; name a file")
    name = path.name.lower()
    is_xdf = name.endswith(XDF_SUFFIXES)
    if stream is not None and not is_xdf:
        raise RecordingError(
            f"{path.name}: found the stream name {stream!r}, expected none: only an XDF file "
            "contains several streams; leave it out"
        )
    with reading(path, "the file system"):
        check_transfer(path, compressed=name.endswith((*XDF_SUFFIXES, ".fif.gz")))
    if is_xdf:
        return read_xdf(path, stream)
    if name.endswith(EDF_SUFFIXES):
        check_kind(path, path.suffix[1:].upper())
        return read_edf(path)
    return _read_with_mne(path)


def _read_with_mne(path: Path) -> Recording:
    mne = load("mne", f"the reader of {path.name}")
    suffix = path.suffix.lower()
    notes: list[str] = []
    with reading(path, "MNE"):
        if suffix in BRAINVISION_SUFFIXES:
            notes += check_brainvision(path)
        raw = _opened(mne, path)
        # A V-Amp's last channel is in no header.
        names = [str(name) for name in raw.ch_names if name]
        if suffix in BRAINVISION_SUFFIXES:
            # MNE stores the factor of every channel in its range, whether volts or not.
            units = tuple(_known(raw._orig_units.get(name, "n/a")) for name in names)
            factors = [float(channel["range"]) for channel in raw.info["chs"][: len(names)]]
        else:
            units, factors = _units_by_mne(raw)
        _check_length(path, raw)
        manufacturer = (raw.info["device_info"] or {}).get("type")
        sfreq = float(raw.info["sfreq"])
        segments, markers = _segments_and_markers(raw, sfreq, suffix)
    gains = 1.0 / np.asarray(factors)[:, np.newaxis]

    def read(start: int, stop: int) -> NDArray[np.floating]:
        with reading(path, "MNE"):
            samples: NDArray[np.float64] = raw.get_data(start=start, stop=stop, verbose="ERROR")
        return samples[: len(names)] * gains

    return Recording(
        name=path.name,
        source_id=source_id(path),
        channels=tuple(_as_written(names)),
        units=units,
        sfreq=sfreq,
        manufacturer=manufacturer or "unknown",
        simulated=manufacturer == SIMULATED_MANUFACTURER,
        stretches=lambda: blocks(segments, markers, sfreq, read),
        notes=tuple(notes),
    )


def _opened(mne: Any, path: Path) -> Any:
    """Open a file with MNE, and name the causes that are not the file's damage."""
    suffix = path.suffix.lower()
    open_with = mne.io.read_raw
    if suffix == ".cnt":
        open_with = getattr(mne.io, cnt_reader(path))
    elif suffix == ".set":
        if kind_of(path) in ("MATLAB 7.3", "HDF5"):
            load_package(
                "pymatreader",
                f"the reader of {path.name}, in MATLAB's format 7.3,",
                "or save it in EEGLAB with the option for MATLAB 7 (pop_saveset(..., 'version', "
                "'7'))",
            )
        check_transfer(path.with_suffix(".fdt"))
    try:
        return open_with(path, preload=False, verbose="ERROR")
    except (ImportError, RuntimeError) as error:
        needed = _NEEDS_PACKAGE.search(str(error))
        package = needed[1] if needed else getattr(error, "name", None)
        if package is None:
            raise
        load_package(package, f"the reader of {path.name}")
        raise
    except TypeError as error:
        if (epochs := _EPOCHED.search(str(error))) is None:
            raise
        raise RecordingError(
            f"{path.name}: found {epochs[1]} epochs, expected a continuous recording: cut into "
            "epochs, most windows would span a cut; in EEGLAB, save the dataset as it was before "
            "'Extract epochs', and name that file"
        ) from error


def _check_length(path: Path, raw: Any) -> None:
    """Raise `RecordingError` if EEGLAB's separate samples are not as many as its header says."""
    data = path.with_suffix(".fdt")
    if path.suffix.lower() != ".set" or str(raw.filenames[0]) != str(data.absolute()):
        return
    found, expected = data.stat().st_size, 4 * len(raw.ch_names) * int(raw.n_times)
    if found != expected:
        raise RecordingError(
            f"{path.name}: found {found} bytes in {data.name}, expected {expected} as {path.name} "
            "says: the two do not belong together, or one is cut; copy both again from one source"
        )


def _as_written(names: Sequence[str]) -> list[str]:
    """Return the labels as the file has them: MNE numbers those that occur twice, ``F7-0``."""
    numbered = [re.fullmatch(r"(.+)-(\d)", name) for name in names]
    twice = Counter(found[1] for found in numbered if found is not None)
    return [
        found[1]
        if found is not None
        and twice[found[1]] > 1
        and found[1] not in names
        and montage.region_of(montage.normalise_label(found[1])) is not None
        else name
        for name, found in zip(names, numbered, strict=True)
    ]


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
    raw: Any, sfreq: float, suffix: str
) -> tuple[list[tuple[int, int]], list[tuple[int, str]]]:
    """Return the contiguous segments `[start, stop)` and the annotations, both in samples."""
    count = int(raw.n_times)
    is_cut = cut_rule(suffix)
    holes, markers = [], []
    for annotation in raw.annotations:
        text = str(annotation["description"])
        # In MNE, an onset is relative to the measurement's start, which may precede the first
        # sample.
        exact = (float(annotation["onset"]) - raw.first_time) * sfreq
        start = min(max(round(exact), 0), count - 1)
        markers.append((start, text))
        if text.upper().startswith("BAD_ACQ_SKIP"):
            lasts = float(annotation["duration"])
            holes.append((start, start + round(lasts * sfreq if math.isfinite(lasts) else 0.0)))
        elif is_cut(text):
            # EEGLAB's cuts lie between two samples: the next one is the first of the new segment.
            first = min(max(math.ceil(exact - 1e-3), 0), count)
            holes.append((first, first))
    segments, position = [], 0
    for start, stop in sorted(holes):
        if start > position:
            segments.append((position, start))
        position = max(position, stop)
    if position < count:
        segments.append((position, count))
    return segments, in_order(markers)
