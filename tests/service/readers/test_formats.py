"""What MNE reads: each format's own cuts, and what a file really is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat
from tests.support.brainvision import brainvision

from eeg_emotion.extras import MissingExtraError
from eeg_emotion.readers.formats import cut_rule, kind_of
from eeg_emotion.readers.mne_files import read_recording
from eeg_emotion.recordings.recording import Recording, RecordingError

pytest.importorskip("mne", reason="MNE is not installed (the extra 'recordings')")


def pieces(recording: Recording) -> list[int]:
    lengths: list[int] = []
    for stretch in recording.stretches():
        if stretch.follows:
            lengths[-1] += stretch.samples.shape[1]
        else:
            lengths.append(stretch.samples.shape[1])
    return lengths


def eeglab(path: Path, events: list[dict[str, Any]], **changes: Any) -> Path:
    """Write an EEGLAB dataset of three channels at 100 Hz, with its samples inside."""
    samples = np.random.default_rng(2).normal(0.0, 10.0, (3, 1000))
    eeg = {
        "setname": "test", "nbchan": 3, "pnts": 1000, "trials": 1, "srate": 100.0,
        "xmin": 0.0, "xmax": 9.99, "data": samples, "event": events,
        "chanlocs": [{"labels": name} for name in ("F3", "Cz", "F4")],
    }  # fmt: skip
    savemat(path, {"EEG": eeg | changes})
    return path


@pytest.mark.parametrize(
    ("kind", "duration", "latency", "lengths"),
    [
        pytest.param("boundary", np.nan, 401.0, [400, 600], id="text"),
        pytest.param("boundary", 25.0, 400.5, [400, 600], id="between two samples"),
        pytest.param("boundary", 25.0, 401.5, [401, 599], id="between the next two"),
        pytest.param(-99, np.nan, 400.5, [400, 600], id="a number"),
        pytest.param("Boundary event", 0.0, 400.5, [400, 600], id="a longer text"),
        pytest.param("at the boundary", 0.0, 400.5, [1000], id="a note with the word"),
        pytest.param(99, 0.0, 400.5, [1000], id="another number"),
    ],
)
def test_eeglab_states_a_cut_by_the_type_of_an_event(
    tmp_path: Path, kind: object, duration: float, latency: float, lengths: list[int]
) -> None:
    other = "S1" if isinstance(kind, str) else 1
    events: list[dict[str, Any]] = [
        {"type": other, "latency": 100.0, "duration": 0.0},
        {"type": kind, "latency": latency, "duration": duration},
    ]
    assert pieces(read_recording(eeglab(tmp_path / "a.set", events))) == lengths


def test_epochs_of_eeglab_are_refused_with_what_to_save_instead(tmp_path: Path) -> None:
    epochs = np.zeros((3, 100, 10))
    path = eeglab(tmp_path / "a.set", [], data=epochs, pnts=100, trials=10)
    with pytest.raises(RecordingError, match=r"found 10 epochs, expected a continuous .*Extract"):
        read_recording(path)
    # The remedy: the dataset as it was before.
    assert pieces(read_recording(eeglab(path, []))) == [1000]


@pytest.mark.parametrize("first", [b"MATLAB 7.3 MAT-file, Platform", b"\x89HDF\r\n\x1a\n"])
def test_matlab_7_3_needs_a_package_that_is_named(
    tmp_path: Path, first: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pymatreader", None)
    path = tmp_path / "a.set"
    path.write_bytes(first + bytes(5000))
    with pytest.raises(MissingExtraError, match=r"install pymatreader, or save it .*MATLAB 7"):
        read_recording(path)


def test_a_package_that_mne_asks_for_is_named_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "defusedxml", None)
    path = tmp_path / "a.nedf"
    path.write_bytes(b"<nedf version='1.4'>" + bytes(20_000))
    with pytest.raises(MissingExtraError, match=r"found no defusedxml .*install defusedxml"):
        read_recording(path)


@pytest.mark.parametrize(
    ("first", "named"),
    [
        (b"RIFF\x00\x00\x00\x00CNT ", r"found no antio \(.* install antio$|ANT"),
        (b"Version 3.0", "MNE cannot read"),
        (b"\x01\x02\x03\x04", "neither of Neuroscan .* nor of ANT eego"),
    ],
)
def test_a_cnt_file_is_recognised_by_its_first_bytes(
    tmp_path: Path, first: bytes, named: str
) -> None:
    path = tmp_path / "a.cnt"
    path.write_bytes(first + bytes(5000))
    with pytest.raises((RecordingError, MissingExtraError), match=named):
        read_recording(path)


@pytest.mark.parametrize("suffix", [".edf", ".bdf"])
def test_a_file_of_another_format_than_its_name_says_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"XDF:" + bytes(5000))
    assert kind_of(path) == "XDF"
    with pytest.raises(RecordingError, match=r"found a file of the format XDF.*rename it"):
        read_recording(path)
    renamed = path.rename(tmp_path / "a.xdf")
    with pytest.raises(RecordingError, match=r"a\.xdf: found something else than a chunk"):
        read_recording(renamed)


def test_a_v_amp_header_lists_one_channel_less_than_there_are(tmp_path: Path) -> None:
    path = brainvision(tmp_path / "amp.vhdr", seconds=2.0)
    samples = np.fromfile(path.with_suffix(".eeg"), "<f4").reshape(-1, 32)
    extra = np.concatenate([samples, np.zeros((len(samples), 1), "<f4")], axis=1)
    extra.astype("<f4").tofile(path.with_suffix(".eeg"))
    header = path.rename(tmp_path / "amp.ahdr")
    recording = read_recording(header)
    assert (len(recording.channels), recording.channels[0]) == (32, "Fp1")
    assert recording.notes == ()
    (stretch,) = recording.stretches()
    np.testing.assert_allclose(stretch.samples[:, 2:], samples.T[:, 2:], rtol=1e-6)


def test_only_a_marker_of_the_type_new_segment_cuts_brainvision(tmp_path: Path) -> None:
    path = brainvision(tmp_path / "a.vhdr", seconds=4.0, gap_at=500)
    assert pieces(read_recording(path)) == [500, 500]
    markers = path.with_suffix(".vmrk")
    text = markers.read_text().replace("Mk2=New Segment,,", "Mk2=Comment,a boundary: New Segment,")
    markers.write_text(text)
    assert pieces(read_recording(path)) == [1000]


def test_brainvision_damaged_as_text_is_named(tmp_path: Path) -> None:
    path = brainvision(tmp_path / "a.vhdr", seconds=8.0)
    data = path.with_suffix(".eeg")
    data.write_bytes(data.read_bytes().replace(b"\n", b"\r\n"))
    with pytest.raises(RecordingError, match=r"a\.eeg: found a carriage return before every"):
        read_recording(path)


def test_brainvision_whose_samples_lie_elsewhere_is_refused(tmp_path: Path) -> None:
    path = brainvision(tmp_path / "a.vhdr", seconds=2.0)
    path.write_text(path.read_text().replace("DataFile=a.eeg", "DataFile=../a.eeg"))
    with pytest.raises(RecordingError, match=r"found the data file '\.\./a\.eeg', expected a name"):
        read_recording(path)


def test_wrapped_digits_of_brainvision_are_refused(tmp_path: Path) -> None:
    path = brainvision(tmp_path / "a.vhdr", seconds=2.0, channels=("Fp1", "Cz"))
    path.write_text(path.read_text().replace("IEEE_FLOAT_32", "INT_16"))
    wave = 60_000 * np.sin(np.arange(1000) / 20)
    digits = np.stack([wave, wave / 4], axis=1).astype(np.int64).astype(np.int16)
    path.with_suffix(".eeg").write_bytes(digits.astype("<i2").tobytes())
    with pytest.raises(RecordingError, match=r"steps of nearly 65536 digits .* in 1 of 2"):
        read_recording(path)


def test_two_channels_of_one_label_in_brainvision_are_refused_until_renamed(
    tmp_path: Path,
) -> None:
    path = brainvision(tmp_path / "a.vhdr", seconds=2.0, channels=("F7", "Cz", "F7"))
    with pytest.raises(RecordingError, match=r"more than one channel labelled F7.*text file"):
        read_recording(path)
    path.write_text(path.read_text().replace("Ch3=F7", "Ch3=F7old"))
    assert read_recording(path).channels == ("F7", "Cz", "F7old")


def test_channels_that_mne_numbers_keep_the_files_label(tmp_path: Path) -> None:
    labels = [{"labels": name} for name in ("F7", "X-0", "F7")]
    path = eeglab(tmp_path / "a.set", [], chanlocs=labels)
    assert read_recording(path).channels == ("F7", "X-0", "F7")


@pytest.mark.parametrize(
    ("suffix", "text", "cuts"),
    [
        (".gdf", "32766", True),
        (".gdf", "769", False),
        (".fif", "BAD boundary", True),
        (".fif", "EDGE boundary", True),
        (".fif", "at the boundary of sleep", False),
        (".cnt", "boundary", False),
    ],
)
def test_other_formats_have_their_own_rules(suffix: str, text: str, cuts: bool) -> None:
    assert cut_rule(suffix)(text) is cuts


def test_a_name_that_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"expected a recording"):
        read_recording(tmp_path / "missing.edf")
