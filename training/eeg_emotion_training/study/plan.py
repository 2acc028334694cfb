"""A study: every network under every protocol, split into tasks that can be run anywhere."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from eeg_emotion.atomic_write import atomic_write
from eeg_emotion.eeg.layout import most_interpolated
from eeg_emotion.eeg.normaliser import NormaliserKind
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.errors import EegEmotionError
from eeg_emotion_training.choices import MODELS, REPRESENTATIONS
from eeg_emotion_training.data.cache import Kept, Wanted, keep_windows
from eeg_emotion_training.data.code_version import code_version
from eeg_emotion_training.data.sources import Source
from eeg_emotion_training.evaluation.protocols import PROTOCOLS, Protocol, SplitError
from eeg_emotion_training.networks.names import CONSTANT, NETWORKS, backend
from eeg_emotion_training.networks.settings import TrainSettings
from eeg_emotion_training.study.results import Labels, Spec, load_result
from eeg_emotion_training.study.task import Task, data_digest, labelled_index, load_people

_RECORD = "study.json"


class StudyError(EegEmotionError):
    """A study cannot be planned or read."""


class StudySettings(TrainSettings):
    """What may be chosen about a study; the training is the same for all of its networks."""

    protocols: tuple[str, ...]
    networks: tuple[str, ...]
    targets: tuple[str, ...]
    montages: dict[str, tuple[str, ...]]
    """For each montage's name its channels."""
    representations: tuple[str, ...] = ("bands",)
    normalisers: tuple[NormaliserKind, ...] = ("training",)
    labels: Labels = "true"


class LeftOut(BaseModel):
    """What a protocol could not be applied to, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    protocol: str
    target: str
    who: str
    reason: str


class StudyRecord(BaseModel):
    """What a study consists of; kept beside its results, so that a report can be made of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: StudySettings
    dataset: str
    simulated: bool
    notes: tuple[str, ...]
    label_rule: str
    people: tuple[str, ...]
    windows_unusable: int
    """Windows that the service would refuse to score, left out of all protocols but the paper's."""
    specs: tuple[Spec, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, slots=True)
class Study:
    """A planned study in its folder."""

    root: Path
    record: StudyRecord
    tasks: tuple[Task, ...]

    def unfinished(self) -> list[Task]:
        """Return the tasks that have no whole result yet."""
        return [task for task in self.tasks if load_result(task.results, task.spec) is None]


def plan_study(
    sources: Mapping[str, Source],
    settings: StudySettings,
    root: Path,
    cache: Path,
    announce: Callable[[str], None],
) -> Study:
    """Convert the data, split them, and list the tasks.

    Parameters
    ----------
    sources
        For each montage's name the data set, seen with its channels.
    settings
        What to study.
    root
        The study's folder; results in it are kept.
    cache
        Where windows are kept.
    announce
        Called with each step that is done.

    Raises
    ------
    StudyError, DataError, SplitError, LeakError
        If a name is unknown, a protocol does not apply, or the data cannot be read or split.
    """
    source = next(iter(sources.values()))
    _check(settings, source)
    try:
        root.mkdir(parents=True, exist_ok=True)  # before minutes of conversion
    except OSError as error:
        raise StudyError(
            f"cannot create the folder {root}: {error.strerror}; choose another with --out"
        ) from error
    tasks: list[Task] = []
    left_out: list[LeftOut] = []
    grid: list[tuple[_Variant, Protocol]] = []
    for protocol in (PROTOCOLS[name] for name in settings.protocols):
        # They see no window, so one way of showing the windows is enough.
        constant = tuple(name for name in settings.networks if name in CONSTANT)
        for variant in _variants(settings):
            models = (*variant.models, *constant)
            unfit = _unfit(settings, variant, protocol)
            if not models:
                continue
            if unfit is None:
                grid.append((replace(variant, models=models), protocol))
                constant = ()
                continue
            left_out += [
                LeftOut(protocol=protocol.name, target=target, who=unfit[0], reason=unfit[1])
                for target in settings.targets
            ]
    kept = {
        montage: keep_windows(
            cache,
            sources[montage],
            [_wanted(settings, *cell) for cell in grid if cell[0].montage == montage],
            announce,
        )
        for montage in settings.montages
    }
    for variant, protocol in grid:
        people = kept[variant.montage][_wanted(settings, variant, protocol)]
        groups = [(item,) for item in people] if protocol.within_person else [tuple(people)]
        for group in groups:
            planned, missing = _plan_group(group, protocol, variant, settings, source, root)
            tasks += planned
            left_out += missing
    if not tasks:
        reasons = "; ".join(dict.fromkeys(item.reason for item in left_out))
        raise StudyError(f"found no fold that can be run with these options: {reasons}")
    # A worker keeps one compiled network, so all folds that can share it come together.
    tasks.sort(key=_compiled_alike)
    record = StudyRecord(
        settings=settings,
        dataset=source.name,
        simulated=source.simulated,
        notes=tuple(dict.fromkeys(note for one in sources.values() for note in one.notes)),
        label_rule=source.label_policy.text,
        people=tuple(sorted(source.digests)),
        windows_unusable=max(
            sum(item.unusable() for item in people)
            for kinds in kept.values()
            for people in kinds.values()
        ),
        specs=tuple(task.spec for task in tasks),
        left_out=tuple(dict.fromkeys(left_out)),
    )
    _save(root, record)
    return Study(root, record, tuple(tasks))


def load_record(root: Path) -> StudyRecord:
    """Read what a study consists of.

    Raises
    ------
    StudyError
        If the folder holds no study.
    """
    try:
        return StudyRecord.model_validate_json((root / _RECORD).read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise StudyError(f"{root} holds no study of 'eeg-emotion-train study': {error}") from error


def results_folder(root: Path) -> Path:
    """Return the folder of a study's results."""
    return root / "results"


def _check(settings: StudySettings, source: Source) -> None:
    known = {
        "protocol": (settings.protocols, tuple(PROTOCOLS)),
        "network": (settings.networks, MODELS),
        "target": (settings.targets, source.labels),
        "representation": (settings.representations, tuple(REPRESENTATIONS)),
        "normaliser": (settings.normalisers, get_args(NormaliserKind)),
        "montage": (tuple(settings.montages), tuple(settings.montages)),
    }
    for what, (asked, there) in known.items():
        unknown = [name for name in asked if name not in there]
        if unknown or not asked:
            found = f"the {what} {', '.join(unknown)}" if unknown else f"no {what}"
            raise StudyError(f"found {found}, expected some of {', '.join(there)}")
        if len(set(asked)) != len(asked):
            raise StudyError(
                f"found a {what} named twice in {', '.join(asked)}, expected each once"
            )
    for name in settings.protocols:
        if PROTOCOLS[name].baseline and source.baseline_seconds is None:
            raise StudyError(
                f"found the protocol {name} for {source.name}, expected DEAP: its windows begin "
                "with the 3 s before each video; use segment"
            )


@dataclass(frozen=True, slots=True)
class _Variant:
    """One way of showing the windows, and the models that see them so; no constant guesses."""

    montage: str
    representation: str
    normaliser: NormaliserKind
    models: tuple[str, ...]


def _variants(settings: StudySettings) -> list[_Variant]:
    """List the variants; a model comes only where the variant makes a difference to it."""
    variants = []
    # The linear model has no use for raw samples: it sees band power where nothing else does.
    only_raw = settings.representations == ("raw",) and "logistic" in settings.networks
    representations = (*settings.representations, *(("bands",) if only_raw else ()))
    for montage, representation, normaliser in itertools.product(
        settings.montages, representations, settings.normalisers
    ):
        models = [
            name
            for name in settings.networks
            if (name in NETWORKS and representation in settings.representations)
            or (name == "logistic" and representation != "raw")
        ]
        variants.append(_Variant(montage, representation, normaliser, tuple(models)))
    return variants


def _unfit(
    settings: StudySettings, variant: _Variant, protocol: Protocol
) -> tuple[str, str] | None:
    """Return what of a variant cannot go with a protocol, and why; None where all can."""
    if variant.normaliser == "rest-baseline" and protocol.baseline:
        return (
            "rest baseline",
            f"the windows of {protocol.name} hold the rest itself, which may not be scored",
        )
    try:
        _wanted(settings, variant, protocol)
    except ValueError as error:
        return variant.representation, f"its rows do not fit the windows: {error}"
    return None


def _wanted(settings: StudySettings, variant: _Variant, protocol: Protocol) -> Wanted:
    """Return the kind of windows that a protocol cuts."""
    channels = settings.montages[variant.montage]
    path = PathSettings(
        channels=channels,
        window_seconds=protocol.window_seconds,
        representation=REPRESENTATIONS[variant.representation],
        max_interpolated=most_interpolated(channels),
    )
    return Wanted(path, protocol.baseline)


def _compiled_alike(task: Task) -> tuple[object, ...]:
    spec = task.spec
    protocol = PROTOCOLS[spec.protocol]
    shape = (spec.montage, spec.representation, protocol.within_person, protocol.window_seconds)
    return (MODELS.index(spec.network), *shape, spec.protocol)


def _plan_group(
    kept: tuple[Kept, ...],
    protocol: Protocol,
    variant: _Variant,
    settings: StudySettings,
    source: Source,
    root: Path,
) -> tuple[list[Task], list[LeftOut]]:
    """List the tasks of people who are split together."""
    people = load_people(kept, protocol)
    data = data_digest(kept)
    tasks: list[Task] = []
    left_out = [
        LeftOut(
            protocol=protocol.name,
            target=target,
            who=person.person,
            reason="no window has a signal that the service would score",
        )
        for person in people
        for target in settings.targets
        if not len(person.trial)
    ]
    if len(left_out) == len(people) * len(settings.targets):
        return [], left_out
    for target in settings.targets:
        label = source.labels.index(target)
        shared = {
            "protocol": protocol.name,
            "target": target,
            "montage": variant.montage,
            "representation": variant.representation,
            "normaliser": variant.normaliser,
            **settings.train_settings(),
            "labels": settings.labels,
            "backend": backend(),
            "data_sha256": data,
            "code_version": code_version(),
        }
        index = labelled_index(people, settings.labels, settings.seed, label)
        try:
            folds = protocol.folds(index, settings.seed)
        except SplitError as error:
            # The other people, or the other protocols, may have enough.
            who = kept[0].person if protocol.within_person else "all people"
            left_out.append(
                LeftOut(protocol=protocol.name, target=target, who=who, reason=str(error))
            )
            continue
        for fold in folds:
            split = fold.digest(index)
            for network in variant.models:
                spec = Spec.model_validate(
                    {**shared, "fold": fold.name, "network": network, "split_sha256": split}
                )
                shown = f"{variant.montage}-{variant.representation}-{variant.normaliser}"
                # Named by its digest too, lest another study's curve is drawn into this one's.
                run = f"{fold.name}-{spec.digest[:8]}"
                logs = root / "logs" / protocol.name / target / network / shown / run
                representation = REPRESENTATIONS[variant.representation]
                tasks.append(Task(spec, label, representation, kept, results_folder(root), logs))
    return tasks, left_out


def _save(root: Path, record: StudyRecord) -> None:
    path = root / _RECORD
    try:
        with atomic_write(path) as file:
            file.write(f"{record.model_dump_json(indent=1)}\n".encode())
    except OSError as error:
        raise StudyError(
            f"cannot write {path}: {error.strerror}; choose another folder with --out"
        ) from error
