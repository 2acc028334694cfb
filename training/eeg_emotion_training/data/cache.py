"""Windows kept on disk: converted once, read as memory maps by every worker.

For each person there is one array and one manifest, which states what it was made from. The
manifest is written last, so an array without one is not there; one that was made from other data
or by other code is stale and is made again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from eeg_emotion.atomic_write import atomic_write
from eeg_emotion.eeg.normaliser import Normaliser
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion_training.data.code_version import signal_path_version
from eeg_emotion_training.data.sources import DataError, PersonSignal, Source
from eeg_emotion_training.data.windows import PersonWindows, cut_person


class Recipe(BaseModel):
    """What a person's windows are made from; another recipe makes other windows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    person: str
    source_sha256: str
    label_rule: str
    path: PathSettings
    baseline: bool
    signal_path_version: str

    @property
    def folder(self) -> str:
        """A name for the kind of windows: one for all people and all versions of the code."""
        kind = f"{self.source}{self.path}{self.baseline}".encode()
        digest = hashlib.sha256(kind).hexdigest()[:8]
        return f"{self.path.representation.kind}-{self.path.window_seconds:g}s-{digest}"


class Manifest(BaseModel):
    """Beside a person's array: its recipe, its digest, and what is known of each window."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: Recipe
    sha256: str
    trial: tuple[int, ...]
    scorable: tuple[bool, ...]
    high: tuple[tuple[bool, ...], ...]
    stimuli: tuple[str, ...]
    rest: Normaliser | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A person's windows on disk."""

    person: str
    array: Path
    manifest: Path

    def digest(self) -> str:
        """Name the windows, their labels and all that is kept with them."""
        return hashlib.sha256(self.manifest.read_bytes()).hexdigest()

    def unusable(self) -> int:
        """Count the windows that the service would refuse to score."""
        return int((~self.load().scorable).sum())

    def load(self) -> PersonWindows:
        """Open the windows; the array stays on disk until it is used."""
        stated = Manifest.model_validate_json(self.manifest.read_text(encoding="utf-8"))
        return PersonWindows(
            person=self.person,
            measures=np.load(self.array, mmap_mode="r", allow_pickle=False),
            trial=np.array(stated.trial, dtype=np.int32),
            scorable=np.array(stated.scorable, dtype=np.bool_),
            high=np.array(stated.high, dtype=np.bool_),
            stimuli=stated.stimuli,
            rest=stated.rest,
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """A kind of windows: `settings` and `baseline` as for `cut_person`."""

    settings: PathSettings
    baseline: bool = False


def keep_windows(
    folder: Path, source: Source, wanted: Sequence[Wanted], announce: Callable[[str], None]
) -> dict[Wanted, list[Kept]]:
    """Convert everyone whose windows are not on disk yet, and return where all are.

    Parameters
    ----------
    folder
        Where to keep them.
    source
        The data set; each person is read at most once.
    wanted
        The kinds of windows.
    announce
        Called with each person who is converted, and why.

    Raises
    ------
    DataError
        If the disk is full or cannot be written.
    """
    kept: dict[Wanted, list[Kept]] = {kind: [] for kind in wanted}
    for person, sha256 in sorted(source.digests.items()):
        signal: PersonSignal | None = None
        for kind in kept:
            recipe = Recipe(
                source=source.name,
                person=person,
                source_sha256=sha256,
                label_rule=source.label_policy.id,
                path=kind.settings,
                baseline=kind.baseline,
                signal_path_version=signal_path_version(),
            )
            place = folder / recipe.folder
            item = Kept(person, place / f"{person}.npy", place / f"{person}.json")
            why = _why_not(item, recipe)
            if why is not None:
                announce(f"{person}, {recipe.folder}: {why}")
                signal = signal or source.read(person)
                _convert(item, recipe, cut_person(person, signal, kind.settings, kind.baseline))
            kept[kind].append(item)
    return kept


def _why_not(item: Kept, recipe: Recipe) -> str | None:
    """Return why what is kept cannot be used, None where it can."""
    try:
        stated = Manifest.model_validate_json(item.manifest.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return "converting to windows"
    except (OSError, ValueError):
        return "found a manifest that cannot be read, converting to windows again"
    if stated.recipe != recipe:
        changed = [
            name
            for name in Recipe.model_fields
            if getattr(stated.recipe, name) != getattr(recipe, name)
        ]
        return f"found windows with another {', '.join(changed)}, converting again"
    try:
        with item.array.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return "found a manifest without its windows, converting again"
    return None if found == stated.sha256 else "found damaged windows, converting again"


def _convert(item: Kept, recipe: Recipe, windows: PersonWindows) -> None:
    try:
        item.array.parent.mkdir(parents=True, exist_ok=True)
        # The manifest, which describes the windows, is renamed into place after them.
        with atomic_write(item.manifest) as manifest, atomic_write(item.array) as array:
            np.save(array, windows.measures, allow_pickle=False)
            array.seek(0)
            stated = Manifest(
                recipe=recipe,
                sha256=hashlib.file_digest(array, "sha256").hexdigest(),
                trial=tuple(windows.trial.tolist()),
                scorable=tuple(windows.scorable.tolist()),
                high=tuple(tuple(row) for row in windows.high.tolist()),
                stimuli=windows.stimuli,
                rest=windows.rest,
            )
            manifest.write(stated.model_dump_json().encode())
            manifest.flush()
    except OSError as error:
        raise DataError(
            f"cannot store the windows of {recipe.person} in {item.array.parent}: "
            f"{error.strerror or error}; each person needs {windows.measures.nbytes / 1e6:.0f} MB: "
            "free some disk space, or choose another folder with --cache"
        ) from error
