from __future__ import annotations

from collections.abc import Sequence

import pytest

from eeg_emotion_training.study.pace import Pace
from eeg_emotion_training.study.results import Record, Spec


def specs(network: str, count: int, protocol: str = "trial") -> list[Spec]:
    shared = {"target": "valence", "montage": "deap32", "representation": "bands"}
    shared |= {"normaliser": "training", "labels": "true", "backend": "tensorflow"}
    digests = dict.fromkeys(("data_sha256", "split_sha256", "code_version"), "0")
    numbers = dict.fromkeys(("units", "steps", "batch_size", "seed"), 1)
    return [
        Spec.model_validate(
            {**shared, **digests, **numbers}
            | {"network": network, "protocol": protocol, "fold": str(number)}
        )
        for number in range(count)
    ]


def finish(pace: Pace, tasks: Sequence[Spec], seconds: float) -> None:
    for spec in tasks:
        record = Record.model_validate({"spec": spec, "status": "done", "seconds": seconds})
        pace.finished(record)


def test_nothing_is_estimated_before_each_worker_has_trained_once() -> None:
    gru = specs("gru", 10)
    pace = Pace(gru, workers=2)
    assert pace.seconds_left() is None
    finish(pace, gru[:2], 40.0)
    assert pace.seconds_left() is None  # these were compiled too, and show nothing of the others
    finish(pace, gru[2:3], 2.0)
    assert pace.seconds_left() == pytest.approx(7 * 2.0 / 2)


def test_a_network_to_come_is_compiled_by_each_worker_as_the_last_ones_were() -> None:
    gru, lstm = specs("gru", 10), specs("lstm", 10)
    pace = Pace([*gru, *lstm], workers=2)
    finish(pace, gru[:2], 40.0)
    finish(pace, gru[2:], 2.0)
    assert pace.seconds_left() == pytest.approx((2 * 40.0 + 8 * 2.0) / 2)
    finish(pace, lstm[:2], 15.0)
    assert pace.seconds_left() == pytest.approx(8 * 2.0 / 2)
    finish(pace, lstm[2:3], 3.0)  # its own from now on
    assert pace.seconds_left() == pytest.approx(7 * 3.0 / 2)


def test_guesses_are_not_expected_to_last_as_long_as_networks() -> None:
    gru, guesses = specs("gru", 4), specs("majority", 1000)
    pace = Pace([*gru, *guesses], workers=1)
    finish(pace, gru, 5.0)
    assert pace.seconds_left() == 0.0
    finish(pace, guesses[:1], 0.01)
    assert pace.seconds_left() == pytest.approx(9.99)


def test_fewer_tasks_than_workers_are_all_first_ones() -> None:
    gru, lstm = specs("gru", 3), specs("lstm", 3)
    pace = Pace([*gru, *lstm], workers=64)
    finish(pace, gru[:1], 20.0)
    assert pace.seconds_left() == pytest.approx(5 * 20.0 / 64)


def test_workers_that_come_and_go_count_as_many_as_have_kept_busy() -> None:
    now = [0.0]
    gru = specs("gru", 12)
    pace = Pace(gru, workers=None, clock=lambda: now[0])
    now[0] = 10.0
    finish(pace, gru[:4], 10.0)
    assert pace.seconds_left() == pytest.approx(8 * 10.0 / 4)


def test_when_all_have_finished_nothing_is_left() -> None:
    both = [*specs("gru", 3), *specs("logistic", 3)]
    pace = Pace(both, workers=1)
    finish(pace, both, 3.0)
    assert pace.seconds_left() == 0.0
