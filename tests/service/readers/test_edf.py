"""EDF and BDF files that strangers' recorders, crashes and transfers have made."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.edf import time_list, write_edf

from eeg_emotion.eeg.layout import ChannelsMissing, plan_layout
from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.readers.mne_files import read_recording
from eeg_emotion.recordings.recording import Recording, RecordingError

Digits = NDArray[np.integer]


def noise(seconds: int, rate: int, seed: int = 1) -> Digits:
    return np.random.default_rng(seed).normal(0.0, 300.0, seconds * rate).astype(np.int32)


def some(seconds: int, rate: int, count: int) -> list[Digits]:
    return [noise(seconds, rate, seed) for seed in range(count)]


def whole(recording: Recording) -> NDArray[np.floating]:
    return np.concatenate([stretch.samples for stretch in recording.stretches()], axis=1)


def pieces(recording: Recording) -> list[int]:
    lengths: list[int] = []
    for stretch in recording.stretches():
        if stretch.follows:
            lengths[-1] += stretch.samples.shape[1]
        else:
            lengths.append(stretch.samples.shape[1])
    return lengths


def notes(recording: Recording) -> list[tuple[int, str]]:
    placed, first = [], 0
    for stretch in recording.stretches():
        placed += [(first + marker.sample, marker.text) for marker in stretch.markers]
        first += stretch.samples.shape[1]
    return placed


# -- rates -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("eeg", "other"), [(256, 512), (256, 1), (128, 256), (250, 1000)])
@pytest.mark.parametrize("first", [True, False])
def test_the_eeg_is_read_at_its_own_rate(tmp_path: Path, eeg: int, other: int, first: bool) -> None:
    digits = [*some(25, eeg, 3), noise(25, other)]
    labels, rates = ["F3", "F4", "Cz", "ECG"], [eeg, eeg, eeg, other]
    order = [3, 0, 1, 2] if first else [0, 1, 2, 3]
    recording = read_recording(
        write_edf(
            tmp_path / "mixed.edf",
            [digits[k] for k in order],
            labels=[labels[k] for k in order],
            rates=[rates[k] for k in order],
        )
    )
    assert (recording.channels, recording.sfreq) == (("F3", "F4", "Cz"), float(eeg))
    np.testing.assert_allclose(whole(recording), np.stack(digits[:3]) / 10, atol=1e-3)
    assert recording.notes == (
        f"channels of another rate than the EEG's {eeg} Hz are left out: ECG ({other} Hz)",
    )


def test_few_electrodes_count_more_than_many_other_channels(tmp_path: Path) -> None:
    labels = ["EEG Fp1", "EEG Fp2", "Resp", "SpO2", "Flow", "Snore"]
    rates = [200, 200, 10, 10, 10, 10]
    digits = [noise(12, rate) for rate in rates]
    recording = read_recording(write_edf(tmp_path / "a.edf", digits, labels=labels, rates=rates))
    assert (recording.channels, recording.sfreq) == (("EEG Fp1", "EEG Fp2"), 200.0)


def test_a_bdf_of_24_bits_is_read(tmp_path: Path) -> None:
    digits = [np.array([-(1 << 23), -1, 0, 1, (1 << 23) - 1] * 20), noise(1, 100)]
    path = write_edf(tmp_path / "a.bdf", digits, labels=["Fp1", "Cz"], rates=[100, 100])
    np.testing.assert_allclose(whole(read_recording(path)), np.stack(digits), rtol=1e-12)


# -- cuts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "onsets", "lengths"),
    [
        pytest.param("EDF+D", "0 1 2 3", [400], id="discontinuous without a hole"),
        pytest.param("EDF+D", "5.5 6.5 7.5 8.5", [400], id="which begins later"),
        pytest.param("EDF+D", "0 1 3.25 4.25", [200, 200], id="a hole"),
        pytest.param("EDF+D", "0 1 2.01 3.01", [200, 200], id="one lost sample"),
        pytest.param("EDF+D", "0 1 0.5 1.5", [200, 200], id="a clock that was set back"),
        pytest.param("EDF+D", "0 2 4 6", [100, 100, 100, 100], id="a hole after each record"),
        pytest.param("EDF+C", "0 1 2 3", [400], id="continuous"),
    ],
)
def test_the_records_own_times_decide_where_it_is_cut(
    tmp_path: Path, kind: str, onsets: str, lengths: list[int]
) -> None:
    lists = [time_list(onset) for onset in onsets.split()]
    path = write_edf(
        tmp_path / "d.edf", some(4, 100, 1), labels=["Cz"], rates=[100], kind=kind, lists=lists
    )
    recording = read_recording(path)
    assert (pieces(recording), recording.notes) == (lengths, ())


def test_a_file_that_calls_itself_continuous_and_is_not_is_cut_and_noted(tmp_path: Path) -> None:
    lists = [time_list(onset) for onset in ("0", "1", "7", "8")]
    path = write_edf(
        tmp_path / "c.edf", some(4, 100, 1), labels=["Cz"], rates=[100], kind="EDF+C", lists=lists
    )
    recording = read_recording(path)
    assert pieces(recording) == [200, 200]
    assert "state 1 gap in time, though its header calls it EDF+C" in recording.notes[0]


def test_notes_lie_in_the_record_of_their_time(tmp_path: Path) -> None:
    lists = [time_list("0", ("0.5", b"a")), time_list("9", ("9.25", b"b"), ("1", b"late"))]
    path = write_edf(
        tmp_path / "d.edf", some(2, 100, 1), labels=["Cz"], rates=[100], kind="EDF+D", lists=lists
    )
    assert notes(read_recording(path)) == [(50, "a"), (99, "late"), (125, "b")]


@pytest.mark.parametrize(
    ("text", "shown"),
    [(b"M\xfcller", "Müller"), ("Lärm".encode(), "Lärm"), (b"\x81\x40\xff", "\x81@ÿ")],
)
def test_a_note_of_another_code_page_does_not_hide_the_signal(
    tmp_path: Path, text: bytes, shown: str
) -> None:
    digits, lists = some(2, 100, 1), [time_list("0", ("0.5", text)), time_list("1")]
    path = write_edf(
        tmp_path / "n.edf", digits, labels=["Cz"], rates=[100], kind="EDF+C", lists=lists
    )
    recording = read_recording(path)
    assert notes(recording) == [(50, shown)]
    np.testing.assert_allclose(whole(recording), np.stack(digits) / 10, atol=1e-3)


# -- length and structure ----------------------------------------------------------------------


def plain(path: Path, **changes: object) -> tuple[Path, NDArray[np.floating]]:
    digits = some(40, 256, 2)
    write_edf(path, digits, labels=["Fp1", "Cz"], rates=[256, 256], **changes)  # type: ignore[arg-type]
    return path, np.stack(digits) / 10


@pytest.mark.parametrize("missing", [1, 500, 1024, 1025])
@pytest.mark.parametrize("records", [40, -1, 0])
def test_what_a_crashed_recorder_has_written_whole_is_read(
    tmp_path: Path, missing: int, records: int
) -> None:
    path, values = plain(tmp_path / "crash.edf", records=records)
    path.write_bytes(path.read_bytes()[:-missing])
    recording = read_recording(path)
    kept = 256 * (40 - -(-missing // 1024))
    np.testing.assert_allclose(whole(recording), values[:, :kept], atol=1e-3)
    # A whole number of records where the header leaves the number open is nothing to report.
    assert bool(recording.notes) == (records == 40 or missing != 1024)
    assert all("if its source is longer, copy it again" in note for note in recording.notes)


def test_a_file_without_a_whole_record_is_refused(tmp_path: Path) -> None:
    path, _ = plain(tmp_path / "a.edf")
    path.write_bytes(path.read_bytes()[:1700])
    with pytest.raises(RecordingError, match=r"found 932 bytes .*no record is complete"):
        read_recording(path)


@pytest.mark.parametrize("filling", [b"\x00" * 300, b"\x1a"])
def test_a_filling_after_the_last_record_is_not_read_as_signal(
    tmp_path: Path, filling: bytes
) -> None:
    path, values = plain(tmp_path / "a.edf")
    path.write_bytes(path.read_bytes() + filling)
    recording = read_recording(path)
    np.testing.assert_allclose(whole(recording), values, atol=1e-3)
    assert f"it has {len(filling)} bytes after the last record" in recording.notes[0]


def test_a_longer_file_than_its_header_says_is_refused(tmp_path: Path) -> None:
    path, _ = plain(tmp_path / "a.edf")
    content = path.read_bytes()
    path.write_bytes(content[:9000] + b"inserted" + content[9000:])
    with pytest.raises(RecordingError, match=r"found 40968 bytes .*expected 40960 .*inserted"):
        read_recording(path)


@pytest.mark.parametrize("at", [9_000, 20_000])
@pytest.mark.parametrize("change", [b"xyz", b""])
def test_bytes_inserted_or_lost_within_an_edf_plus_are_found_by_its_times(
    tmp_path: Path, at: int, change: bytes
) -> None:
    path, _ = plain(
        tmp_path / "a.edf", kind="EDF+C", lists=[time_list(str(second)) for second in range(40)]
    )
    content = path.read_bytes()
    path.write_bytes(content[:at] + change + content[at + 1 :])
    with pytest.raises(RecordingError, match=r"found no time in record .*binary mode"):
        read_recording(path)


@pytest.mark.parametrize(
    ("field", "text", "found"),
    [
        (252, b"zwei", "found 'zwei' as the number of signals"),
        (252, b"0   ", "for 0 signals"),
        (184, b"9999    ", "a header of 9999 bytes for 2 signals"),
        (244, b"0       ", "found records of 0 s"),
        (244, b"nan     ", "found 'nan' as the duration"),
        (0, b"PK......", "a file that begins with"),
    ],
)
def test_a_header_that_cannot_be_is_refused_by_its_field(
    tmp_path: Path, field: int, text: bytes, found: str
) -> None:
    path, _ = plain(tmp_path / "a.edf")
    content = path.read_bytes()
    path.write_bytes(content[:field] + text + content[field + len(text) :])
    with pytest.raises(RecordingError, match=r"a\.edf: found.*expected") as refusal:
        read_recording(path)
    assert found in str(refusal.value)


# -- digits ------------------------------------------------------------------------------------


def test_a_digital_range_beyond_the_files_bits_is_refused(tmp_path: Path) -> None:
    path, _ = plain(tmp_path / "a.edf", digital=(-1_520_000, 1_520_000))
    with pytest.raises(RecordingError, match=r"1\.52e\+06 in a file of 16 bits .*wrapped.*as BDF"):
        read_recording(path)


def wrapped(values: NDArray[np.floating]) -> Digits:
    return np.asarray(values).astype(np.int64).astype(np.int16).astype(np.int32)


def test_samples_that_have_wrapped_are_refused(tmp_path: Path) -> None:
    time = np.arange(20 * 200) / 200
    digits = [wrapped(40_000 * np.sin(2 * np.pi * time)), wrapped(90_000 * np.cos(3 * time))]
    path = write_edf(tmp_path / "a.edf", digits, labels=["Fp1", "Cz"], rates=[200, 200])
    with pytest.raises(RecordingError, match=r"in 2 of 2 channels .*steps of nearly 65536 digits"):
        read_recording(path)


def test_one_wrapped_channel_is_left_out_and_named(tmp_path: Path) -> None:
    time = np.arange(20 * 200) / 200
    digits = [*some(20, 200, 3), wrapped(40_000 * np.sin(2 * np.pi * time))]
    path = write_edf(tmp_path / "a.edf", digits, labels=["Fp1", "Cz", "Pz", "O1"], rates=[200] * 4)
    recording = read_recording(path)
    assert recording.channels == ("Fp1", "Cz", "Pz")
    assert "left out: O1 (O1: " in recording.notes[0]


def test_an_amplifier_that_saturates_has_not_wrapped(tmp_path: Path) -> None:
    railed = np.where(np.arange(4000) % 50 < 25, 32_767, -32_768)
    path = write_edf(
        tmp_path / "a.edf", [railed, noise(20, 200)], labels=["Fp1", "Cz"], rates=[200] * 2
    )
    recording = read_recording(path)
    assert (len(recording.channels), recording.notes) == (2, ())


# -- labels and units --------------------------------------------------------------------------


def test_two_channels_of_one_electrode_are_refused_as_live(tmp_path: Path) -> None:
    labels = [*DEAP32, "F7"]
    path = write_edf(tmp_path / "a.edf", some(2, 100, 33), labels=labels, rates=[100] * 33)
    recording = read_recording(path)
    assert recording.channels == tuple(labels)
    with pytest.raises(ChannelsMissing, match="more than one channel labelled F7"):
        plan_layout(recording.channels, recording.units, channels=DEAP32, max_interpolated=13)


@pytest.mark.parametrize(
    "unit",
    [b"\x83\xcaV", "µV".encode(), "μV".encode(), b"\xb5V", b"\xe6V", b"\xa6\xccV", "мкВ".encode()],
)
def test_a_micro_sign_of_any_code_page_is_read(tmp_path: Path, unit: bytes) -> None:
    path = write_edf(
        tmp_path / "a.edf", some(2, 100, 32), labels=DEAP32, rates=[100] * 32, units=[unit] * 32
    )
    recording = read_recording(path)
    layout = plan_layout(recording.channels, recording.units, channels=DEAP32, max_interpolated=0)
    assert set(layout.microvolts) == {1.0}


def test_edf_needs_no_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mne", None)
    path, values = plain(tmp_path / "a.edf")
    np.testing.assert_allclose(whole(read_recording(path)), values, atol=1e-3)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda b: b.replace(b"\n", b"\r\n"), "a carriage return before every line feed"),
        (lambda b: b.decode("latin-1").encode(), "its bytes converted to UTF-8"),
        (lambda b: bytes(byte & 127 for byte in b), "no byte above 127"),
        (lambda _: b"<!DOCTYPE html><title>404</title>", "a web page"),
    ],
)
@pytest.mark.parametrize("kind", ["", "EDF+C"])
def test_the_cause_of_damage_by_a_transfer_comes_first(
    tmp_path: Path, damage: Callable[[bytes], bytes], named: str, kind: str
) -> None:
    lists = [time_list(str(second)) for second in range(40)] if kind else None
    path, _ = plain(tmp_path / "a.edf", kind=kind, lists=lists)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(RecordingError, match=rf"a\.edf: found {named}.*expected"):
        read_recording(path)
