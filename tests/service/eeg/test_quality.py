from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import ArrayLike

from eeg_emotion.eeg.quality import Fault, QualityLimits, WindowQuality, judge

LIMITS = QualityLimits()


def judged(
    *,
    span: ArrayLike | None = None,
    rms: ArrayLike | None = None,
    out_of_range: bool = False,
    interpolated: int = 0,
) -> WindowQuality:
    return judge(
        span=np.full(32, 60.0) if span is None else np.asarray(span, dtype=float),
        rms=np.full(32, 15.0) if rms is None else np.asarray(rms, dtype=float),
        out_of_range=out_of_range,
        interpolated=interpolated,
        limits=LIMITS,
    )


def with_one(value: float, others: float) -> list[float]:
    return [value] + [others] * 31


def test_a_good_signal_has_no_fault():
    quality = judged()
    assert quality.faults == ()
    assert quality.overall == 1.0
    np.testing.assert_array_equal(quality.scores, np.ones(32))


def test_values_out_of_range_are_a_fault_beside_a_good_rest():
    assert judged(out_of_range=True).faults == (Fault.OUT_OF_RANGE,)


def test_one_dead_electrode_is_enough():
    quality = judged(span=with_one(0.0, 60.0))
    assert quality.faults == (Fault.POOR_CONTACT,)
    assert quality.scores[0] == 0.0
    assert (quality.scores[1:] == 1.0).all()


def test_one_electrode_that_hums_beyond_use_is_enough():
    assert judged(rms=with_one(LIMITS.worst_rms * 2, 15.0)).faults == (Fault.POOR_CONTACT,)


def test_many_doubtful_electrodes_are_poor_contact_together():
    nearly = 0.9 * LIMITS.worst_rms
    assert judged(rms=with_one(nearly, 15.0)).faults == ()
    assert judged(rms=[nearly] * 24 + [15.0] * 8).faults == (Fault.POOR_CONTACT,)


def test_a_score_falls_from_good_to_worst():
    rms = np.linspace(LIMITS.good_rms, LIMITS.worst_rms, 32)
    scores = judged(rms=rms).scores
    assert scores[0] == 1.0
    assert scores[-1] == 0.0
    assert (np.diff(scores) < 0).all()
    np.testing.assert_allclose(np.diff(scores), np.diff(scores)[0])


def test_nothing_moving_at_all_is_a_headset_that_is_not_worn():
    assert judged(span=np.zeros(32), rms=np.zeros(32)).faults == (Fault.NOT_WORN,)


def test_a_signal_that_moves_but_is_far_too_small_puts_its_unit_in_doubt():
    assert judged(span=np.full(32, 60e-3), rms=np.full(32, 15e-3)).faults == (Fault.UNIT_SUSPECT,)
    assert judged(span=np.full(32, 60e-6), rms=np.full(32, 15e-6)).faults == (Fault.UNIT_SUSPECT,)


def test_a_signal_that_is_far_too_large_puts_its_unit_in_doubt():
    assert judged(span=np.full(32, 6e4), rms=np.full(32, 15e3)).faults == (Fault.UNIT_SUSPECT,)


def test_one_huge_channel_is_a_contact_and_not_the_unit():
    assert judged(rms=with_one(1e5, 15.0)).faults == (Fault.POOR_CONTACT,)


def test_faults_are_told_together():
    quality = judged(span=np.zeros(32), rms=np.zeros(32), out_of_range=True)
    assert quality.faults == (Fault.OUT_OF_RANGE, Fault.NOT_WORN)


@pytest.mark.parametrize("interpolated", [0, 1, 13])
def test_quality_sinks_with_each_channel_that_is_filled_in(interpolated: int):
    measured = 32 - interpolated
    quality = judged(
        span=np.full(measured, 60.0), rms=np.full(measured, 15.0), interpolated=interpolated
    )
    assert quality.overall == pytest.approx((measured + 0.5 * interpolated) / 32)
    assert quality.faults == ()  # the contract allows them, so they alone are no fault


def test_overall_quality_stays_between_nothing_and_all():
    rng = np.random.default_rng(0)
    for _ in range(200):
        quality = judged(
            span=rng.choice([0.0, 0.1, 60.0], 20),
            rms=10 ** rng.uniform(-3, 5, 20),
            interpolated=int(rng.integers(0, 13)),
        )
        assert 0.0 <= quality.overall <= 1.0
