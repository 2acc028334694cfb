"""Any labelled EEG as a source: a table over recordings that MNE or pyxdf reads."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from eeg_emotion.eeg.layout import (
    ChannelsMissing,
    Layout,
    LayoutError,
    cap_layout,
    most_interpolated,
    plan_layout,
)
from eeg_emotion.eeg.resampling import HIGHEST_SFREQ, LOWEST_SFREQ
from eeg_emotion.readers.mne_files import read_recording
from eeg_emotion.recordings.recording import Recording, RecordingError
from eeg_emotion_training.data.sources import DataError, PersonSignal, Rest, Trial
from eeg_emotion_training.data.table import Row, read_table
from eeg_emotion_training.data.table_cells import cell_error
from eeg_emotion_training.data.table_signal import LEAD_SECONDS, cut_rows


class TableSource:
    """A table of labelled EEG.

    Parameters
    ----------
    path
        The table; the files that it names lie relative to its folder.
    channels
        The model's channels. Those that a recording lacks are filled in as live; where they are
        too many for that, from all electrodes of a cap that has at least as many.

    Raises
    ------
    DataError
        If the table, or what its recordings state about themselves, cannot be trained on.
    """

    baseline_seconds: float | None = None

    def __init__(self, path: Path, channels: tuple[str, ...]) -> None:
        table = read_table(path)
        self.labels = table.labels
        self.label_policy = table.label_policy
        self._table = table.name
        self._rows = table.people()
        self._layouts: dict[str, Layout] = {}
        simulated: list[bool] = []
        odd: dict[str, None] = {}
        for person, rows in self._rows.items():
            recordings = [
                (of_file, _open(table.name, of_file[0])) for of_file in _by_recording(rows)
            ]
            _check_agree(table.name, recordings)
            simulated += (recording.simulated for _, recording in recordings)
            for _, recording in recordings:
                odd |= {f"{recording.name}: {note}": None for note in recording.notes}
            (of_file, recording), *_ = recordings
            self._layouts[person] = _layout(table.name, of_file[0], recording, channels)
        if any(simulated) and not all(simulated):
            raise DataError(
                f"{table.name}: found {sum(simulated)} simulated recordings among "
                f"{len(simulated)}, expected all or none; put them into a table of their own"
            )
        self.simulated = all(simulated)
        self.name = f"{'simulated people in ' if self.simulated else ''}table {table.name}"
        self.notes = (*_notes(self._layouts, channels), *odd)
        self.digests: Mapping[str, str] = {
            person: _person_digest(rows) for person, rows in self._rows.items()
        }

    def read(self, person: str) -> PersonSignal:
        """Read one person's recordings, each once, at its own rate."""
        trials: dict[int, Trial] = {}
        rest: dict[int, Rest] = {}
        for rows in _by_recording(self._rows[person]):
            recording = _open(self._table, rows[0])
            for row, signal in zip(rows, cut_rows(self._table, recording, rows), strict=True):
                if row.high is None:
                    # Its end is sharp: what follows may be a trial.
                    rest[row.number] = Rest(signal.samples[:, : signal.end], LEAD_SECONDS)
                else:
                    trials[row.number] = Trial(
                        signal.samples, signal.onset, signal.end, row.high, row.stimulus
                    )
            sfreq = recording.sfreq
        return PersonSignal(
            layout=self._layouts[person],
            sfreq=sfreq,
            trials=[trials[number] for number in sorted(trials)],
            rest=[rest[number] for number in sorted(rest)],
        )


def _by_recording(rows: Sequence[Row]) -> list[list[Row]]:
    groups: dict[tuple[Path, str | None], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.path, row.stream), []).append(row)
    return list(groups.values())


def _open(table: str, row: Row) -> Recording:
    try:
        recording = read_recording(row.path, stream=row.stream)
    except RecordingError as error:
        raise cell_error(table, row.number, "file", str(error)) from error
    if not LOWEST_SFREQ <= recording.sfreq <= HIGHEST_SFREQ:
        raise cell_error(
            table,
            row.number,
            "file",
            f"found a rate of {recording.sfreq:g} Hz in {recording.name}, expected "
            f"{LOWEST_SFREQ:g} to {HIGHEST_SFREQ:g} Hz, as the live service does; remove its rows",
        )
    return recording


def _check_agree(table: str, recordings: Sequence[tuple[Sequence[Row], Recording]]) -> None:
    (first_rows, first), *others = recordings
    for rows, other in others:
        for what in ("sfreq", "channels", "units"):
            found, expected = getattr(other, what), getattr(first, what)
            if found != expected:
                raise cell_error(
                    table,
                    rows[0].number,
                    "file",
                    f"found {what} {found} in {other.name}, expected {expected} as in {first.name} "
                    f"(row {first_rows[0].number}), since both are of {rows[0].person}; convert "
                    "one of them, or remove its rows",
                )


def _layout(table: str, row: Row, recording: Recording, channels: tuple[str, ...]) -> Layout:
    most = most_interpolated(channels)
    try:
        try:
            return plan_layout(
                recording.channels,
                recording.units,
                channels=channels,
                max_interpolated=most,
            )
        except ChannelsMissing as missing:
            try:
                return cap_layout(
                    recording.channels, recording.units, channels, max_interpolated=most
                )
            except ChannelsMissing:
                # The channels it lacks explain more than that it is no denser cap either.
                raise missing from None
    except LayoutError as error:
        raise cell_error(table, row.number, "file", f"{recording.name}: {error}") from error


def _notes(layouts: Mapping[str, Layout], channels: tuple[str, ...]) -> Iterator[str]:
    people: dict[int, list[str]] = {}
    for person, layout in layouts.items():
        people.setdefault(len(layout.interpolated), []).append(person)
    for count, names in sorted(people.items()):
        if count:
            yield (
                f"{count} of {len(channels)} channels filled in from neighbours for "
                f"{', '.join(names)}"
            )


def _person_digest(rows: Sequence[Row]) -> str:
    """Return the SHA-256 over the digests of a person's files and over their rows."""
    lines = [row.cells for row in rows]
    for path in sorted({row.path for row in rows}):
        for part in _parts(path):
            with part.open("rb") as file:
                lines.append(hashlib.file_digest(file, "sha256").hexdigest())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _parts(path: Path) -> list[Path]:
    """Return all files of a recording: a header's signal lies in another one."""
    if path.is_dir():
        return sorted(part for part in path.rglob("*") if part.is_file())
    parts = [path]
    suffix = path.suffix.lower()
    if suffix in (".vhdr", ".ahdr"):
        header = path.read_text(encoding="latin-1")
        named = re.findall(r"^(?:DataFile|MarkerFile)=(.*)$", header, re.MULTILINE)
        parts += [path.parent / name.strip().replace("$b", path.stem) for name in named]
    elif suffix == ".set":
        parts.append(path.with_suffix(".fdt"))
    return [part for part in parts if part.is_file()]
