from __future__ import annotations

import pytest

from eeg_emotion.replay.actions import Form
from eeg_emotion.replay.fault_check import affected, check
from eeg_emotion.replay.faults import ChannelFault, FaultError, parse_faults

MIXED = Form(("Fp1", "T3", "Trigger"), ("µV", "mV", ""), 128.0)
VOLTS = Form(("Fp1", "Cz"), ("V", "V"), 128.0)
COUNTS = Form(("Fp1", "Cz"), ("counts", ""), 128.0)
ALONE = Form(("Fp1",), ("µV",), 128.0)


def refusal(text: str, form: Form = MIXED) -> str:
    with pytest.raises(FaultError) as refused:
        check(form, parse_faults(text), reconnect_seconds=1.0)
    return str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "drop 2s @1; drop 2s @3; freeze 2s @5; kill 2s @7; swap-channels @9; volts @10",
        "drop 200ms @0.1; freeze 1s @0.3; nan Fp1 200ms @0.1; flat Fp1 @0.3",  # 0.1 + 0.2 > 0.3
        "swap-channels @1; volts @1; rate 250 @1; kill 3s @1",
        "nan Fp1 2s @1; flat Fp1 @3; nan T7 @2; line-noise 1uV @1; line-noise 1uV 60Hz @1",
        "freeze 5s @1; clock-jump -1s @2; nan all @2; volts silently @3; unix-time @4",
        "volts silently @1; volts @2",
        "rate 250 silently @1; rate 250 @2; rate 128 silently @5",
        "kill @1; volts @2; volts @2.5; drop 1s @2",  # what comes after the end is not looked at
    ],
)
def test_what_makes_sense_together_is_taken(text: str) -> None:
    check(MIXED, parse_faults(text), reconnect_seconds=1.0)


@pytest.mark.parametrize(
    ("text", "before"),
    [
        ("freeze 2s @1; drop 1s @2.5", "freeze 2s @1"),
        ("drop 2s @1; kill @2.5", "drop 2s @1"),
        ("drop 2s @1; swap-channels @1", "drop 2s @1"),
        ("swap-channels @2; volts @2.5", "swap-channels @2"),
        ("kill 1s @2; drop 1s @2.5", "kill 1s @2"),
        ("kill 1s @2; rate 250 @2; freeze 1s @2.9", "rate 250 @2"),
    ],
)
def test_two_cannot_both_decide_whether_anything_is_sent(text: str, before: str) -> None:
    message = refusal(text)
    assert f"fault {text.rpartition('; ')[2]!r}: found {before!r} under way until 3 s" in message
    assert message.endswith("write @3")


def test_an_end_is_not_shortened_by_a_fault_of_the_same_moment() -> None:
    assert "until 6 s" in refusal("kill 5s @1; volts @1; drop 1s @3")


@pytest.mark.parametrize(
    ("text", "form", "found"),
    [
        ("nan Cz @1", MIXED, "found the channel 'cz', expected one or more of: Fp1, T3, Trigger"),
        ("line-noise 1uV Trigger @1", MIXED, "found channels without a unit of voltage"),
        ("line-noise 1uV @1", COUNTS, "without a unit of voltage (units: counts, none)"),
        ("volts @1", COUNTS, "without a unit of voltage (units: counts, none)"),
        ("volts @1", VOLTS, "found volts already"),
        ("volts silently @1", VOLTS, "found volts already"),
        ("volts @1; volts silently @3", MIXED, "found volts already"),
        ("rate 128 @1", MIXED, "found 128 Hz already"),
        ("rate 250 @1; rate 250 silently @3", MIXED, "found 250 Hz already"),
        ("rate 10 @1", MIXED, "found 10 Hz, expected 20 to 4096 Hz"),
        ("rate 9999 @1", MIXED, "found 9999 Hz, expected 20 to 4096 Hz"),
        ("swap-channels @1", ALONE, "found one channel, expected several"),
        ("line-noise 1uV 64Hz @1", MIXED, "found 64 Hz at 128 samples a second"),
        ("rate 100 @1; line-noise 1uV 50Hz @3", MIXED, "found 50 Hz at 100 samples a second"),
        ("nan Fp1 @1; flat all @3", MIXED, "found Fp1 under 'nan Fp1 @1' at that time"),
        ("flat T3,Fp1 3s @1; flat T7 @3", MIXED, "found T3 under 'flat T3,Fp1 3s @1'"),
    ],
)
def test_what_cannot_happen_or_changes_nothing_is_refused(
    text: str, form: Form, found: str
) -> None:
    message = refusal(text, form)
    assert message.startswith(f"fault {text.rpartition('; ')[2]!r}: found")
    assert found in message
    assert "expected" in message


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("nan all @1", [0, 1, 2]),
        ("flat EEG T7-REF,fp1 @1", [0, 1]),
        ("line-noise 1uV @1", [0, 1]),
        ("line-noise 1uV T3 @1", [1]),
    ],
)
def test_channels_are_found_by_label(text: str, numbers: list[int]) -> None:
    (fault,) = parse_faults(text)
    assert isinstance(fault, ChannelFault)
    assert affected(MIXED, fault).tolist() == numbers
