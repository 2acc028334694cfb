from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from eeg_emotion.replay.actions import Action, Connect, Disconnect, Form, Send, TimedMarker
from eeg_emotion.replay.faults import FaultError, parse_faults
from eeg_emotion.replay.injector import Injector

SFREQ = 128.0
FORM = Form(("Fp1", "T3", "Cz", "Trigger"), ("µV", "mV", "uV", ""), SFREQ)
TRIGGER = 3


def times(seconds: float, first: float = 0.0) -> NDArray[np.float64]:
    return first + np.arange(round(seconds * SFREQ)) / SFREQ


def signal(at: NDArray[np.float64]) -> NDArray[np.float64]:
    """`(4, samples)`: every value occurs once, so that a lost or doubled sample shows."""
    offsets = np.array([[0.25], [10_000.5], [20_000.0], [30_000.0]])
    samples: NDArray[np.float64] = np.round(at * SFREQ) + offsets
    return samples


def play(text: str, seconds: float = 4.0, *, markers: Sequence[TimedMarker] = ()) -> list[Action]:
    """Do the faults to so many seconds, in chunks whose borders meet no whole second."""
    injector = Injector(FORM, parse_faults(text), reconnect_seconds=1.0)
    actions: list[Action] = []
    at = times(seconds)
    for part in np.split(at, range(7, len(at), 7)):
        received = [
            marker for marker in markers if part[0] <= marker.seconds < part[-1] + 1 / SFREQ
        ]
        for action in injector.process(signal(part), part, received):
            actions.append(action)
            if isinstance(action, Disconnect) and action.killed:
                return actions
    return [*actions, *injector.finish()]


def sends(actions: Sequence[Action]) -> list[Send]:
    return [action for action in actions if isinstance(action, Send)]


def sent(actions: Sequence[Action]) -> tuple[NDArray[np.floating], NDArray[np.float64]]:
    return (
        np.concatenate([send.samples for send in sends(actions)], axis=1),
        np.concatenate([send.stamps for send in sends(actions)]),
    )


def connections(actions: Sequence[Action]) -> list[Action]:
    return [action for action in actions if not isinstance(action, Send)]


def test_without_a_fault_everything_is_sent_as_it_is_when_its_last_sample_is_due() -> None:
    actions = play("")
    samples, stamps = sent(actions)
    np.testing.assert_array_equal(samples, signal(times(4)))
    np.testing.assert_array_equal(stamps, times(4))
    assert [send.due for send in sends(actions)] == [send.stamps[-1] for send in sends(actions)]
    assert not any(send.unix for send in sends(actions))


def test_a_drop_leaves_a_hole_in_stamps_and_values() -> None:
    samples, stamps = sent(play("drop 1500ms @1"))
    expected = np.concatenate([times(1), times(1.5, first=2.5)])
    np.testing.assert_array_equal(stamps, expected)
    np.testing.assert_array_equal(samples, signal(expected))


def test_a_freeze_holds_everything_back_and_sends_it_at_its_end_with_true_stamps() -> None:
    actions = play("freeze 2s @1", markers=[TimedMarker(1.5, "seen")])
    samples, stamps = sent(actions)
    np.testing.assert_array_equal(stamps, times(4))
    np.testing.assert_array_equal(samples, signal(times(4)))
    for send in sends(actions):
        assert send.due == (3.0 if 1 <= send.stamps[0] < 3 else send.stamps[-1])
        if send.markers:
            assert (send.due, send.markers) == (3.0, (TimedMarker(1.5, "seen"),))


def test_a_kill_takes_the_outlet_at_once_and_the_replay_with_it() -> None:
    actions = play("kill @1")
    np.testing.assert_array_equal(sent(actions)[1], times(1))
    assert connections(actions) == [actions[-1]] == [Disconnect(1.0, killed=True)]


def test_a_killed_stream_that_returns_is_the_same_and_time_went_on() -> None:
    actions = play("kill 2s @1")
    expected = np.concatenate([times(1), times(1, first=3)])
    samples, stamps = sent(actions)
    np.testing.assert_array_equal(stamps, expected)
    np.testing.assert_array_equal(samples, signal(expected))
    assert connections(actions) == [Disconnect(1.0, killed=False), Connect(3.0, FORM)]
    # Nothing comes before the connection that carries it.
    behind = actions[actions.index(Connect(3.0, FORM)) + 1]
    assert isinstance(behind, Send)
    assert behind.stamps[0] == 3.0


def test_swapped_channels_come_after_a_reconnection_with_honest_labels() -> None:
    actions = play("swap-channels @1; swap-channels @2; nan Cz @3.5")
    closed, first, _, second = connections(actions)
    assert closed == Disconnect(1.5, killed=False)
    assert isinstance(first, Connect)
    assert isinstance(second, Connect)
    assert (first.due, second.due) == (2.0, 3.0)
    for form, before in ((first.form, FORM), (second.form, first.form)):
        assert sorted(form.channels) == sorted(FORM.channels)
        assert all(new != old for new, old in zip(form.channels, before.channels, strict=True))
    _, stamps = sent(actions)
    np.testing.assert_array_equal(stamps, np.concatenate([times(1), times(1, first=3)]))
    for send in sends(actions):
        if len(send.stamps) and send.stamps[0] >= 3:
            order = [FORM.channels.index(label) for label in second.form.channels]
            assert second.form.units == tuple(FORM.units[number] for number in order)
            expected = signal(send.stamps)
            if send.stamps[0] >= 3.5:
                expected[2] = np.nan
            np.testing.assert_array_equal(send.samples, expected[order])
    assert connections(play("swap-channels @1")) == connections(play("swap-channels @1"))


def test_volts_are_stated_after_a_reconnection() -> None:
    actions = play("volts @1")
    form = Form(FORM.channels, ("V", "V", "V", ""), SFREQ)
    assert connections(actions) == [Disconnect(1.5, killed=False), Connect(2.0, form)]
    samples, stamps = sent(actions)
    factors = np.where(stamps >= 1, np.array([[1e-6], [1e-3], [1e-6], [1.0]]), 1.0)
    np.testing.assert_allclose(samples, signal(stamps) * factors, rtol=1e-12)


def test_silent_volts_change_the_numbers_alone() -> None:
    actions = play("volts silently @1")
    assert connections(actions) == []
    samples, stamps = sent(actions)
    np.testing.assert_array_equal(stamps, times(4))
    factors = np.where(stamps >= 1, np.array([[1e-6], [1e-3], [1e-6], [1.0]]), 1.0)
    np.testing.assert_allclose(samples, signal(stamps) * factors, rtol=1e-12)


def test_a_silent_lie_outlives_a_reconnection_until_it_is_stated() -> None:
    actions = play(
        "volts silently @0; rate 250 silently @0; swap-channels @1; volts @2; rate 250 @2"
    )
    forms = [action.form for action in actions if isinstance(action, Connect)]
    assert [form.sfreq for form in forms] == [SFREQ, 250.0]
    assert sorted(forms[0].units) == sorted(FORM.units)
    assert sorted(forms[1].units) == ["", "V", "V", "V"]


@pytest.mark.parametrize(("text", "gone"), [("rate 250 silently @1", 0.0), ("rate 250 @1", 1.0)])
def test_another_rate_continues_from_its_moment(text: str, gone: float) -> None:
    actions = play(text)
    samples, stamps = sent(actions)
    slow, fast = times(1), 1 + gone + np.arange(round((3 - gone) * 250)) / 250
    np.testing.assert_allclose(stamps, np.concatenate([slow, fast]), rtol=0, atol=1e-9)
    # A ramp stays a ramp, except the last samples, which rest on a held value.
    line = stamps[:-100] * SFREQ + 0.25
    np.testing.assert_allclose(samples[0, :-100], line, rtol=0, atol=0.5)
    assert {send.sfreq for send in sends(actions) if len(send.stamps)} == {SFREQ, 250.0}
    for send in sends(actions):
        if len(send.stamps):
            assert send.due == send.stamps[-1]
    changed = Form(FORM.channels, FORM.units, 250.0)
    expected = [Disconnect(1.5, killed=False), Connect(2.0, changed)] if gone else []
    assert connections(actions) == expected


def test_what_happens_at_one_moment_is_one_reconnection() -> None:
    actions = play("swap-channels @1; volts @1; rate 250 @1; kill 2s @1")
    closed, opened = connections(actions)
    assert closed == Disconnect(1.0, killed=False)
    assert isinstance(opened, Connect)
    assert (opened.due, opened.form.sfreq) == (3.0, 250.0)
    assert sorted(opened.form.units) == ["", "V", "V", "V"]
    assert opened.form.channels != FORM.channels


def test_channels_are_nan_for_a_time() -> None:
    samples, stamps = sent(play("nan t7,FP1 1s @1; nan all @3"))
    expected = signal(stamps)
    expected[:2, (stamps >= 1) & (stamps < 2)] = np.nan
    expected[:, stamps >= 3] = np.nan
    np.testing.assert_array_equal(samples, expected)


def test_a_flat_channel_stays_where_it_was() -> None:
    samples, stamps = sent(play("flat Cz 1s @1; flat Fp1 @2"))
    expected = signal(stamps)
    expected[2, (stamps >= 1) & (stamps < 2)] = 128 + 20_000.0
    expected[0, stamps >= 2] = 256 + 0.25
    np.testing.assert_array_equal(samples, expected)


def test_line_noise_has_its_amplitude_in_each_channels_unit() -> None:
    samples, stamps = sent(play("line-noise 60uV @1; line-noise 0.1mV 60Hz Cz 1s @2"))
    expected = signal(stamps)
    noise = 60 * np.sin(2 * np.pi * 50 * stamps) * (stamps >= 1)
    expected[:TRIGGER] += noise * np.array([[1.0], [1e-3], [1.0]])
    expected[2] += 100 * np.sin(2 * np.pi * 60 * stamps) * ((stamps >= 2) & (stamps < 3))
    np.testing.assert_allclose(samples, expected, rtol=0, atol=1e-9)


def test_noise_does_not_show_on_a_flat_channel_and_becomes_volts_with_the_signal() -> None:
    samples, stamps = sent(
        play("line-noise 60uV 30Hz Fp1,Cz @1; flat Fp1 @1.25; volts silently @1.5")
    )
    noise = 60 * np.sin(2 * np.pi * 30 * stamps)
    held = signal(np.array([1.25]))[0, 0] + noise[stamps == 1.25]
    late = stamps >= 1.5
    np.testing.assert_allclose(samples[0, late], np.full(late.sum(), held * 1e-6), rtol=1e-9)
    np.testing.assert_allclose(
        samples[2, late], (signal(stamps)[2] + noise)[late] * 1e-6, rtol=1e-9
    )


def test_a_clock_jump_shifts_all_stamps_from_there_and_another_adds_to_it() -> None:
    actions = play(
        "clock-jump -30s @1; clock-jump +5s @2",
        markers=[TimedMarker(1.0, "a"), TimedMarker(3.0, "b")],
    )
    _, stamps = sent(actions)
    true = times(4)
    shift = np.select([true >= 2, true >= 1], [-25.0, -30.0], 0.0)
    np.testing.assert_array_equal(stamps, true + shift)
    markers = [marker for send in sends(actions) for marker in send.markers]
    assert markers == [TimedMarker(-29.0, "a"), TimedMarker(-22.0, "b")]
    dues = [send.due for send in sends(actions)]
    assert dues == sorted(dues)
    assert dues[-1] == true[-1]


def test_unix_time_begins_at_its_moment() -> None:
    actions = play("unix-time @1")
    np.testing.assert_array_equal(sent(actions)[1], times(4))
    assert [send.unix for send in sends(actions)] == [
        send.stamps[0] >= 1 for send in sends(actions)
    ]


@pytest.mark.parametrize("text", ["drop 2s @1", "kill 2s @1", "rate 250 @1", "rate 20 silently @1"])
def test_markers_go_on_and_none_is_lost(text: str) -> None:
    markers = [TimedMarker(second / 8, str(second)) for second in range(31)]
    markers.append(TimedMarker(511 / SFREQ, "last"))
    actions = play(text, markers=markers)
    assert [marker for send in sends(actions) for marker in send.markers] == markers
    for send in sends(actions):
        for marker in send.markers:
            # A marker goes with the sample before it, 1/20 s at most; the last piece is long.
            assert marker.seconds - 1 / 20 <= send.due < marker.seconds + 1.0


def test_actions_come_in_order_of_time() -> None:
    text = "freeze 1s @0.5; swap-channels @1.5; rate 250 silently @2; kill 500ms @2.5; drop 1s @3"
    dues = [action.due for action in play(text)]
    assert dues == sorted(dues)


def test_what_was_not_reached_is_reported() -> None:
    faults = parse_faults("drop 1s @1; nan Fp1 @2; kill @4")
    injector = Injector(FORM, faults, reconnect_seconds=1.0)
    assert injector.unreached == faults
    at = times(2)
    list(injector.process(signal(at), at))
    assert injector.unreached == faults[1:]


def test_what_cannot_be_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(FaultError, match="found the channel 'oz'"):
        Injector(FORM, parse_faults("nan Oz @1"), reconnect_seconds=1.0)
