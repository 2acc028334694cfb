from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tests.support.needs import SHARED

from eeg_emotion.extras import MissingExtraError
from eeg_emotion.readers.mne_files import read_recording
from eeg_emotion.recordings.recording import Marker, Recording, RecordingError, Stretch
from eeg_emotion.recordings.simulation import SIMULATED_MANUFACTURER

mne = pytest.importorskip("mne", reason="MNE is not installed (the extra 'recordings')")

needs_shared = pytest.mark.needs("shared")


def whole(recording: Recording) -> np.ndarray:
    return np.concatenate([stretch.samples for stretch in recording.stretches()], axis=1)


def runs(recording: Recording) -> list[int]:
    """The lengths of the contiguous parts."""
    lengths: list[int] = []
    for stretch in recording.stretches():
        if stretch.follows:
            lengths[-1] += stretch.samples.shape[1]
        else:
            lengths.append(stretch.samples.shape[1])
    return lengths


def markers(recording: Recording) -> list[tuple[int, str]]:
    """Every marker with its sample counted from the beginning of what is played."""
    placed, first = [], 0
    for stretch in recording.stretches():
        placed += [(first + marker.sample, marker.text) for marker in stretch.markers]
        first += stretch.samples.shape[1]
    return placed


# -- EDF ---------------------------------------------------------------------------------------


def edf(
    path: Path,
    units: Sequence[str],
    digital: np.ndarray,
    *,
    sfreq: int = 100,
    records: int | None = None,
    kind: str = "",
    equipment: str = "",
    notes: Sequence[tuple[float, str]] = (),
) -> Path:
    """Write `(channels, samples)` int16 in records of 1 s; one digital step is half a unit."""
    labels = [f"EEG C{index}" for index in range(len(units))]
    units, widths = list(units), [sfreq] * len(units)
    if kind:
        labels, units, widths = [*labels, "EDF Annotations"], [*units, ""], [*widths, 60]
    count = len(labels)
    seconds = digital.shape[1] // sfreq
    recorded = f"Startdate 01-JAN-2020 X X {equipment}" if equipment else ""

    def field(width: int, *values: object) -> bytes:
        return b"".join(str(value).encode("latin-1").ljust(width) for value in values)

    header = (
        field(8, 0) + field(80, "X X X X") + field(80, recorded) + field(8, "01.01.20", "00.00.00")
        + field(8, 256 * (count + 1)) + field(44, kind)
        + field(8, seconds if records is None else records, 1) + field(4, count)
        + field(16, *labels) + field(80, *[""] * count) + field(8, *units)
        + field(8, *[-16384] * count) + field(8, *[16383.5] * count)
        + field(8, *[-32768] * count) + field(8, *[32767] * count)
        + field(80, *[""] * count) + field(8, *widths) + field(32, *[""] * count)
    )  # fmt: skip
    body = b""
    for second in range(seconds):
        body += digital[:, second * sfreq : (second + 1) * sfreq].astype("<i2").tobytes()
        if kind:
            lists = f"+{second}\x14\x14\x00" + "".join(
                f"+{onset}\x14{text}\x14\x00" for onset, text in notes if onset // 1 == second
            )
            body += lists.encode().ljust(120, b"\x00")
    path.write_bytes(header + body)
    return path


def ramp(channels: int, count: int) -> np.ndarray:
    return (np.arange(count) + 1000 * np.arange(channels)[:, np.newaxis]) % 30_000


def test_edf_gives_names_units_and_numbers_as_the_file_states_them(tmp_path: Path) -> None:
    # MNE scales the first two spellings to volts, passes the others, and calls all of it volts.
    units = ("uV", "mV", "nV", "uv", "V", "degC", "")
    digital = ramp(len(units), 300)
    recording = read_recording(edf(tmp_path / "One Night.edf", units, digital))
    assert recording.units == units
    assert recording.channels == tuple(f"EEG C{index}" for index in range(7))
    assert (recording.sfreq, recording.simulated) == (100.0, False)
    np.testing.assert_allclose(whole(recording), digital / 2, rtol=1e-12)


def test_the_source_id_comes_from_the_file_name_alone(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, again = (
        read_recording(edf(tmp_path / folder / "One Night_2.edf", ["uV"], ramp(1, 100)))
        for folder in "ab"
    )
    assert first.source_id == again.source_id == "one-night-2-edf-4d152b51"
    assert first.name == "One Night_2.edf"


def test_a_long_file_comes_in_stretches_of_ten_seconds_that_follow(tmp_path: Path) -> None:
    digital = ramp(2, 2500)
    recording = read_recording(edf(tmp_path / "long.edf", ["uV", "uV"], digital))
    stretches = list(recording.stretches())
    assert [stretch.samples.shape for stretch in stretches] == [(2, 1000), (2, 1000), (2, 500)]
    assert [stretch.follows for stretch in stretches] == [False, True, True]
    # A second pass gives the same again.
    np.testing.assert_array_equal(whole(recording), whole(recording))
    np.testing.assert_allclose(whole(recording), digital / 2, rtol=1e-12)


def test_edf_annotations_are_markers_at_their_samples(tmp_path: Path) -> None:
    notes = [(0.5, "rest"), (11.25, "Beginn µ"), (10.0, "second stretch")]
    path = edf(
        tmp_path / "noted.edf", ["uV"], ramp(1, 1200), kind="EDF+C", notes=notes, equipment="Amp_9"
    )
    recording = read_recording(path)
    assert recording.channels == ("EEG C0",)
    assert recording.manufacturer == "Amp 9"
    assert markers(recording) == [(50, "rest"), (1000, "second stretch"), (1125, "Beginn µ")]
    second: Stretch = list(recording.stretches())[1]
    assert second.markers == (Marker(0, "second stretch"), Marker(125, "Beginn µ"))


def test_a_file_without_equipment_has_an_unknown_manufacturer(tmp_path: Path) -> None:
    path = edf(tmp_path / "a.edf", ["uV"], ramp(1, 100), kind="EDF+C", equipment="X")
    assert read_recording(path).manufacturer == "unknown"


def test_an_edf_of_the_simulator_is_simulated(tmp_path: Path) -> None:
    equipment = SIMULATED_MANUFACTURER.replace(" ", "_")
    path = edf(tmp_path / "a.edf", ["uV"], ramp(1, 100), equipment=equipment)
    assert read_recording(path).simulated


def test_an_edf_whose_recorder_left_the_number_of_records_open_is_read(tmp_path: Path) -> None:
    path = edf(tmp_path / "open.edf", ["uV"], ramp(1, 300), records=-1)
    np.testing.assert_allclose(whole(read_recording(path)), ramp(1, 300) / 2, rtol=1e-12)


def test_a_file_that_vanishes_after_it_was_opened_is_an_error_of_reading(tmp_path: Path) -> None:
    path = edf(tmp_path / "gone.edf", ["uV"], ramp(1, 300))
    recording = read_recording(path)
    path.unlink()
    with pytest.raises(RecordingError, match=r"gone\.edf: found a file that the EDF reader cannot"):
        next(iter(recording.stretches()))


# -- BrainVision and FIF -----------------------------------------------------------------------


def brainvision(path: Path, units: Sequence[str], digital: np.ndarray, notes: str = "") -> Path:
    """Write `(channels, samples)` int16 at 250 Hz; one digital step is half a unit."""
    channels = "".join(f"Ch{index + 1}=C{index},,0.5,{unit}\n" for index, unit in enumerate(units))
    path.write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\nCodepage=UTF-8\n"
        f"DataFile={path.stem}.eeg\nMarkerFile={path.stem}.vmrk\nDataFormat=BINARY\n"
        f"DataOrientation=MULTIPLEXED\nNumberOfChannels={len(units)}\nSamplingInterval=4000\n"
        f"[Binary Infos]\nBinaryFormat=INT_16\n[Channel Infos]\n{channels}",
        encoding="utf-8",
    )
    path.with_suffix(".vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n[Common Infos]\nCodepage=UTF-8\n"
        f"DataFile={path.stem}.eeg\n[Marker Infos]\nMk1=New Segment,,1,1,0\n{notes}",
        encoding="utf-8",
    )
    path.with_suffix(".eeg").write_bytes(digital.T.astype("<i2").tobytes())
    return path


def test_brainvision_gives_every_unit_back_as_stated(tmp_path: Path) -> None:
    units = ("nV", "µV", "mV", "V", "µS", "C", "ARU")
    digital = ramp(len(units), 500)
    recording = read_recording(brainvision(tmp_path / "units.vhdr", units, digital))
    # ARU is no unit that MNE knows.
    assert recording.units == ("nV", "µV", "mV", "V", "µS", "C", "")
    assert recording.sfreq == 250.0
    np.testing.assert_allclose(whole(recording), digital / 2, rtol=1e-12)


def test_a_new_segment_of_brainvision_is_a_gap(tmp_path: Path) -> None:
    notes = "Mk2=Stimulus,S  1,101,1,0\nMk3=New Segment,,301,1,0\nMk4=Stimulus,S  2,302,1,0\n"
    path = brainvision(tmp_path / "two.vhdr", ["µV"], ramp(1, 500), notes)
    recording = read_recording(path)
    assert runs(recording) == [300, 200]
    assert markers(recording) == [
        (100, "Stimulus/S  1"),
        (300, "New Segment/"),
        (301, "Stimulus/S  2"),
    ]


def test_brainvision_data_that_end_within_a_sample_are_read_up_to_there(tmp_path: Path) -> None:
    path = brainvision(tmp_path / "torn.vhdr", ["µV"] * 3, ramp(3, 500))
    data = path.with_suffix(".eeg")
    data.write_bytes(data.read_bytes()[:-4])
    recording = read_recording(path)
    np.testing.assert_allclose(whole(recording), ramp(3, 499) / 2, rtol=1e-12)
    assert "torn.eeg ends within a sample (2 bytes" in recording.notes[0]


def test_brainvision_without_its_data_is_refused(tmp_path: Path) -> None:
    path = brainvision(tmp_path / "alone.vhdr", ["µV"], ramp(1, 500))
    path.with_suffix(".eeg").unlink()
    with pytest.raises(RecordingError, match=r"alone\.vhdr: found .*expected .*copy it again"):
        read_recording(path)


def test_skipped_acquisition_is_a_gap_whose_filler_is_not_played(tmp_path: Path) -> None:
    info = mne.create_info(["Fp1", "Trigger"], 100.0, ["eeg", "stim"])
    data = ramp(2, 1000) * 1e-6
    raw = mne.io.RawArray(data, info, first_samp=250, verbose="ERROR")
    raw.set_annotations(
        mne.Annotations([1.0, 3.0, 7.0], [0.0, 2.0, 0.0], ["a", "BAD_ACQ_SKIP", "b"])
    )
    path = tmp_path / "skip_raw.fif"
    raw.save(path, fmt="double", verbose="ERROR")
    recording = read_recording(path)
    assert recording.units == ("V", "")
    assert runs(recording) == [300, 500]
    played = np.concatenate([data[:, :300], data[:, 500:]], axis=1)
    np.testing.assert_allclose(whole(recording), played, rtol=1e-12)
    assert markers(recording) == [(100, "a"), (500, "b")]


# -- refusals ----------------------------------------------------------------------------------


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"found no file .*nothing\.edf"):
        read_recording(tmp_path / "nothing.edf")


@pytest.mark.parametrize("name", ["noise.edf", "noise.bdf", "noise.vhdr", "noise.txt"])
@pytest.mark.parametrize("size", [0, 5000])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, name: str, size: int) -> None:
    path = tmp_path / name
    path.write_bytes(np.random.default_rng(1).bytes(size))
    with pytest.raises(RecordingError, match=rf"{name}: found .*expected .*(copy|name)"):
        read_recording(path)


def test_a_stream_name_for_a_file_without_streams_is_refused(tmp_path: Path) -> None:
    path = edf(tmp_path / "a.edf", ["uV"], ramp(1, 100))
    with pytest.raises(RecordingError, match="found the stream name 'Amp', expected none"):
        read_recording(path, stream="Amp")


def test_an_absent_reader_is_named_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.fif"
    path.touch()
    monkeypatch.setitem(sys.modules, "mne", None)
    with pytest.raises(MissingExtraError) as refusal:
        read_recording(path)
    assert "found no mne" in str(refusal.value)
    assert "which the reader of a.fif needs, expected the extra 'recordings'" in str(refusal.value)


# -- real recordings ---------------------------------------------------------------------------


@needs_shared
def test_a_real_edf() -> None:
    recording = read_recording(SHARED / "eegmat" / "Subject00_2.edf")
    assert (recording.sfreq, len(recording.channels)) == (500.0, 21)
    assert (recording.channels[6], recording.units[6]) == ("EEG T3", "uV")
    assert (recording.channels[20], recording.units[20]) == ("ECG ECG", "mV")
    assert recording.manufacturer == "NeuroCom Professional 3.0.0"
    assert runs(recording) == [31_000]
    assert 5 < np.std(whole(recording)[:19]) < 50


@needs_shared
def test_a_real_bdf_agrees_with_its_bytes() -> None:
    path = SHARED / "mne" / "test.bdf"
    recording = read_recording(path)
    assert (recording.sfreq, len(recording.channels), recording.units[0]) == (2048.0, 73, "uV")
    content = path.read_bytes()
    at = 256 * 74
    digital = np.frombuffer(content, np.uint8, 3 * 2048, at).reshape(-1, 3).astype(np.int32)
    first = (digital * [1 << 8, 1 << 16, 1 << 24]).sum(axis=1).astype(np.int32) >> 8
    low, high, digital_low, digital_high = (
        float(content[256 + 73 * offset : 256 + 73 * offset + 8]) for offset in (104, 112, 120, 128)
    )
    expected = low + (first - digital_low) * (high - low) / (digital_high - digital_low)
    np.testing.assert_allclose(whole(recording)[0], expected, rtol=1e-9)


@needs_shared
def test_one_signal_in_four_units_is_the_same_signal() -> None:
    plain = read_recording(SHARED / "mne" / "test.vhdr")
    mixed = read_recording(SHARED / "mne" / "test_units.vhdr")
    assert mixed.units[:4] == ("nV", "mV", "V", "µV")
    assert plain.units[:4] == ("µV",) * 4
    assert plain.units[-6:] == mixed.units[-6:] == ("", "µS", "", "", "S", "C")
    scaled = whole(mixed)[:4] * np.array([[1e-3], [1e3], [1e6], [1.0]])
    np.testing.assert_allclose(scaled, whole(plain)[:4], rtol=1e-9)
    assert markers(mixed)[0] == (486, "Stimulus/S253")
