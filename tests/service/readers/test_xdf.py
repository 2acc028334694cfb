from __future__ import annotations

import gzip
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pytest
from tests.support.needs import SHARED

from eeg_emotion.extras import MissingExtraError
from eeg_emotion.readers.mne_files import read_recording
from eeg_emotion.readers.xdf import contiguous
from eeg_emotion.recordings.recording import Recording, RecordingError

pytest.importorskip("pyxdf", reason="pyxdf is not installed (the extra 'recordings')")

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


def chunk(tag: int, content: bytes) -> bytes:
    return b"\x04" + struct.pack("<IH", len(content) + 2, tag) + content


def stream(
    name: str = "Amp",
    kind: str = "EEG",
    *,
    sfreq: float = 128.0,
    labels: Sequence[str] = ("Fp1", "T7"),
    stamps: np.ndarray | None = None,
    texts: Sequence[str] | None = None,
    desc: str | None = None,
    footer: bool = True,
) -> dict[str, object]:
    stamps = 5000.0 + np.arange(400) / sfreq if stamps is None else stamps
    if desc is None:
        desc = "<acquisition><manufacturer>g.Nobody</manufacturer></acquisition><channels>"
        for label in labels:
            desc += f"<channel><label>{label}</label><unit>microvolts</unit></channel>"
        desc += "</channels>"
    count = 1 if texts is not None else len(labels)
    header = (
        f"<info><name>{escape(name)}</name><type>{kind}</type>"
        f"<channel_count>{count}</channel_count><nominal_srate>{sfreq}</nominal_srate>"
        f"<channel_format>{'float32' if texts is None else 'string'}</channel_format>"
        f"<source_id>{name}</source_id><desc>{desc}</desc></info>"
    )
    return {"header": header, "stamps": stamps, "texts": texts, "count": count, "footer": footer}


def values(count: int, channels: int = 2) -> np.ndarray:
    """`(channels, count)` float32, each value once."""
    samples = np.arange(count) + np.array([[0.5], [9000.0]])[:channels]
    return np.asarray(samples, dtype=np.float32)


def xdf(path: Path, streams: Sequence[dict[str, object]]) -> Path:
    content = b"XDF:" + chunk(1, b"<info><version>1.0</version></info>")
    for number, each in enumerate(streams, start=1):
        content += chunk(2, struct.pack("<I", number) + str(each["header"]).encode())
    for number, each in enumerate(streams, start=1):
        stamps, texts, count = each["stamps"], each["texts"], each["count"]
        assert isinstance(stamps, np.ndarray)
        assert isinstance(count, int)
        samples = b""
        for index, stamp in enumerate(stamps):
            samples += b"\x08" + struct.pack("<d", stamp)
            if texts is None:
                samples += values(len(stamps), count)[:, index].tobytes()
            else:
                assert isinstance(texts, Sequence)
                text = str(texts[index]).encode()
                samples += b"\x04" + struct.pack("<I", len(text)) + text
        body = struct.pack("<I", number) + b"\x04" + struct.pack("<I", len(stamps)) + samples
        content += chunk(3, body)
    for number, each in enumerate(streams, start=1):
        if each["footer"]:
            content += chunk(6, struct.pack("<I", number) + b"<info></info>")
    path.write_bytes(content)
    return path


def test_xdf_gives_the_stream_as_its_header_states_it(tmp_path: Path) -> None:
    events = stream("Keys", "Markers", sfreq=0.0, stamps=np.array([5000.501]), texts=["Los µ"])
    recording = read_recording(xdf(tmp_path / "lab.xdf", [events, stream()]))
    assert (recording.channels, recording.units) == (("Fp1", "T7"), ("microvolts",) * 2)
    assert (recording.sfreq, recording.manufacturer) == (128.0, "g.Nobody")
    assert (recording.simulated, recording.source_id) == (False, "lab-xdf")
    assert runs(recording) == [400]
    samples = whole(recording)
    assert samples.dtype == np.float32
    np.testing.assert_array_equal(samples, values(400))
    assert markers(recording) == [(64, "Los µ")]


@pytest.mark.parametrize("name", ["lab.1.xdf.gz", "lab.xdfz"])
def test_a_compressed_xdf_is_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(xdf(tmp_path / "lab.xdf", [stream()]).read_bytes()))
    np.testing.assert_array_equal(whole(read_recording(path)), values(400))


def test_events_of_xdf_lie_at_the_nearest_sample_in_their_order(tmp_path: Path) -> None:
    stamps = np.concatenate([5000 + np.arange(128) / 128, 5006 + np.arange(128) / 128])
    # Before the start, within the gap nearer to its end, after the end, and two on one sample.
    when = np.array([4999.0, 5000.2501, 5000.2502, 5004.0, 5010.0])
    events = stream("Keys", "Markers", sfreq=0.0, stamps=when, texts=["a", "b", "c", "d", "e"])
    recording = read_recording(xdf(tmp_path / "a.xdf", [stream(stamps=stamps), events]))
    assert markers(recording) == [(0, "a"), (32, "b"), (32, "c"), (128, "d"), (255, "e")]


def test_a_gap_that_pyxdf_would_smear_splits_the_stream(tmp_path: Path) -> None:
    stamps = 5000.0 + np.arange(1000) / 128.0
    stamps[500:] += 0.25
    recording = read_recording(xdf(tmp_path / "a.xdf", [stream(stamps=stamps)]))
    assert runs(recording) == [500, 500]


def test_several_eeg_streams_are_listed_and_chosen_by_name(tmp_path: Path) -> None:
    streams = [stream("Amp A"), stream("Amp B", labels=["Cz"]), stream("Gaze", "Gaze")]
    path = xdf(tmp_path / "two.xdf", streams)
    with pytest.raises(RecordingError) as refusal:
        read_recording(path)
    for part in (
        *("found 2 ", "expected one", "--stream 1", "stream=", "'Amp B'", "'Gaze'"),
        "1: 'Amp A' (type EEG, 2 channels, 128 Hz, source id 'Amp A')",
    ):
        assert part in str(refusal.value)
    assert read_recording(path, stream="Amp B").channels == ("Cz",)
    assert read_recording(path, stream="Gaze").channels == ("Fp1", "T7")


@pytest.mark.parametrize("wanted", [None, "Amp"])
def test_an_xdf_without_the_wanted_stream_is_refused(tmp_path: Path, wanted: str | None) -> None:
    # An irregular stream cannot be replayed, whatever its type and name say.
    path = xdf(tmp_path / "none.xdf", [stream("Amp", "EEG", sfreq=0.0, stamps=np.array([1.0]))])
    with pytest.raises(RecordingError, match=r"found 0 regular numeric streams .*'Amp'"):
        read_recording(path, stream=wanted)


def test_labels_of_neuroelectrics_are_found(tmp_path: Path) -> None:
    desc = "<channel><name>Fp1</name><unit>nV</unit></channel><channel><name>T7</name></channel>"
    recording = read_recording(xdf(tmp_path / "a.xdf", [stream(desc=desc)]))
    assert (recording.channels, recording.units) == (("Fp1", "T7"), ("nV", ""))
    assert recording.manufacturer == "unknown"


def test_channels_of_xdf_without_a_label_are_read_and_not_used(tmp_path: Path) -> None:
    desc = "<channels><channel><label>Fp1</label></channel></channels>"
    recording = read_recording(xdf(tmp_path / "a.xdf", [stream(desc=desc)]))
    assert recording.channels == ("Fp1", "")
    assert recording.notes[0].startswith("1 of 2 channels have a label")
    for nameless in ("", "<channels/>"):
        recording = read_recording(xdf(tmp_path / "b.xdf", [stream(desc=nameless)]))
        assert (recording.channels, recording.notes) == (("", ""), ())


def test_more_labels_than_channels_of_xdf_are_refused(tmp_path: Path) -> None:
    labels = "".join(f"<channel><label>{name}</label></channel>" for name in ("Fp1", "Cz", "T7"))
    path = xdf(tmp_path / "a.xdf", [stream(desc=f"<channels>{labels}</channels>")])
    with pytest.raises(RecordingError, match=r"found 3 channel labels .* at most its 2"):
        read_recording(path)


def test_an_eeg_stream_without_a_sample_is_refused(tmp_path: Path) -> None:
    path = xdf(tmp_path / "a.xdf", [stream(stamps=np.empty(0))])
    with pytest.raises(RecordingError, match="found no whole samples in the stream 'Amp'"):
        read_recording(path)


def test_an_xdf_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path = xdf(tmp_path / "a.xdf", [stream()])
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(RecordingError, match=r"a\.xdf: found .*expected .*copy it again"):
        read_recording(path)


@pytest.mark.parametrize("size", [0, 5000])
def test_an_xdf_that_is_none_is_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "noise.xdf"
    path.write_bytes(np.random.default_rng(1).bytes(size))
    with pytest.raises(RecordingError, match=r"noise\.xdf: found .*expected .*(copy|name)"):
        read_recording(path)


def test_an_absent_reader_is_named_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.xdf"
    path.touch()
    monkeypatch.setitem(sys.modules, "pyxdf", None)
    with pytest.raises(MissingExtraError) as refusal:
        read_recording(path)
    assert "found no pyxdf" in str(refusal.value)
    assert "which the reader of a.xdf needs, expected the extra 'recordings'" in str(refusal.value)


@needs_shared
def test_a_real_xdf() -> None:
    recording = read_recording(SHARED / "bci_essentials" / "switch_example.xdf")
    assert (recording.sfreq, len(recording.channels)) == (256.0, 16)
    assert set(recording.units) == {"microvolts"}
    assert recording.manufacturer == "g.Tec"
    assert runs(recording) == [34_320]
    assert whole(recording).min() < -9_900
    assert "Trial Started" in {text for _, text in markers(recording)}


# -- which stream, and how much of it ----------------------------------------------------------


def test_streams_of_one_name_are_chosen_as_the_message_says(tmp_path: Path) -> None:
    streams = [stream("Amp", labels=["Cz"]), stream("Amp", labels=["Pz"])]
    path = xdf(tmp_path / "two.xdf", streams)
    for wanted in (None, "Amp"):
        with pytest.raises(RecordingError, match=r"found 2 .*--stream 1"):
            read_recording(path, stream=wanted)
    assert read_recording(path, stream="1").channels == ("Cz",)
    assert read_recording(path, stream="2").channels == ("Pz",)


def test_a_stream_is_chosen_by_source_id_or_uid_and_its_name_comes_first(tmp_path: Path) -> None:
    one, two = stream("2", labels=["Cz"]), stream("B", labels=["Pz"])
    one["header"] = str(one["header"]).replace("<desc>", "<uid>u-1</uid><desc>")
    two["header"] = str(two["header"]).replace("<source_id>B<", "<source_id>amp-77<")
    path = xdf(tmp_path / "two.xdf", [one, two])
    assert read_recording(path, stream="amp-77").channels == ("Pz",)
    assert read_recording(path, stream="u-1").channels == ("Cz",)
    assert read_recording(path, stream="2").channels == ("Cz",)  # its name


def test_an_empty_duplicate_is_passed_over(tmp_path: Path) -> None:
    streams = [stream("Amp", stamps=np.empty(0)), stream("Amp", labels=["Cz", "Pz"])]
    path = xdf(tmp_path / "two.xdf", streams)
    for wanted in (None, "Amp"):
        assert read_recording(path, stream=wanted).channels == ("Cz", "Pz")


@pytest.mark.parametrize("kind", ["signal", "EXG", "", "eeg "])
def test_the_only_stream_at_a_rate_is_read_whatever_its_type(tmp_path: Path, kind: str) -> None:
    keys = stream("Keys", "Markers", sfreq=0.0, stamps=np.array([5001.0]), texts=["a"])
    recording = read_recording(xdf(tmp_path / "a.xdf", [keys, stream("Amp", kind)]))
    assert recording.channels == ("Fp1", "T7")
    assert bool(recording.notes) == (kind != "eeg ")


def test_streams_of_other_types_are_not_guessed_among(tmp_path: Path) -> None:
    path = xdf(tmp_path / "a.xdf", [stream("A", "signal"), stream("B", "Gaze")])
    with pytest.raises(RecordingError, match="found 2 regular numeric streams that may be EEG"):
        read_recording(path)


def many_chunks(path: Path, seconds: int, **changes: object) -> Path:
    """Write one stream in chunks of half a second, without a footer."""
    stamps = 5000.0 + np.arange(seconds * 128) / 128
    head = stream(**changes)["header"]  # type: ignore[arg-type]
    content = b"XDF:" + chunk(2, struct.pack("<I", 1) + str(head).encode())
    samples = values(len(stamps))
    for first in range(0, len(stamps), 64):
        body = struct.pack("<IBI", 1, 4, 64)
        for k in range(first, first + 64):
            body += b"\x08" + struct.pack("<d", stamps[k]) + samples[:, k].tobytes()
        content += chunk(3, body)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("cut", [0, 1, 3, 9, 500, 1094])
def test_what_a_crashed_recorder_has_written_whole_is_read(tmp_path: Path, cut: int) -> None:
    path = many_chunks(tmp_path / "a.xdf", 10)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - cut])
    recording = read_recording(path)
    kept = 1280 - 64 * bool(cut)
    np.testing.assert_array_equal(whole(recording), values(1280)[:, :kept])
    assert ("no footer" if not cut else "ends within a chunk") in recording.notes[0]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda b: b[:4000] + b[4001:], id="a byte lost"),
        pytest.param(lambda b: b[:4000] + b"xy" + b[4000:], id="bytes inserted"),
    ],
)
def test_damage_in_the_middle_is_refused_and_not_closed_up(tmp_path: Path, damage: object) -> None:
    assert callable(damage)
    path = many_chunks(tmp_path / "a.xdf", 10)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(RecordingError, match=r"a\.xdf: found something else than a chunk after"):
        read_recording(path)


def test_an_xdf_damaged_as_text_is_named(tmp_path: Path) -> None:
    path = many_chunks(tmp_path / "a.xdf", 60)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    with pytest.raises(RecordingError, match="a carriage return before every line feed"):
        read_recording(path)


@pytest.mark.parametrize("true", [120.0, 124.0, 132.0, 64.0, 256.0])
def test_stamps_of_another_rate_than_the_stated_one_are_refused(
    tmp_path: Path, true: float
) -> None:
    stamps = 5000.0 + np.arange(3000) / true
    path = xdf(tmp_path / "a.xdf", [stream(stamps=stamps)])
    with pytest.raises(RecordingError, match=rf"found {true} samples a second .*the 128 Hz"):
        read_recording(path)


@pytest.mark.parametrize("true", [126.5, 129.5])
def test_a_device_within_two_per_cent_of_its_rate_is_read(tmp_path: Path, true: float) -> None:
    path = xdf(tmp_path / "a.xdf", [stream(stamps=5000.0 + np.arange(3000) / true)])
    assert runs(read_recording(path)) == [3000]


def test_losses_and_pauses_are_no_other_rate(tmp_path: Path) -> None:
    stamps = 5000.0 + np.arange(4000) / 128
    kept = np.ones(4000, dtype=bool)
    for first in range(1280, 2048, 40):
        kept[first : first + 4] = False
    stamps[3000:] += 60.0
    path = xdf(tmp_path / "a.xdf", [stream(stamps=stamps[kept])])
    recording = read_recording(path)
    assert len(runs(recording)) == 1 + 20 + 1
    (*_, last) = recording.stretches()
    assert last.stamps is not None
    np.testing.assert_allclose(np.diff(last.stamps), 1 / 128, atol=1e-9)


# -- gaps by stamps ----------------------------------------------------------------------------

STEADY = 3000.0 + np.arange(2000) / 256.0


def test_a_steady_stream_is_one_piece() -> None:
    assert contiguous(STEADY, 256.0) == [(0, 2000)]


@pytest.mark.parametrize("missing", [1, 5, 2560])
def test_missing_samples_split_the_stream(missing: int) -> None:
    stamps = np.delete(3000.0 + np.arange(2000 + missing) / 256.0, slice(700, 700 + missing))
    assert contiguous(stamps, 256.0) == [(0, 700), (700, 2000)]


def test_two_gaps_within_a_second_are_both_found() -> None:
    stamps = STEADY.copy()
    stamps[700:] += 0.1
    stamps[750:] += 0.1
    assert contiguous(stamps, 256.0) == [(0, 700), (700, 750), (750, 2000)]


def test_chunks_whose_stamps_jitter_by_many_samples_do_not_split_the_stream() -> None:
    # A stamp for each chunk of 8, up to 40 ms late: jumps of ten periods, none of them a loss.
    late = np.random.default_rng(3).uniform(0, 0.04, size=250).repeat(8)
    assert np.diff(STEADY + late).max() > 9 / 256
    assert contiguous(STEADY + late, 256.0) == [(0, 2000)]


def test_a_loss_beyond_the_jitter_is_found_in_it() -> None:
    late = np.random.default_rng(3).uniform(0, 0.04, size=250).repeat(8)
    late[800:] += 0.1
    assert contiguous(STEADY + late, 256.0) == [(0, 800), (800, 2000)]


def test_a_clock_that_is_set_back_splits_the_stream() -> None:
    stamps = STEADY.copy()
    stamps[1000:] -= 50.0
    assert contiguous(stamps, 256.0) == [(0, 1000), (1000, 2000)]


def test_a_drifting_clock_does_not_split_the_stream() -> None:
    assert contiguous(STEADY[0] + (STEADY - STEADY[0]) * 1.001, 256.0) == [(0, 2000)]


def test_a_recording_of_the_simulator_stays_simulated(tmp_path: Path) -> None:
    channels = "".join(
        f"<channel><label>{label}</label><unit>uV</unit></channel>" for label in ("Fp1", "T7")
    )
    desc = f"<simulated>true</simulated><channels>{channels}</channels>"
    assert read_recording(xdf(tmp_path / "lab.xdf", [stream(desc=desc)])).simulated


def test_stamps_that_are_no_numbers_cost_no_time_and_break_the_stream() -> None:
    stamps = STEADY.copy()
    stamps[900:905] = np.nan
    assert contiguous(stamps, 256.0) == [(0, 900), (900, 905), (905, 2000)]


def test_a_gap_at_every_sample_is_found_in_linear_time() -> None:
    stamps = 3000.0 + np.arange(200_000) / 100.0
    assert len(contiguous(stamps, 256.0)) == 200_000
