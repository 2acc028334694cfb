from __future__ import annotations

import re
from math import inf
from pathlib import Path

import pytest

from eeg_emotion.replay.faults import (
    ClockJump,
    Drop,
    Fault,
    FaultError,
    Flat,
    Freeze,
    Kill,
    LineNoise,
    Nan,
    Rate,
    SwapChannels,
    UnixTime,
    Volts,
    parse_faults,
    read_faults,
)

VERBS = (
    "drop 2s",
    "freeze 5s",
    "kill [5s]",
    "swap-channels",
    "volts [silently]",
    "rate 250[Hz] [silently]",
    "nan Fp1[,Fp2]|all [3s]",
    "flat Fp1[,Fp2]|all [3s]",
    "line-noise 60uV [50Hz] [Fp1[,Fp2]|all] [3s]",
    "clock-jump -30s",
    "unix-time",
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("drop 2s @10", Drop(10.0, "", 2.0)),
        ("drop 250ms @1.5", Drop(1.5, "", 0.25)),
        ("freeze 5 s @20s", Freeze(20.0, "", 5.0)),
        ("kill @70", Kill(70.0, "", inf)),
        ("kill 5s @700ms", Kill(0.7, "", 5.0)),
        ("swap-channels @30", SwapChannels(30.0, "")),
        ("volts @40", Volts(40.0, "", silently=False)),
        ("Volts  Silently @ 40", Volts(40.0, "", silently=True)),
        ("rate 250 @60", Rate(60.0, "", 250.0, silently=False)),
        ("rate 62.5Hz silently @0", Rate(0.0, "", 62.5, silently=True)),
        ("nan Fp1 @50", Nan(50.0, "", inf, ("fp1",))),
        ("nan EEG Fp1, T3 3s @50", Nan(50.0, "", 3.0, ("fp1", "t7"))),
        ("flat all 3s @5", Flat(5.0, "", 3.0, None)),
        ("line-noise 60uV @90", LineNoise(90.0, "", inf, None, 60.0, 50.0)),
        ("line-noise 60 µV 60Hz @90", LineNoise(90.0, "", inf, None, 60.0, 60.0)),
        ("line-noise 60\u03bcV 2s @90", LineNoise(90.0, "", 2.0, None, 60.0, 50.0)),
        ("line-noise 0.2mV Fp1,Cz @9", LineNoise(9.0, "", inf, ("fp1", "cz"), 200.0, 50.0)),
        ("line-noise 1uV 60 Hz all 2s @9", LineNoise(9.0, "", 2.0, None, 1.0, 60.0)),
        ("clock-jump -30s @80", ClockJump(80.0, "", -30.0)),
        ("clock-jump +500ms @80", ClockJump(80.0, "", 0.5)),
        ("unix-time @0", UnixTime(0.0, "")),
    ],
)
def test_each_verb_is_read(text: str, expected: Fault) -> None:
    assert parse_faults(text) == (expected,)


def test_items_come_in_order_of_time_and_keep_their_text() -> None:
    text = """
    kill @70 # the end; drop 1s @3
    unix-time @0; swap-channels @30;;volts @30

    # nothing here
    """
    assert [fault.text for fault in parse_faults(text)] == [
        "unix-time @0",
        "swap-channels @30",
        "volts @30",
        "kill @70",
    ]


def test_no_text_is_no_fault() -> None:
    assert parse_faults(" ; # nothing") == ()


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("drop 2s", ["found no time", "write 'drop 2s @10'"]),
        ("drop 2s @", ["found the time ''", "write @10"]),
        ("drop 2s @-1", ["found the time '-1'", "expected seconds"]),
        ("drop 2s @1e3", ["found the time '1e3'"]),
        ("unplug Fp1 @3", ["found the verb 'unplug'", "expected one of", *VERBS]),
        ("@3", ["found the verb ''", *VERBS]),
        ("drop @3", ["expected the form: drop 2s"]),
        ("drop 2 @3", ["expected the form: drop 2s"]),
        ("drop 2s Fp1 @3", ["expected the form: drop 2s"]),
        ("drop 2s @1 @3", ["expected the form: drop 2s"]),
        ("drop 0.0S @3", ["found 0.0S", "expected more than 0"]),
        ("kill soon @3", ["expected the form: kill [5s]"]),
        ("swap-channels 3s @3", ["expected the form: swap-channels"]),
        ("volts loudly @3", ["expected the form: volts [silently]"]),
        ("rate @3", ["expected the form: rate 250[Hz] [silently]"]),
        ("rate 0 @3", ["found 0", "expected more than 0"]),
        ("nan @3", ["expected the form: nan Fp1"]),
        ("nan 3s @3", ["expected the form: nan Fp1"]),
        ("line-noise @3", ["expected the form: line-noise 60uV"]),
        ("line-noise 60 @3", ["expected the form: line-noise 60uV"]),
        ("line-noise 0uV @3", ["found 0", "expected more than 0"]),
        ("clock-jump 30s @3", ["expected the form: clock-jump -30s"]),
        ("clock-jump -0s @3", ["found 0s", "expected more than 0"]),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_item(item: str, words: list[str]) -> None:
    with pytest.raises(FaultError, match=re.escape(f"fault {item!r}: found")) as refused:
        parse_faults(f"drop 1s @1; {item}; drop 1s @5")
    for word in words:
        assert word in str(refused.value)


def test_a_file_gives_the_same_faults(tmp_path: Path) -> None:
    file = tmp_path / "faults.txt"
    file.write_text("drop 2s @10 # a hole\nline-noise 60µV @3; kill @70\n", encoding="utf-8")
    assert read_faults(file) == parse_faults("drop 2s @10; line-noise 60µV @3; kill @70")


@pytest.mark.parametrize("content", [None, b"drop 2s @10 \xff"])
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "faults.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(FaultError, match=r"faults\.txt: found no readable text .*expected.*check"):
        read_faults(file)
