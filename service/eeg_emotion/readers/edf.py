"""EDF and BDF files, plain and with annotations (EDF+, BDF+), read as they are.

Not by MNE, which resamples channels of other rates, hides the gaps of EDF+D, scales by the spelling
of a unit, renames channels of one name and refuses a file for one note of another code page.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.eeg import montage
from eeg_emotion.eeg.units import is_unstated, microvolts_per
from eeg_emotion.readers.edf_annotations import Texts, holes, read_texts
from eeg_emotion.readers.edf_header import EdfHeader, Signal, read_header
from eeg_emotion.readers.wrapping import FEWEST_STEPS, wrapped_steps
from eeg_emotion.recordings.file_reading import blocks, in_order, reading, source_id
from eeg_emotion.recordings.recording import Recording, RecordingError
from eeg_emotion.recordings.simulation import SIMULATED_MANUFACTURER

EDF_SUFFIXES = (".edf", ".bdf")
_BLOCK_BYTES = 8 * 2**20
_SHOWN = 8


def read_edf(path: Path) -> Recording:
    """Open an EDF or BDF file; see `mne_files.read_recording` for what all readers share.

    Only channels of one rate are read, those with the most electrodes; `notes` has the others.
    """
    with reading(path, "the EDF reader"):
        header = read_header(path)
        notes: list[str] = []
        records = _whole_records(path, header, notes)
        data = _Data(path, header, records)
        texts = _texts(path, header, data)
        signals = _at_one_rate(header, notes)
        signals = _usable(path, data, signals, notes)
        per = signals[0].samples
        sfreq = per / header.record_seconds
        cuts = holes(texts, header.record_seconds, sfreq)
        if cuts and not header.kind.endswith("D"):
            notes.append(
                f"its records state {len(cuts)} gap{'s' if len(cuts) > 1 else ''} in time, though "
                f"its header calls it {header.kind or 'continuous'}: it is cut there"
            )
        starts = [0, *(number * per for number in cuts)]
        segments = list(zip(starts, [*starts[1:], records * per], strict=True))
        markers = in_order(_placed(texts, per, header.record_seconds, records))
    scales = np.array([_scale(signal) for signal in signals])

    def read(start: int, stop: int) -> NDArray[np.floating]:
        with reading(path, "the EDF reader"):
            digits = data.digits(signals, start // per, -(-stop // per))
        first = start // per * per
        values: NDArray[np.float64] = digits[:, start - first : stop - first] * scales[:, :1]
        values += scales[:, 1:]
        return values

    return Recording(
        name=path.name,
        source_id=source_id(path),
        channels=tuple(signal.label for signal in signals),
        units=tuple(signal.unit for signal in signals),
        sfreq=sfreq,
        manufacturer=header.equipment or "unknown",
        simulated=header.equipment == SIMULATED_MANUFACTURER,
        stretches=lambda: blocks(segments, markers, sfreq, read),
        notes=tuple(notes),
    )


@dataclass(frozen=True, slots=True)
class _Data:
    """The whole records of a file."""

    path: Path
    header: EdfHeader
    records: int

    def digits(self, signals: Sequence[Signal], first: int, end: int) -> NDArray[np.int32]:
        """Return the digits of signals of one rate from records `[first, end)`."""
        content = self._content(first, end)
        columns = np.concatenate([np.arange(s.first, s.first + s.samples) for s in signals])
        if self.header.width == 2:
            digits = content.view("<i2")[:, columns].astype(np.int32)
        else:
            parts = content.reshape(end - first, -1, 3)[:, columns].astype(np.int32)
            # The highest byte's sign is the number's.
            digits = (parts[..., 0] | parts[..., 1] << 8 | parts[..., 2] << 16) << 8 >> 8
        return np.ascontiguousarray(
            digits.reshape(end - first, len(signals), -1).transpose(1, 0, 2)
        ).reshape(len(signals), -1)

    def texts(self, signals: Sequence[Signal]) -> Iterator[list[bytes]]:
        """Yield the bytes of signals of text, record by record."""
        width = self.header.width
        for first, end in self.parts():
            for record in self._content(first, end):
                yield [
                    record[width * s.first : width * (s.first + s.samples)].tobytes()
                    for s in signals
                ]

    def parts(self) -> Iterator[tuple[int, int]]:
        """Yield ranges of records that are read at once."""
        size = max(1, _BLOCK_BYTES // self.header.record_bytes)
        for first in range(0, self.records, size):
            yield first, min(first + size, self.records)

    def _content(self, first: int, end: int) -> NDArray[np.uint8]:
        size = self.header.record_bytes
        with self.path.open("rb") as file:
            file.seek(self.header.size + first * size)
            content = np.frombuffer(file.read((end - first) * size), dtype=np.uint8)
        if len(content) != (end - first) * size:
            raise RecordingError(
                f"{self.path.name}: found its end before record {end}, expected "
                f"{self.records} records as when it was opened; leave the file as it is meanwhile"
            )
        return content.reshape(end - first, size)


def _whole_records(path: Path, header: EdfHeader, notes: list[str]) -> int:
    """Return how many records to read, and note what differs from the header."""
    found = path.stat().st_size - header.size
    whole, rest = divmod(found, header.record_bytes)
    if not whole:
        raise RecordingError(
            f"{path.name}: found {found} bytes after its header, expected records of "
            f"{header.record_bytes}: no record is complete; copy it again, or record again"
        )
    if header.records <= 0 or whole < header.records:
        if header.records > 0 or rest:
            stated = f" of {header.records}" if header.records > 0 else ""
            notes.append(
                f"it ends {'within' if rest else 'after'} record {whole + bool(rest)}{stated}, as "
                f"if the recorder had crashed or a copy had been cut: {whole} whole records are "
                "read; if its source is longer, copy it again"
            )
        return whole
    beyond = found - header.records * header.record_bytes
    if beyond and not _is_padding(path, beyond) and not _has_texts(header):
        raise RecordingError(
            f"{path.name}: found {found} bytes of records, expected "
            f"{header.records * header.record_bytes} for the {header.records} records of its "
            "header: samples may be shifted by what was inserted; fetch it again in binary mode, "
            "or export it again with a true header"
        )
    if beyond:
        notes.append(f"it has {beyond} bytes after the last record of its header; not read")
    return header.records


def _is_padding(path: Path, count: int) -> bool:
    """Return whether a file's last bytes are all the same, as a disk's or a sender's filling is."""
    with path.open("rb") as file:
        file.seek(-count, 2)
        first = file.read(1)
        return all(
            not part.strip(first) for part in iter(lambda: file.read(2**20), b"")
        ) and first in (b"\x00", b"\x1a", b" ", b"\xff")


def _has_texts(header: EdfHeader) -> bool:
    return any(signal.is_annotation for signal in header.signals)


def _texts(path: Path, header: EdfHeader, data: _Data) -> Texts:
    signals = [signal for signal in header.signals if signal.is_annotation and signal.samples]
    texts = read_texts(list(data.texts(signals)) if signals else [])
    if texts.misplaced is not None:
        raise RecordingError(
            f"{path.name}: found no time in record {texts.misplaced + 1}, expected one at the "
            "beginning of its annotations: bytes before it are missing or inserted, so that all "
            "samples are shifted; fetch the file again in binary mode"
        )
    return texts


def _at_one_rate(header: EdfHeader, notes: list[str]) -> list[Signal]:
    """Return the signals of the rate that has the most electrodes; the others are noted."""
    signals = [each for each in header.signals if not each.is_annotation and each.samples]
    by_rate: dict[int, list[Signal]] = {}
    for signal in signals:
        by_rate.setdefault(signal.samples, []).append(signal)

    def electrodes(group: Sequence[Signal]) -> tuple[int, int]:
        names = montage.normalise_labels([signal.label for signal in group])
        named = sum(
            montage.region_of(name) is not None and _may_be_voltage(signal)
            for name, signal in zip(names, group, strict=True)
        )
        return named, len(group)

    chosen = max(by_rate.values(), key=electrodes)
    others = [signal for signal in signals if signal not in chosen]
    if others:
        rates = [f"{s.label} ({s.samples / header.record_seconds:g} Hz)" for s in others]
        notes.append(
            f"channels of another rate than the EEG's {chosen[0].samples / header.record_seconds:g}"
            f" Hz are left out: {_shortened(rates)}"
        )
    return chosen


def _usable(path: Path, data: _Data, signals: list[Signal], notes: list[str]) -> list[Signal]:
    """Leave out signals whose digits cannot be right; raise if those are most of the voltages."""
    bits = 8 * data.header.width
    troubles = {s: problem for s in signals if (problem := s.problem(bits)) is not None}
    steps = wrapped_steps((data.digits(signals, *part) for part in data.parts()), bits)
    for signal, count in zip(signals, steps, strict=True):
        if count >= FEWEST_STEPS and _may_be_voltage(signal):
            troubles.setdefault(
                signal,
                f"{count} steps of nearly {1 << bits} digits from one sample to the next: values "
                f"beyond {bits} bits have wrapped",
            )
    if not troubles:
        return signals
    voltages = [signal for signal in signals if _may_be_voltage(signal)]
    bad = [signal for signal in voltages if signal in troubles]
    worst = f"{(bad or list(troubles))[0].label}: {troubles[(bad or list(troubles))[0]]}"
    if 2 * len(bad) > len(voltages) or len(troubles) == len(signals):
        raise RecordingError(
            f"{path.name}: found what cannot be a signal in {len(bad)} of {len(voltages)} channels "
            f"({worst}), expected the values as they were measured; export it again from the "
            "recorder's own format, with a unit or a range that fits, or as BDF or BrainVision"
        )
    notes.append(
        f"channels that cannot be a signal are left out: {_shortened([s.label for s in troubles])} "
        f"({worst})"
    )
    return [signal for signal in signals if signal not in troubles]


def _may_be_voltage(signal: Signal) -> bool:
    return microvolts_per(signal.unit) is not None or is_unstated(signal.unit)


def _scale(signal: Signal) -> tuple[float, float]:
    """Return factor and offset from digits to the signal's unit."""
    (low, high), (least, most) = signal.digital, signal.physical
    factor = (most - least) / (high - low)
    return factor, least - low * factor


def _placed(
    texts: Texts, per: int, record_seconds: float, records: int
) -> Iterator[tuple[int, str]]:
    """Yield the sample of each note, and its text."""
    onsets: list[float] = []
    for onset in texts.onsets:
        follows = onsets[-1] + record_seconds if onsets else 0.0
        onsets.append(follows if onset is None else onset)
    # A clock that was set back while recording: a note belongs to the first record that fits.
    sought = list(itertools.accumulate(onsets, max))
    for at, text in texts.notes:
        number = max(0, bisect_right(sought, at + 1e-9) - 1)
        within = round(max(0.0, at - onsets[number]) / record_seconds * per)
        yield min(number * per + min(within, per - 1), records * per - 1), text


def _shortened(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
