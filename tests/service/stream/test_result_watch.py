from __future__ import annotations

import pytest

from eeg_emotion.codes import Reason
from eeg_emotion.stream.result_watch import WITHOUT_SCORE_SECONDS, ResultWatch

OPENED = 100.0


def test_nothing_is_said_for_the_first_seconds_nor_while_windows_are_valid() -> None:
    watch = ResultWatch(OPENED)
    assert watch.describe(OPENED + WITHOUT_SCORE_SECONDS - 0.1) is None
    for second in range(200):
        watch.on_window((), OPENED + second)
        assert not watch.without_score(OPENED + second + 20.0)
        assert watch.describe(OPENED + second + 20.0) is None


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason != Reason.WARMING_UP])
def test_the_most_frequent_reason_is_named_with_what_to_do(reason: Reason) -> None:
    watch = ResultWatch(OPENED)
    for second in range(40):
        watch.on_window((Reason.WARMING_UP,), OPENED + second)
        if second % 2:
            watch.on_window((reason,), OPENED + second)
    reported = watch.describe(OPENED + 40.0)
    assert reported is not None
    assert f"no valid window for 30 s or more, most often {reason}" in reported
    assert reason.remedy in reported
    # It stays the same while nothing changes: each new text is published and logged.
    assert watch.describe(OPENED + 400.0) == reported


def test_filters_that_settle_are_named_if_nothing_else_is() -> None:
    watch = ResultWatch(OPENED)
    watch.on_window((Reason.WARMING_UP,), OPENED)
    assert watch.main_reason is Reason.WARMING_UP


def test_a_signal_that_never_completes_a_window_is_named() -> None:
    reported = ResultWatch(OPENED).describe(OPENED + 31.0)
    assert reported is not None
    assert "breaks off" in reported
    assert "battery" in reported


def test_what_was_before_the_last_valid_window_counts_no_more() -> None:
    watch = ResultWatch(OPENED)
    for second in range(40):
        watch.on_window((Reason.NOT_WORN,), OPENED + second)
    watch.on_window((), OPENED + 41.0)
    watch.on_window((Reason.GAP, Reason.WARMING_UP), OPENED + 42.0)
    assert watch.main_reason is Reason.GAP
    assert not watch.without_score(OPENED + 70.0)
    assert watch.without_score(OPENED + 71.0)
