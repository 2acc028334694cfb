"""Recordings in XDF files, as written by LSL's LabRecorder: one of several streams."""

from __future__ import annotations

import gzip
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.extras import load
from eeg_emotion.recordings.file_reading import blocks, in_order, reading, source_id
from eeg_emotion.recordings.recording import Recording, RecordingError

XDF_SUFFIXES = (".xdf", ".xdfz", ".xdf.gz")


def read_xdf(path: Path, wanted: str | None) -> Recording:
    """Open one stream of an XDF file: the one named `wanted`, or the one of type ``EEG``.

    The file's text streams become markers. See `mne_files.read_recording` for the rest.
    """
    pyxdf = load("pyxdf", f"the reader of {path.name}")
    with reading(path, "pyxdf"):
        with _open_xdf(path) as file:
            listed = pyxdf.resolve_streams(file)
        chosen = _choose(path, listed, wanted)
        texts = [each["stream_id"] for each in listed if each["channel_format"] == "string"]
        # Not dejittered: pyxdf detects only breaks of more than 1 s and 500 samples, and its fit
        # would smear every shorter one over the whole segment.
        with _open_xdf(path) as file:
            loaded, _ = pyxdf.load_xdf(
                file, select_streams=[chosen, *texts], dejitter_timestamps=False
            )
        streams = {each["info"]["stream_id"]: each for each in loaded}
        eeg = streams.pop(chosen)
        info = eeg["info"]
        if "footer" not in eeg:
            raise RecordingError(
                f"{path.name}: found no footer for the stream {info['name'][0]!r}, expected one "
                "at the end of the file: it is truncated; copy it again"
            )
        stamps = np.asarray(eeg["time_stamps"], dtype=np.float64)
        if not len(stamps):
            raise RecordingError(
                f"{path.name}: found no samples in the stream {info['name'][0]!r}, expected some; "
                "choose another stream or file"
            )
        values = np.asarray(eeg["time_series"]).T
        samples = values if values.dtype == np.float32 else values.astype(np.float64)
        channels, units = _described_channels(path, info)
        sfreq = float(info["nominal_srate"][0])
        markers = in_order(
            (int(np.abs(stamps - stamp).argmin()), " ".join(row))
            for each in streams.values()
            for stamp, row in zip(each["time_stamps"], each["time_series"], strict=True)
        )
        desc = _child(info, "desc")
        manufacturer = _text(desc, "manufacturer") or _text(
            _child(desc, "acquisition"), "manufacturer"
        )
        simulated = _text(desc, "simulated").lower() == "true"  # as our own replayer states it
    segments = contiguous(stamps, sfreq)
    return Recording(
        name=path.name,
        source_id=source_id(path),
        channels=channels,
        units=units,
        sfreq=sfreq,
        manufacturer=manufacturer or "unknown",
        simulated=simulated,
        stretches=lambda: blocks(
            segments, markers, sfreq, lambda start, stop: samples[:, start:stop]
        ),
    )


def _open_xdf(path: Path) -> io.BufferedIOBase:
    # pyxdf also accepts a name, but leaves the file open if it is not an XDF file.
    return gzip.open(path) if path.suffix.lower() in (".xdfz", ".gz") else path.open("rb")


def _choose(path: Path, listed: Sequence[Mapping[str, Any]], wanted: str | None) -> int:
    """Return the id of the stream to read."""
    regular = [
        each
        for each in listed
        if each["nominal_srate"] > 0
        and each["channel_format"] != "string"
        and (str(each["type"]).upper() == "EEG" if wanted is None else each["name"] == wanted)
    ]
    if len(regular) == 1:
        return int(regular[0]["stream_id"])
    found = ", ".join(
        f"{each['name']!r} (type {each['type']}, {each['channel_count']} channels, "
        f"{each['nominal_srate']:g} Hz)"
        for each in listed
    )
    asked = "type EEG" if wanted is None else f"the name {wanted!r}"
    raise RecordingError(
        f"{path.name}: found {len(regular)} regular numeric streams with {asked}, expected one; "
        f"name the stream to read (stream=...); the file contains: {found or 'no stream'}"
    )


def _child(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    # pyxdf represents every element as a list of its occurrences, and an empty one as None.
    found = (parent.get(name) or [None])[0]
    return found if isinstance(found, Mapping) else {}


def _text(parent: Mapping[str, Any], name: str) -> str:
    found = (parent.get(name) or [None])[0]
    return found.strip() if isinstance(found, str) else ""


def _described_channels(
    path: Path, info: Mapping[str, Any]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the labels and units; NeuroElectrics puts channels under ``desc``, with names."""
    desc = _child(info, "desc")
    described = _child(desc, "channels").get("channel") or desc.get("channel") or []
    described = [each if isinstance(each, Mapping) else {} for each in described]
    labels = tuple(_text(each, "label") or _text(each, "name") for each in described)
    count = int(info["channel_count"][0])
    if len(labels) != count or not all(labels):
        raise RecordingError(
            f"{path.name}: found {sum(map(bool, labels))} channel labels in the stream "
            f"{info['name'][0]!r}, expected {count}, one per channel; record it again with labels "
            "in the stream's description"
        )
    return labels, tuple(_text(each, "unit") for each in described)


def contiguous(stamps: NDArray[np.float64], sfreq: float) -> list[tuple[int, int]]:
    """Split a regular stream where samples are missing.

    A gap is a jump of more than 1.5 sample periods that persists: in the second after it, every
    stamp is later, relative to the sample count, than every stamp of the second before it. Stamps
    that merely jitter from chunk to chunk may jump as far, but return.

    Parameters
    ----------
    stamps
        `(samples,)`, seconds, as recorded.
    sfreq
        Nominal samples per second.

    Returns
    -------
    list
        Pairs `[start, stop)` of sample indices, in order.
    """
    late = (stamps - stamps[0]) * sfreq - np.arange(len(stamps))
    reach = max(1, round(sfreq))
    starts = [0]
    for index in np.flatnonzero(np.abs(np.diff(late)) > 0.5) + 1:
        before, after = late[max(0, index - reach) : index], late[index : index + reach]
        # The second case is a clock that was set back.
        if after.min() - before.max() > 0.5 or before.min() - after.max() > 0.5:
            starts.append(int(index))
    return list(zip(starts, [*starts[1:], len(stamps)], strict=True))
