"""The header of EDF and BDF files, checked before a sample is believed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from eeg_emotion.recordings.recording import RecordingError

_FIXED_BYTES = 256
_ANNOTATIONS = ("EDF Annotations", "BDF Annotations")


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal of the header.

    Attributes
    ----------
    label, unit
        As written; what is not UTF-8 is decoded as Latin-1.
    physical, digital
        Minimum and maximum.
    samples
        The number of its samples in a record.
    first
        The number of samples of all signals before it in a record.
    """

    label: str
    unit: str
    physical: tuple[float, float]
    digital: tuple[float, float]
    samples: int
    first: int

    @property
    def is_annotation(self) -> bool:
        """Whether its bytes are text."""
        return self.label in _ANNOTATIONS

    def problem(self, bits: int) -> str | None:
        """Return why its digits cannot become values; None if they can."""
        (low, high), (least, most) = self.digital, self.physical
        largest = 1 << bits - 1
        if low < -largest or high > largest - 1:
            return (
                f"a digital range of {low:g} to {high:g} in a file of {bits} bits a sample, "
                f"which hold {-largest} to {largest - 1}: larger values have wrapped"
            )
        if low == high or least == most or not math.isfinite(most - least):
            return (
                f"a digital range of {low:g} to {high:g} for {least:g} to {most:g} {self.unit}, "
                "which is no scale"
            )
        return None


@dataclass(frozen=True, slots=True)
class EdfHeader:
    """The header of a file.

    Attributes
    ----------
    width
        Bytes of a sample: 2, or 3 in BDF.
    kind
        ``EDF+C``, ``EDF+D``, their BDF namesakes, or something else for plain files.
    equipment
        The recording equipment; None if it is not stated.
    size
        Bytes of the header.
    records, record_seconds
        As stated; -1 records where the recorder has left it open.
    signals
        All signals, those of text too.
    """

    width: int
    kind: str
    equipment: str | None
    size: int
    records: int
    record_seconds: float
    signals: tuple[Signal, ...]

    @property
    def record_samples(self) -> int:
        """Samples of all signals in a record."""
        return sum(signal.samples for signal in self.signals)

    @property
    def record_bytes(self) -> int:
        """Bytes of a record."""
        return self.record_samples * self.width


def read_header(path: Path) -> EdfHeader:
    """Read the header of an EDF or BDF file.

    Raises
    ------
    RecordingError
        If a field is not what the format says.
    """
    width = 3 if path.suffix.lower() == ".bdf" else 2
    with path.open("rb") as file:
        fixed = file.read(_FIXED_BYTES)
        first = b"\xffBIOSEMI" if width == 3 else b"0".ljust(8)
        if fixed[:8] != first:
            raise _damaged(path, f"a file that begins with {fixed[:8]!r}", f"{first!r}")
        count = int(_number(path, fixed[252:256], "the number of signals"))
        size = int(_number(path, fixed[184:192], "the size of the header"))
        if count < 1 or size != _FIXED_BYTES * (count + 1):
            raise _damaged(
                path,
                f"a header of {size} bytes for {count} signals",
                f"{_FIXED_BYTES * (max(count, 1) + 1)}",
            )
        fields = file.read(_FIXED_BYTES * count)
    if len(fields) < _FIXED_BYTES * count:
        raise _damaged(path, f"{_FIXED_BYTES + len(fields)} bytes", f"{size} of its header alone")
    record_seconds = _number(path, fixed[244:252], "the duration of a record")
    # EDF+ has "Startdate DD-MMM-YYYY code technician equipment" here, X for unknown ones.
    words = _text(fixed[88:168]).split()
    equipment = words[4] if len(words) > 4 and words[0] == "Startdate" else "X"
    header = EdfHeader(
        width=width,
        kind=_text(fixed[192:236])[:5],
        equipment=None if equipment == "X" else equipment.replace("_", " "),
        size=size,
        records=int(_number(path, fixed[236:244], "the number of records")),
        record_seconds=record_seconds,
        signals=_signals(path, fields, count),
    )
    if not any(signal.samples for signal in header.signals if not signal.is_annotation):
        raise RecordingError(
            f"{path.name}: found annotations alone, expected signals; name the file with the EEG"
        )
    if not record_seconds > 0:
        raise RecordingError(
            f"{path.name}: found records of {record_seconds:g} s, expected a positive duration, "
            "without which the rate is not known; export it again with one"
        )
    return header


def _signals(path: Path, fields: bytes, count: int) -> tuple[Signal, ...]:
    # The header stores field after field, each for all signals: 16 bytes of label, 80 of
    # transducer, 8 of unit, 8 each of four limits, 80 of filters, 8 of samples per record.
    def column(offset: int, width: int) -> list[bytes]:
        start = offset * count
        return [fields[start + width * k : start + width * (k + 1)] for k in range(count)]

    labels = [_text(each) for each in column(0, 16)]

    def numbers(offset: int, what: str) -> list[float]:
        return [
            _number(path, each, f"{what} of {label!r}")
            for each, label in zip(column(offset, 8), labels, strict=True)
        ]

    low, high = numbers(104, "the physical minimum"), numbers(112, "the physical maximum")
    least, most = numbers(120, "the digital minimum"), numbers(128, "the digital maximum")
    samples = [int(value) for value in numbers(216, "the samples in a record")]
    if min(samples) < 0:
        raise _damaged(path, f"{min(samples)} samples in a record", "none or more")
    return tuple(
        Signal(
            label=labels[k],
            unit=_text(unit),
            physical=(low[k], high[k]),
            digital=(least[k], most[k]),
            samples=samples[k],
            first=sum(samples[:k]),
        )
        for k, unit in enumerate(column(96, 8))
    )


def _text(field: bytes) -> str:
    plain = field.replace(b"\x00", b" ").strip()
    try:
        return plain.decode()
    except UnicodeDecodeError:
        return plain.decode("latin-1").strip()


def _number(path: Path, field: bytes, what: str) -> float:
    text = _text(field).replace(",", ".")  # some recorders write numbers as their users do
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _damaged(path, f"{text!r} as {what}", "a number")
    return value


def _damaged(path: Path, found: str, expected: str) -> RecordingError:
    return RecordingError(
        f"{path.name}: found {found}, expected {expected}: it is no {path.suffix[1:].upper()} "
        "file, or its header is damaged; copy it again from its source, or name it by its format"
    )
