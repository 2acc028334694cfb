"""Recordings in XDF files, as written by LSL's LabRecorder: one of several streams."""

from __future__ import annotations

import gzip
import io
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from eeg_emotion.extras import load
from eeg_emotion.readers.xdf_chunks import whole_chunks
from eeg_emotion.readers.xdf_streams import ambiguous, find_streams
from eeg_emotion.recordings.file_reading import blocks, in_order, reading, source_id
from eeg_emotion.recordings.recording import Recording, RecordingError

XDF_SUFFIXES = (".xdf", ".xdfz", ".xdf.gz")

_RATE_TOLERANCE = 0.02  # as live: devices keep their rate to a few parts in a thousand
_RATE_SECONDS = 10.0  # shorter recordings state their rate too roughly to refuse them
_PIECE_SECONDS = (
    0.5  # a stream that is broken into shorter pieces has another rate, or is mostly lost
)


def read_xdf(path: Path, wanted: str | None) -> Recording:
    """Open one stream of an XDF file: the one that is `wanted`, or else the one with the EEG.

    The file's text streams become markers. See `mne_files.read_recording` for the rest.

    Raises
    ------
    RecordingError
        Also if the measured stamps contradict the stated rate.
    """
    notes: list[str] = []
    pyxdf = load("pyxdf", f"the reader of {path.name}")
    with reading(path, "pyxdf"):
        eeg, texts = _loaded(path, pyxdf, wanted, notes)
        info = eeg["info"]
        stamps = np.asarray(eeg["time_stamps"], dtype=np.float64)
        values = np.asarray(eeg["time_series"]).T
        samples = values if values.dtype == np.float32 else values.astype(np.float64)
        channels, units = _described_channels(path, info, notes)
        sfreq = float(info["nominal_srate"][0])
        markers = in_order(
            (int(np.abs(stamps - stamp).argmin()), " ".join(row))
            for each in texts
            for stamp, row in zip(each["time_stamps"], each["time_series"], strict=True)
        )
        desc = _child(info, "desc")
        manufacturer = _text(desc, "manufacturer") or _text(
            _child(desc, "acquisition"), "manufacturer"
        )
        simulated = _text(desc, "simulated").lower() == "true"  # as our own replayer states it
        segments = contiguous(stamps, sfreq)
        _check_rate(path, stamps, segments, sfreq)
    return Recording(
        name=path.name,
        source_id=source_id(path),
        channels=channels,
        units=units,
        sfreq=sfreq,
        manufacturer=manufacturer or "unknown",
        simulated=simulated,
        stretches=lambda: blocks(
            segments, markers, sfreq, lambda start, stop: samples[:, start:stop], stamps
        ),
        notes=tuple(notes),
    )


def _loaded(
    path: Path, pyxdf: Any, wanted: str | None, notes: list[str]
) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    """Return the stream that is meant and the streams of text, as pyxdf loads them."""
    # It warns of every file whose stamps are not dejittered, on standard error.
    logging.getLogger("pyxdf.pyxdf").setLevel(logging.ERROR)
    with _open_xdf(path) as file:
        end, is_whole = whole_chunks(path, file)
    if not is_whole:
        notes.append(
            "it ends within a chunk, as if the recorder had crashed or a copy had been cut: "
            "what is whole is read; if its source is longer, copy it again"
        )
    with _whole_part(path, end, is_whole) as file:
        listed = pyxdf.resolve_streams(file)
    texts = [each["stream_id"] for each in listed if each["channel_format"] == "string"]
    candidates = find_streams(path, listed, wanted)
    # Not dejittered: pyxdf detects only breaks of more than 1 s and 500 samples, and its fit
    # would smear every shorter one over the whole segment.
    with _whole_part(path, end, is_whole) as file:
        loaded, _ = pyxdf.load_xdf(
            file, select_streams=[*candidates, *texts], dejitter_timestamps=False
        )
    streams = {each["info"]["stream_id"]: each for each in loaded}
    chosen = _with_samples(path, listed, candidates, streams, wanted, is_whole)
    eeg = streams[chosen]
    info = eeg["info"]
    name = info["name"][0]
    if wanted is None and str(info["type"][0]).strip().upper() != "EEG":
        notes.append(f"no stream has type EEG: {name!r} of type {info['type'][0]!r} is read")
    if "footer" not in eeg and is_whole:
        notes.append(
            f"the stream {name!r} has no footer, as if the recorder had been ended early: "
            "what was written is read"
        )
    return eeg, [streams[number] for number in texts]


def _open_xdf(path: Path) -> io.BufferedIOBase:
    # pyxdf also accepts a name, but leaves the file open if it is not an XDF file.
    return gzip.open(path) if path.suffix.lower() in (".xdfz", ".gz") else path.open("rb")


def _whole_part(path: Path, end: int, is_whole: bool) -> io.BufferedIOBase:
    """Open the file's whole chunks: of a cut one pyxdf would fill up the last sample."""
    if is_whole:
        return _open_xdf(path)
    with _open_xdf(path) as file:
        return io.BytesIO(file.read(end))


def _with_samples(
    path: Path,
    listed: Sequence[Mapping[str, Any]],
    candidates: Sequence[int],
    streams: Mapping[int, Mapping[str, Any]],
    wanted: str | None,
    is_whole: bool,
) -> int:
    """Return the one candidate that has samples."""
    filled = [number for number in candidates if len(streams[number]["time_stamps"])]
    if len(filled) == 1:
        return filled[0]
    if filled:
        raise ambiguous(path, listed, filled, wanted)
    name = streams[candidates[0]]["info"]["name"][0]
    cut = "" if is_whole else ", or copy it again: it ends within a chunk"
    raise RecordingError(
        f"{path.name}: found no whole samples in the stream {name!r}, expected some; choose "
        f"another stream or file{cut}"
    )


def _child(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    # pyxdf represents every element as a list of its occurrences, and an empty one as None.
    found = (parent.get(name) or [None])[0]
    return found if isinstance(found, Mapping) else {}


def _text(parent: Mapping[str, Any], name: str) -> str:
    found = (parent.get(name) or [None])[0]
    return found.strip() if isinstance(found, str) else ""


def _described_channels(
    path: Path, info: Mapping[str, Any], notes: list[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the labels and units; NeuroElectrics puts channels under ``desc``, with names.

    A channel that is not described has an empty label, and is not used. Without any labels the
    file is admitted as a live stream is: with the numbers of a cap.
    """
    desc = _child(info, "desc")
    described = _child(desc, "channels").get("channel") or desc.get("channel") or []
    described = [each if isinstance(each, Mapping) else {} for each in described]
    labels = [_text(each, "label") or _text(each, "name") for each in described]
    units = [_text(each, "unit") for each in described]
    count = int(info["channel_count"][0])
    if len(labels) > count:
        raise RecordingError(
            f"{path.name}: found {len(labels)} channel labels in the stream {info['name'][0]!r}, "
            f"expected at most its {count} channels, since it is not known which are whose; record "
            "it again with one label per channel"
        )
    named = sum(map(bool, labels))
    if 0 < named < count:
        notes.append(
            f"{named} of {count} channels have a label, in the order of the channels; the others "
            "are not used"
        )
    missing = count - len(labels)
    return (*labels, *[""] * missing), (*units, *[""] * missing)


def _check_rate(
    path: Path, stamps: NDArray[np.float64], segments: Sequence[tuple[int, int]], sfreq: float
) -> None:
    """Raise `RecordingError` if samples were measured at another rate than the stream states."""
    steps = sum(
        stop - start - 1 for start, stop in segments if stop - start > _PIECE_SECONDS * sfreq
    )
    seconds = sum(
        float(stamps[stop - 1] - stamps[start])
        for start, stop in segments
        if stop - start > _PIECE_SECONDS * sfreq
    )
    whole = float(stamps[-1] - stamps[0])
    if not 2 * steps >= len(stamps) - 1:
        # Most of it is in pieces: every step is too long, or too many samples are lost.
        steps, seconds = len(stamps) - 1, whole
    if whole < _RATE_SECONDS or not abs(steps / seconds / sfreq - 1.0) > _RATE_TOLERANCE:
        return
    raise RecordingError(
        f"{path.name}: found {steps / seconds:.1f} samples a second over {whole:.0f} s of its own "
        f"stamps, expected the {sfreq:g} Hz that the stream states; record again with the device's "
        "true rate set in the program that makes the outlet, or with a connection that loses less"
    )


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
    finite = np.isfinite(stamps)
    first = float(stamps[finite][0]) if finite.any() else 0.0
    late = np.where(finite, stamps - first, 0.0) * sfreq - np.arange(len(stamps))
    reach = max(1, round(sfreq))
    # Of the second that begins at each sample: the least and the largest.
    ahead, behind = -(reach // 2), (reach - 1) // 2
    after_least = minimum_filter1d(late, reach, mode="nearest", origin=ahead)
    after_most = maximum_filter1d(late, reach, mode="nearest", origin=ahead)
    # Of the second that ends before it.
    before_least = np.roll(minimum_filter1d(late, reach, mode="nearest", origin=behind), 1)
    before_most = np.roll(maximum_filter1d(late, reach, mode="nearest", origin=behind), 1)
    # The second case is a clock that was set back.
    apart = (after_least - before_most > 0.5) | (before_least - after_most > 0.5)
    steps = np.abs(np.diff(late, prepend=late[:1])) > 0.5
    steps[1:] |= finite[1:] != finite[:-1]
    apart[1:] |= finite[1:] != finite[:-1]
    starts = [0, *(int(index) for index in np.flatnonzero(steps & apart) if index)]
    return list(zip(starts, [*starts[1:], len(stamps)], strict=True))
