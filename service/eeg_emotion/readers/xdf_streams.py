"""Which stream of an XDF file is meant, by its name, source id, uid or number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eeg_emotion.recordings.recording import RecordingError


def find_streams(path: Path, listed: Sequence[Mapping[str, Any]], wanted: str | None) -> list[int]:
    """Return the ids of the streams that may be meant, at least one.

    Parameters
    ----------
    path
        The file's name for messages.
    listed
        The streams, as pyxdf lists them.
    wanted
        A stream's name, source id, uid, or its number in the file. Without it, the streams of type
        ``EEG`` are meant in any case, and where there is none, the only regular numeric stream.

    Raises
    ------
    RecordingError
        If there is none, with all that there are.
    """
    regular = [
        each for each in listed if each["nominal_srate"] > 0 and each["channel_format"] != "string"
    ]
    if wanted is None:
        typed = [each for each in regular if str(each["type"]).strip().upper() == "EEG"]
        if not typed and len(regular) > 1:
            raise ambiguous(path, listed, [int(each["stream_id"]) for each in regular], wanted)
        found = typed or regular
    else:
        # By name first: a name may be a number.
        found = []
        for key in ("name", "source_id", "uid", "stream_id"):
            found = found or [each for each in regular if str(each.get(key)) == wanted]
    if not found:
        raise _none(path, listed, wanted)
    return [int(each["stream_id"]) for each in found]


def ambiguous(
    path: Path, listed: Sequence[Mapping[str, Any]], found: Sequence[int], wanted: str | None
) -> RecordingError:
    """Return the error for several streams, each with the numbers that choose it."""
    numbered = f"--stream {found[0]} (stream=... in Python; stream in a table)"
    return RecordingError(
        f"{path.name}: found {len(found)} regular numeric streams {_asked(wanted)}, expected one; "
        f"choose one by its name or number, such as {numbered}; the file contains: "
        f"{_described(listed)}"
    )


def _none(path: Path, listed: Sequence[Mapping[str, Any]], wanted: str | None) -> RecordingError:
    return RecordingError(
        f"{path.name}: found 0 regular numeric streams {_asked(wanted)}, expected one; name "
        "another file, or one of its streams of numbers at a rate by its name or number "
        f"(--stream, stream=...); the file contains: {_described(listed)}"
    )


def _asked(wanted: str | None) -> str:
    return "that may be EEG" if wanted is None else f"with the name, id or number {wanted!r}"


def _described(listed: Sequence[Mapping[str, Any]]) -> str:
    return (
        ", ".join(
            f"{each['stream_id']}: {each['name']!r} (type {each['type']}, "
            f"{each['channel_count']} channels, {each['nominal_srate']:g} Hz, source id "
            f"{each.get('source_id')!r})"
            for each in listed
        )
        or "no stream"
    )
