"""Results made by hand, without any training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eeg_emotion_training.evaluation.protocols import PROTOCOLS
from eeg_emotion_training.networks.curve import Point
from eeg_emotion_training.study.plan import StudyRecord, StudySettings, results_folder
from eeg_emotion_training.study.results import Record, Result, Spec, save_result

CHANNELS = {"all": ("Fz", "Cz", "Pz", "Oz"), "two": ("Fz", "Cz")}


def spec(**changes: Any) -> Spec:
    """A fold of GRU under trial, with the changes."""
    chosen = {
        "protocol": "trial",
        "fold": "s01-1",
        "target": "arousal",
        "network": "gru",
        "montage": "all",
        "representation": "bands",
        "normaliser": "training",
        "units": 8,
        "steps": 30,
        "batch_size": 16,
        "seed": 7,
        "labels": "true",
        "backend": "numpy",
        "data_sha256": "ab" * 32,
        "split_sha256": "cd" * 32,
        "code_version": "0.1.0+made",
    }
    return Spec.model_validate(chosen | changes)


def result(
    high: Sequence[int],
    raw: Sequence[float],
    *,
    person: str = "s01",
    windows: int = 2,
    scaled: Sequence[float] | None = None,
    curve: tuple[Point, ...] | None = None,
    **changes: Any,
) -> Result:
    """One person's trials as a fold; `raw`, and `scaled`, have one value a trial or a window."""
    of = spec(fold=f"{person}-1", **changes)
    leaks = PROTOCOLS[of.protocol].leaks
    trial = np.repeat(np.arange(len(high)), windows)
    before = np.array(raw, dtype=np.float64)
    after = np.array(raw if scaled is None else scaled, dtype=np.float64)
    if len(before) == len(high):
        before, after = before[trial], after[trial]
    return Result(
        record=Record(
            spec=of,
            status="done",
            leak_share=0.75 if leaks else 0.0,
            curve=made_curve(leaks) if curve is None else curve,
        ),
        person=np.full(len(trial), person),
        trial=trial.astype(np.int32),
        high=np.array(high, dtype=np.bool_)[trial],
        raw=before,
        probability=after,
    )


def made_curve(leaks: bool) -> tuple[Point, ...]:
    """Three points, 2 s apart; the test is followed where the protocol leaks."""
    return tuple(
        Point(
            step=10 * number,
            seconds=1.0 + 2.0 * number,
            training_loss=0.7 / number,
            training_accuracy=0.5 + 0.1 * number,
            validation_loss=None if leaks else 0.7,
            test_accuracy=0.5 + 0.1 * number if leaks else None,
        )
        for number in (1, 2, 3)
    )


def record(results: Sequence[Result], **changes: Any) -> StudyRecord:
    """The record of a study of these results, in the order that they name things in."""
    specs = tuple(one.record.spec for one in results)

    def seen(name: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(getattr(one, name) for one in specs))

    settings = StudySettings.model_validate(
        {
            "protocols": seen("protocol"),
            "networks": seen("network"),
            "targets": seen("target"),
            "montages": {name: CHANNELS[name] for name in seen("montage")},
            "representations": seen("representation"),
            "normalisers": seen("normaliser"),
            "units": 8,
            "steps": 30,
            "batch_size": 16,
            "seed": 7,
            "labels": specs[0].labels,
        }
    )
    chosen = {
        "settings": settings,
        "dataset": "made people",
        "simulated": False,
        "notes": (),
        "label_rule": "high = rating > 5.0, a tie is low",
        "people": tuple(sorted({name for one in results for name in one.person.tolist()})),
        "windows_unusable": 0,
        "specs": specs,
        "left_out": (),
    }
    return StudyRecord.model_validate(chosen | changes)


def save_study(root: Path, results: Sequence[Result], **changes: Any) -> StudyRecord:
    """Write a study of these results as a run study is."""
    made = record(results, **changes)
    for one in results:
        save_result(results_folder(root), one)
    (root / "study.json").write_text(made.model_dump_json(), encoding="utf-8")
    return made


def small_study() -> list[Result]:
    """Six people, GRU and two baselines, under segment and trial; the leak is 0.5 of accuracy.

    Under segment every window is right, under trial of four trials one of each class.
    """
    high = [1, 1, 0, 0]
    models = {"gru": [0.9, 0.2, 0.8, 0.1], "logistic": [0.7, 0.3, 0.6, 0.4]}
    made = []
    for number in range(1, 7):
        person = f"s0{number}"
        for network, honest in models.items():
            curve = None if network == "gru" else ()
            shown: dict[str, Any] = {"person": person, "network": network, "curve": curve}
            made.append(result(high, [0.9, 0.8, 0.2, 0.1], protocol="segment", **shown))
            nearer = [0.5 + (p - 0.5) / 2 for p in honest]
            made.append(result(high, honest, scaled=nearer, protocol="trial", **shown))
        for protocol in ("segment", "trial"):
            majority = result(
                high, [0.5] * 4, protocol=protocol, person=person, network="majority", curve=()
            )
            made.append(majority)
    return made
