"""Formats by their first bytes, and each format's own way to state a cut."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from eeg_emotion.recordings.recording import RecordingError

_EXPORT = "export it from the recorder's own program as EDF or BrainVision"

# By first bytes: what the file is, for messages.
_KINDS: tuple[tuple[bytes, str], ...] = (
    (b"0       ", "EDF"),
    (b"\xffBIOSEMI", "BDF"),
    (b"GDF ", "GDF"),
    (b"XDF:", "XDF"),
    (b"Brain Vision", "BrainVision"),
    (b"BrainVision", "BrainVision"),
    (b"MATLAB 5.0", "MATLAB (up to version 7)"),
    (b"MATLAB 7.3", "MATLAB 7.3"),
    (b"\x89HDF\r\n\x1a\n", "HDF5"),
    (b"RIFF", "ANT eego (.cnt)"),
    (b"RF64", "ANT eego (.cnt)"),
    (b"Version 3.0", "Neuroscan (.cnt)"),
)


def kind_of(path: Path) -> str | None:
    """Return the format by a file's first bytes; None if it is not known, or a folder."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        head = file.read(16)
    return next((kind for first, kind in _KINDS if head.startswith(first)), None)


def check_kind(path: Path, expected: str) -> None:
    """Raise `RecordingError` if a file is of a known format that is not the expected one."""
    kind = kind_of(path)
    if kind is not None and kind != expected:
        raise RecordingError(
            f"{path.name}: found a file of the format {kind}, expected {expected} as its name "
            f"says; rename it, or {_EXPORT}"
        )


def cnt_reader(path: Path) -> str:
    """Return which of MNE's readers a ``.cnt`` file needs; several makers use the name.

    Raises
    ------
    RecordingError
        If its first bytes are of no known one.
    """
    kind = kind_of(path)
    if kind == "ANT eego (.cnt)":
        return "read_raw_ant"
    if kind == "Neuroscan (.cnt)":
        return "read_raw_cnt"
    raise RecordingError(
        f"{path.name}: found a .cnt file that is neither of Neuroscan (its first bytes are "
        f"'Version 3.0') nor of ANT eego ('RIFF'), expected one of them; {_EXPORT}"
    )


def cut_rule(suffix: str) -> Callable[[str], bool]:
    """Return how a format states, in the text of an annotation by MNE, that a new segment begins.

    A gap of zero length. What lasts, MNE's ``BAD_ACQ_SKIP``, is none of it.
    """
    return {
        ".vhdr": _brainvision,
        ".ahdr": _brainvision,
        ".set": _eeglab,
        ".gdf": _gdf,
    }.get(suffix, _mne)


def _brainvision(text: str) -> bool:
    # MNE joins a marker's type and description; a comment may have any word in it.
    return text.startswith("New Segment/")


def _eeglab(text: str) -> bool:
    # The event's type: a text that begins so, or a number where all types are numbers.
    return text.lower().startswith("boundary") or text in ("-99", "-99.0")


def _gdf(text: str) -> bool:
    return text == str(0x7FFE)  # "start of a new segment (after a break)"


def _mne(text: str) -> bool:
    return text in ("BAD boundary", "EDGE boundary")  # as it marks where it has joined files
