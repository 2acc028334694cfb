"""The inlet against real outlets in a process of their own."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import numpy as np
import pylsl
import pytest
from tests.support.headset import headset_process

from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.lsl.doubles import describe_doubles
from eeg_emotion.lsl.inlet import (
    HeadsetInlet,
    HeadsetLostError,
    HeadsetUnreachableError,
    StreamDescription,
    headset_id,
    headset_id_from,
)
from eeg_emotion.stream.selection import HeadsetFilter


@pytest.fixture
def headset(lsl_session: str) -> Iterator[subprocess.Popen[bytes]]:
    with headset_process(lsl_session, own_source_id(), np.zeros((32, 60 * 128))) as process:
        yield process


def resolve(source_id: str) -> pylsl.StreamInfo:
    (info,) = pylsl.resolve_byprop("source_id", source_id, minimum=1, timeout=60)
    return info


def until(enough: Callable[[], bool]) -> None:
    """Look as often as the poller does."""
    deadline = time.monotonic() + 60
    while not enough():
        assert time.monotonic() < deadline
        time.sleep(0.004)


def own_source_id() -> str:
    return f"headset-{os.getpid()}"


def test_the_metadata_come_through_the_open_connection(headset: subprocess.Popen[bytes]) -> None:
    info = resolve(own_source_id())
    assert info.get_channel_labels() in (None, [], [None] * 32)
    inlet = HeadsetInlet(info)
    description = inlet.description
    inlet.close()
    assert description.labels == DEAP32
    assert set(description.units) == {"microvolts"}
    assert description.sfreq == 128.0
    assert description.simulated is True
    assert description.uid == info.uid()


def test_samples_come_channels_first_and_pulling_does_not_wait(
    headset: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    inlet = HeadsetInlet(resolve(own_source_id()))
    stamps: list[float] = []
    waits: set[float] = set()
    pull_chunk = inlet._inlet.pull_chunk

    def noted(*, timeout: float, max_samples: int) -> tuple[object, object]:
        waits.add(timeout)
        samples, stamps = pull_chunk(timeout=timeout, max_samples=max_samples)
        return samples, stamps

    monkeypatch.setattr(inlet._inlet, "pull_chunk", noted)

    def enough() -> bool:
        samples, new = inlet.pull()
        assert samples.shape == (32, len(new))
        stamps.extend(new)
        return len(stamps) >= 64

    until(enough)
    inlet.close()
    assert waits == {0.0}
    np.testing.assert_allclose(np.diff(stamps), 1 / 128, atol=1e-9)
    # Both processes use this machine's clock, so the offset is next to nothing.
    assert abs(inlet.clock_offset) < 0.01


def test_a_killed_source_is_lost_at_the_next_pull(headset: subprocess.Popen[bytes]) -> None:
    inlet = HeadsetInlet(resolve(own_source_id()))
    headset.kill()
    headset.wait()
    with pytest.raises(HeadsetLostError):
        until(lambda: inlet.pull() is None)


def test_a_stream_that_no_longer_answers_is_unreachable_after_its_time_limit(
    headset: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eeg_emotion.lsl.inlet._OPEN_TIMEOUT_SECONDS", 0.5)
    info = resolve(own_source_id())
    headset.send_signal(signal.SIGSTOP)
    with pytest.raises(HeadsetUnreachableError, match=r"announced but could not be opened"):
        HeadsetInlet(info)
    headset.send_signal(signal.SIGCONT)


def describe_channels(channels: pylsl.XMLElement, *stated: dict[str, str]) -> None:
    for values in stated:
        channel = channels.append_child("channel")
        for name, value in values.items():
            channel.append_child_value(name, value)


def described(
    source_id: str, count: int, describe: Callable[[pylsl.XMLElement], object]
) -> StreamDescription:
    """Read over the network what an outlet with these metadata is described as."""
    info = pylsl.StreamInfo(source_id, "EEG", count, 500.0, "int16", source_id)
    describe(info.desc())
    outlet = pylsl.StreamOutlet(info)
    inlet = HeadsetInlet(resolve(source_id))
    inlet.close()
    del outlet
    return inlet.description


def test_labels_and_units_are_found_where_neuroelectrics_puts_them() -> None:
    def describe(desc: pylsl.XMLElement) -> None:
        desc.append_child_value("manufacturer", "NeuroElectrics")
        describe_channels(
            desc,
            {"name": "P7", "unit": "microvolts", "type": "EEG"},
            {"name": " P8 ", "unit": "microvolts"},
        )
        desc.append_child_value("serial", "12")

    description = described("neuroelectrics", 2, describe)
    assert description.labels == ("P7", "P8")
    assert description.units == ("microvolts",) * 2
    assert description.simulated is False
    assert description.replay_speed == 1.0


@pytest.mark.parametrize(
    ("stated", "labels", "units"),
    [
        ((), (), ("", "", "")),
        (({"label": "Fp1", "unit": "uV"},), ("Fp1",), ("uV", "", "")),
        (
            ({"label": "Fp1"}, {"unit": "uV"}, {"label": "Cz", "name": "EEG-3", "unit": "V"}),
            ("Fp1", "", "Cz"),
            ("", "uV", "V"),
        ),
        (({"unit": "uV"}, {"unit": "uV"}, {"type": "EEG"}), (), ("uV", "uV", "")),
        (({"label": "Fp1", "unit": "uV"},) * 4, ("Fp1",) * 4, ("", "", "")),
    ],
    ids=["empty", "too few", "in part", "units only", "too many"],
)
def test_metadata_that_are_given_in_part_are_taken_as_far_as_they_go(
    stated: tuple[dict[str, str], ...], labels: tuple[str, ...], units: tuple[str, ...]
) -> None:
    description = described(
        f"partial-{os.getpid()}",
        3,
        lambda desc: describe_channels(desc.append_child("channels"), *stated),
    )
    assert description.labels == labels
    assert description.units == units
    assert description.channel_count == 3
    assert description.is_text is False


def test_a_stream_that_says_nothing_of_itself_is_described() -> None:
    description = described("bare", 2, lambda desc: None)
    assert description.labels == ()
    assert description.units == ("", "")


def test_a_replay_speed_that_is_no_number_is_none() -> None:
    description = described(
        "fast", 1, lambda desc: desc.append_child("replay").append_child_value("speed", "fast")
    )
    assert description.replay_speed == 1.0


@pytest.mark.parametrize(
    ("name", "source_id", "expected"),
    [
        ("Cap", "ACME 01/7", "acme-01-7-f97e8e5f"),
        ("Cap", "simulated-2026-7", "simulated-2026-7"),
        ("***", "***", "headset-596f4162"),
        ("EEG", "脑电一", "headset-d0723f6a"),
        ("EEG", "脑电二", "headset-c1747b80"),
    ],
)
def test_the_id_is_the_slug_of_the_source_id(name: str, source_id: str, expected: str) -> None:
    assert headset_id(pylsl.StreamInfo(name, "EEG", 1, 128.0, "float32", source_id)) == expected


def test_without_a_source_id_name_and_host_make_the_id() -> None:
    first, second = (headset_id_from("", "Cap", host) for host in ("lab-1", "lab.1"))
    assert first.startswith("cap-lab-1-")
    assert second.startswith("cap-lab-1-")
    assert first != second


def doubles(*names: str) -> str:
    infos = [pylsl.StreamInfo(name, "EEG", 1, 128.0, "float32", "one") for name in names]
    return describe_doubles("one", infos)


def test_the_pattern_that_selects_one_of_several_streams_selects_it_alone() -> None:
    names = ("Tom's cap [left]*" + 80 * "x", "Tom's cap l")
    *_, pattern = shlex.split(doubles(*names).rpartition("such as ")[2])
    chosen = HeadsetFilter(match=(pattern,))
    assert [chosen.follows("one", name) for name in names] == [True, False]


def test_streams_of_one_name_cannot_be_selected_by_it() -> None:
    assert "--match" not in doubles("Cap", "Cap")


def test_a_crowd_of_streams_with_one_id_is_reported_in_bounded_words() -> None:
    text = doubles(*(f"{number} {'x' * 5000}" for number in range(300)))
    assert "found 300 streams" in text
    assert " and 296 more; " in text
    assert len(text) < 1000


def test_fewer_samples_than_the_minimum_stay_for_a_while(lsl_session: str) -> None:
    name = f"waiting-{os.getpid()}"
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(name, "EEG", 2, 128.0, "float32", name))
    inlet = HeadsetInlet(resolve(name))

    def send(count: int) -> None:
        outlet.push_chunk(np.zeros((count, 2), dtype=np.float32))
        while inlet._inlet.samples_available() < count:  # nothing else shows it without a pull
            time.sleep(0.001)

    send(5)
    counts = [inlet.pull(6)[0].shape[1] for _ in range(32)]
    # Now and then it is pulled anyway, since only that detects a closed connection.
    assert counts[0] == 0
    assert sorted(counts)[-2:] == [0, 5]
    send(6)
    assert inlet.pull(6)[0].shape == (2, 6)
    inlet.close()


def test_a_buffer_that_ran_full_is_noticed_and_its_backlog_dropped(lsl_session: str) -> None:
    name = f"late-{os.getpid()}"
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(name, "EEG", 2, 100.0, "float32", name))
    inlet = HeadsetInlet(resolve(name))

    def send(seconds: int) -> None:
        rows = np.zeros((seconds * 100, 2), dtype=np.float32)
        # Its buffer holds 12 s; what is sent faster than it is read may not be in it at once.
        for row in np.split(rows, seconds):
            outlet.push_chunk(row)

    send(6)
    until(lambda: inlet._inlet.samples_available() == 600)
    assert len(inlet.pull()[1]) == 200
    assert not inlet.overflowed  # late, but nothing is lost
    send(20)
    until(lambda: inlet._inlet.samples_available() >= 1200)
    assert len(inlet.pull()[1]) == 200
    assert inlet.overflowed
    assert inlet._inlet.samples_available() < 1000
    until(lambda: not inlet.pull()[1].size)
    send(1)
    until(lambda: inlet._inlet.samples_available() == 100)
    assert len(inlet.pull()[1]) == 100
    assert not inlet.overflowed
    inlet.close()
