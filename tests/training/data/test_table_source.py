from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.support.needs import SHARED
from tests.support.xdf import xdf

from eeg_emotion.eeg.layout import plan_layout
from eeg_emotion.eeg.montage import DEAP32, MUSE4, TEN_TWENTY19
from eeg_emotion.eeg.path import PathSettings, SignalPath
from eeg_emotion.eeg.representation import BandPower, RawSignal
from eeg_emotion_training.data.sources import DataError
from eeg_emotion_training.data.table_source import TableSource
from eeg_emotion_training.data.windows import cut_person

mne = pytest.importorskip("mne", reason="MNE is not installed (the extra 'recordings')")

EEGMAT = SHARED / "eegmat"

CHANNELS = ("Fz", "Cz", "Pz", "Oz")
SETTINGS = PathSettings(channels=CHANNELS, window_seconds=2.0, representation=BandPower())
HEADER = "file,person,trial,start,stop,arousal\n"
FILE = "s00_raw.fif"
GOOD = f"{HEADER}{FILE},p1,one,20,30,low\n{FILE},p1,two,30,41,high\n"

Write = Callable[..., Path]


def signal(channels: int, sfreq: float, seconds: float = 60.0, seed: int = 1) -> np.ndarray:
    """`(channels, samples)` in µV: noise, with an alpha rhythm in the last channel."""
    rng = np.random.default_rng(seed)
    samples = rng.normal(0.0, 10.0, (channels, round(seconds * sfreq)))
    samples[-1] += 20.0 * np.sin(2 * np.pi * 10.0 * np.arange(samples.shape[1]) / sfreq)
    return samples


def fif(
    path: Path,
    microvolts: np.ndarray,
    *,
    sfreq: float = 128.0,
    names: Sequence[str] = CHANNELS,
    skip: tuple[float, float] | None = None,
) -> Path:
    """Write a FIF file, in volts; `skip` is a pause's start and length in seconds."""
    raw = mne.io.RawArray(microvolts * 1e-6, mne.create_info(list(names), sfreq, "eeg"), verbose=0)
    if skip is not None:
        raw.set_annotations(mne.Annotations([skip[0]], [skip[1]], ["BAD_ACQ_SKIP"]))
    raw.save(path, fmt="double", overwrite=True, verbose="ERROR")
    return path


def brainvision(path: Path, microvolts: np.ndarray, *, unit: str = "µV", notes: str = "") -> Path:
    """Write a BrainVision file of `CHANNELS` at 250 Hz."""
    channels = "".join(f"Ch{n + 1}={name},,1,{unit}\n" for n, name in enumerate(CHANNELS))
    path.write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\nCodepage=UTF-8\n"
        f"DataFile={path.stem}.eeg\nMarkerFile=$b.vmrk\nDataFormat=BINARY\n"
        f"DataOrientation=MULTIPLEXED\nNumberOfChannels={len(CHANNELS)}\nSamplingInterval=4000\n"
        f"[Binary Infos]\nBinaryFormat=IEEE_FLOAT_32\n[Channel Infos]\n{channels}",
        encoding="utf-8",
    )
    path.with_suffix(".vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n[Common Infos]\nCodepage=UTF-8\n"
        f"DataFile={path.stem}.eeg\n[Marker Infos]\nMk1=New Segment,,1,1,0\n{notes}",
        encoding="utf-8",
    )
    path.with_suffix(".eeg").write_bytes(microvolts.T.astype("<f4").tobytes())
    return path


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a table beside the recordings."""

    def write(content: str = GOOD) -> Path:
        path = tmp_path / "trials.csv"
        path.write_text(content, encoding="utf-8")
        return path

    return write


def live(
    samples: np.ndarray, settings: PathSettings, sfreq: float, first: int
) -> dict[int, np.ndarray]:
    """What the daemon makes of µV that arrive from sample `first` on: features by first sample."""
    units = ["uV"] * len(samples)
    layout = plan_layout(CHANNELS, units, channels=settings.channels, max_interpolated=0)
    segment = SignalPath(replace(settings, hop_seconds=0.25), layout, sfreq).segment()
    return {
        first + window.first_sample: window.features
        for at in range(first, samples.shape[1], 37)
        for window in segment.feed(samples[:, at : at + 37])
    }


@pytest.mark.parametrize("representation", [BandPower(), RawSignal()], ids=["bands", "raw"])
@pytest.mark.parametrize("sfreq", [100.0, 120.0, 128.0, 500.0, 2048.0])
def test_windows_are_those_of_the_live_path_from_each_trials_start(
    tmp_path: Path, write: Write, sfreq: float, representation: BandPower | RawSignal
) -> None:
    settings = replace(SETTINGS, representation=representation)
    samples = signal(4, sfreq)
    fif(tmp_path / FILE, samples, sfreq=sfreq)
    source = TableSource(write(), CHANNELS)
    person = source.read("p1")
    cut = cut_person("p1", person, settings)
    assert (person.sfreq, person.layout.interpolated) == (sfreq, ())
    # 10 s and 11 s in windows of 2 s; the resampler's lag costs none of them.
    assert cut.trial.tolist() == [0] * 5 + [1] * 5
    assert cut.scorable.all()
    for trial, start in enumerate((20.0, 30.0)):
        expected = live(samples, settings, sfreq, round((start - 3.0) * sfreq))
        for index, features in enumerate(cut.measures[cut.trial == trial]):
            first = round((start + 2.0 * index) * sfreq)
            np.testing.assert_allclose(features, expected[first], rtol=1e-5, atol=1e-4)
    assert cut.high.tolist() == [[False], [True]]
    assert cut.stimuli == ("one", "two")


def test_a_trial_holds_what_the_filters_and_the_resampler_need_and_no_more(
    tmp_path: Path, write: Write
) -> None:
    samples = signal(4, 128.0, seconds=41.0)
    fif(tmp_path / FILE, samples)
    path = write(GOOD.replace("20,30", "2,29.5").replace("30,41", "30.5,41"))
    begins, ends = TableSource(path, CHANNELS).read("p1").trials
    # The recording begins 2 s before the first trial, and ends with the second.
    assert (begins.onset, begins.end) == (256, 3776)
    assert (ends.onset, ends.end) == (384, 384 + 1344)
    np.testing.assert_allclose(begins.samples, samples[:, : 3776 + 64] * 1e-6, rtol=1e-12)
    np.testing.assert_allclose(ends.samples, samples[:, 3520:] * 1e-6, rtol=1e-12)
    # Blocks of 10 s are not kept alive for a piece of each.
    assert ends.samples.base is None


def test_rest_has_its_lead_too_and_ends_where_the_row_states(tmp_path: Path, write: Write) -> None:
    samples = signal(4, 128.0)
    fif(tmp_path / FILE, samples)
    rest = f"{FILE},p1,rest,42,60,\n{FILE},p1,rest,0,20,\n"
    person = TableSource(write(GOOD + rest), CHANNELS).read("p1")
    late, early = person.rest
    np.testing.assert_allclose(late.samples, samples[:, 39 * 128 :] * 1e-6, rtol=1e-12)
    np.testing.assert_allclose(early.samples, samples[:, : 20 * 128] * 1e-6, rtol=1e-12)
    assert late.skip_seconds == early.skip_seconds == 3.0
    normaliser = cut_person("p1", person, SETTINGS).rest
    assert normaliser is not None
    assert normaliser.kind == "rest-baseline"
    assert cut_person("p1", replace(person, rest=()), SETTINGS).rest is None


def test_people_have_layouts_rates_and_files_of_their_own(tmp_path: Path, write: Write) -> None:
    fif(tmp_path / FILE, signal(4, 128.0))
    fif(tmp_path / "b_raw.fif", signal(4, 250.0), sfreq=250.0, names=("Oz", "Pz", "ECG", "Fz"))
    fif(
        tmp_path / "c_raw.fif", signal(4, 250.0, seed=2), sfreq=250.0, names=("Oz", "Pz", "A", "Fz")
    )
    content = GOOD + "b_raw.fif,p2,two,20,30,low\nb_raw.fif,p2,one,10,20,low\n"
    source = TableSource(write(content + "c_raw.fif,p3,one,10,20,low\n"), CHANNELS)
    assert list(source.digests) == ["p1", "p2", "p3"]
    assert (source.name, source.simulated) == ("table trials.csv", False)
    assert (source.labels, source.baseline_seconds) == (("arousal",), None)
    assert source.notes == ("1 of 4 channels filled in from neighbours for p2, p3",)
    first, second = source.read("p1"), source.read("p2")
    assert (first.sfreq, second.sfreq) == (128.0, 250.0)
    assert second.layout.interpolated == ("Cz",)
    assert second.layout.rows.tolist() == [3, 1, 0]
    # In the table's order, whichever file they come from and wherever they lie in it.
    assert [trial.stimulus for trial in second.trials] == ["two", "one"]


def test_trials_keep_the_tables_order_across_files(tmp_path: Path, write: Write) -> None:
    fif(tmp_path / FILE, signal(4, 128.0))
    fif(tmp_path / "b_raw.fif", signal(4, 128.0, seed=2))
    between = (
        GOOD.replace("p1,two", "p1,three") + f"b_raw.fif,p1,two,0,9,low\n{FILE},p1,x,42,50,low"
    )
    person = TableSource(write(between), CHANNELS).read("p1")
    assert [trial.stimulus for trial in person.trials] == ["one", "three", "two", "x"]
    assert [trial.high.tolist() for trial in person.trials] == [[False], [True], [False], [False]]


def test_a_denser_cap_serves_a_montage_between_its_electrodes(tmp_path: Path, write: Write) -> None:
    fif(tmp_path / FILE, signal(19, 128.0), names=TEN_TWENTY19)
    source = TableSource(write(), MUSE4)
    layout = source.read("p1").layout
    assert (len(layout.measured), layout.channels) == (19, MUSE4)
    assert source.notes == ("4 of 4 channels filled in from neighbours for p1",)


def test_a_digest_follows_a_persons_signal_and_rows_alone(tmp_path: Path, write: Write) -> None:
    brainvision(tmp_path / "a.vhdr", signal(4, 250.0))
    fif(tmp_path / FILE, signal(4, 128.0))
    content = GOOD + "a.vhdr,p2,one,10,20,low\n"

    def digests(text: str = content) -> list[str]:
        return list(TableSource(write(text), CHANNELS).digests.values())

    before = digests()
    assert digests() == before
    assert digests(content.replace("p2,one,10", "p2,one,11"))[0] == before[0]
    assert digests(content.replace("p2,one,10", "p2,one,11"))[1] != before[1]
    # The header stays; the signal beside it changes.
    brainvision(tmp_path / "a.vhdr", signal(4, 250.0, seed=2))
    after = digests()
    assert after[0] == before[0]
    assert after[1] != before[1]


def test_labels_in_another_order_have_another_digest(tmp_path: Path, write: Write) -> None:
    # Kept windows hold the classes in the labels' order.
    fif(tmp_path / FILE, signal(4, 128.0))
    rows = f"{FILE},p1,one,20,30,low,high\n{FILE},p1,two,30,41,high,low\n"
    one, other = (
        TableSource(write(f"file,person,trial,start,stop,{labels}\n{rows}"), CHANNELS)
        for labels in ("a,b", "b,a")
    )
    assert one.digests != other.digests


def test_a_stream_of_an_xdf_file_is_read_by_name(tmp_path: Path, write: Write) -> None:
    pytest.importorskip("pyxdf", reason="pyxdf is not installed (the extra 'recordings')")
    streams = {"Amp 1": signal(4, 128.0, 30.0, seed=1), "Amp 2": signal(4, 128.0, 30.0, seed=2)}
    xdf(tmp_path / "two.xdf", streams, simulated=True)
    rows = "two.xdf,p1,one,5,9,Amp 2,low\ntwo.xdf,p1,two,9,20,Amp 2,high\n"
    source = TableSource(write("file,person,trial,start,stop,stream,arousal\n" + rows), CHANNELS)
    assert (source.simulated, source.name) == (True, "simulated people in table trials.csv")
    one = source.read("p1").trials[0]
    expected = streams["Amp 2"][:, 2 * 128 : 9 * 128 + 64]
    np.testing.assert_allclose(one.samples, expected, rtol=1e-6)
    with pytest.raises(DataError, match=r"row 2, column file: two\.xdf: found 2 regular .* name"):
        TableSource(write(HEADER + rows.replace(",Amp 2", "")), CHANNELS)


def test_simulated_recordings_beside_others_are_refused(tmp_path: Path, write: Write) -> None:
    pytest.importorskip("pyxdf", reason="pyxdf is not installed (the extra 'recordings')")
    fif(tmp_path / FILE, signal(4, 128.0))
    xdf(tmp_path / "a.xdf", {"Amp": signal(4, 128.0, 30.0)}, simulated=True)
    with pytest.raises(DataError, match="found 1 simulated recordings among 2, expected all or"):
        TableSource(write(GOOD + "a.xdf,p2,one,0,9,low\n"), CHANNELS)


PAUSED = "Mk2=New Segment,,7501,1,0\n"  # at 30 s


def test_a_trial_over_a_gap_is_refused_and_one_after_it_has_fresh_filters(
    tmp_path: Path, write: Write
) -> None:
    samples = signal(4, 250.0)
    brainvision(tmp_path / "a.vhdr", samples, notes=PAUSED)
    rows = "a.vhdr,p1,one,20,30,low\na.vhdr,p1,two,31,41,high\n"
    before, after = TableSource(write(HEADER + rows), CHANNELS).read("p1").trials
    # Neither holds a sample from the gap's other side.
    np.testing.assert_allclose(before.samples, samples[:, 17 * 250 : 30 * 250], rtol=1e-6)
    assert (after.onset, after.end) == (250, 2750)
    np.testing.assert_allclose(after.samples, samples[:, 30 * 250 : 41 * 250 + 125], rtol=1e-6)

    over = TableSource(write(HEADER + rows.replace("20,30", "20,30.5")), CHANNELS)
    with pytest.raises(
        DataError, match=r"row 2, column stop: found a gap at 30 s of a\.vhdr within .* end the row"
    ):
        over.read("p1")


def test_a_row_behind_a_gap_of_unknown_length_is_refused(tmp_path: Path, write: Write) -> None:
    fif(tmp_path / FILE, signal(4, 128.0), skip=(30.0, 5.0))
    before = GOOD.replace("20,30", "10,20").replace("30,41", "20,30")
    assert len(TableSource(write(before), CHANNELS).read("p1").trials) == 2
    source = TableSource(write(GOOD), CHANNELS)
    with pytest.raises(
        DataError, match=r"row 3, column start: found a gap at 30 s .* split the recording"
    ):
        source.read("p1")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            "55,60.1",
            r"row 4, column stop: found 60\.1 s, expected at most 60 s, the end of s00_raw",
        ),
        ("70,80", r"row 4, column start: found 70 s, expected at most 60 s"),
    ],
)
def test_a_row_beyond_the_recording_is_refused(
    tmp_path: Path, write: Write, row: str, expected: str
) -> None:
    fif(tmp_path / FILE, signal(4, 128.0))
    source = TableSource(write(f"{GOOD}{FILE},p1,x,{row},low\n"), CHANNELS)
    with pytest.raises(DataError, match=expected):
        source.read("p1")


def test_a_missing_file_is_refused_with_its_row(tmp_path: Path, write: Write) -> None:
    fif(tmp_path / FILE, signal(4, 128.0))
    with pytest.raises(DataError, match=r"row 4, column file: found no file .*none\.edf"):
        TableSource(write(GOOD + "none.edf,p2,one,0,9,low\n"), CHANNELS)


def test_an_unknown_unit_is_refused(tmp_path: Path, write: Write) -> None:
    brainvision(tmp_path / "a.vhdr", signal(4, 250.0), unit="ARU")
    with pytest.raises(DataError, match=r"row 2, column file: a\.vhdr: .* without a known unit"):
        TableSource(write(GOOD.replace(FILE, "a.vhdr")), CHANNELS)


def test_too_few_channels_are_refused_as_live(tmp_path: Path, write: Write) -> None:
    fif(tmp_path / FILE, signal(4, 128.0))
    with pytest.raises(DataError, match=r"row 2, .*found 4 of the model's 32 .* at least 19"):
        TableSource(write(), DEAP32)


@pytest.mark.parametrize("sfreq", [99.0, 4096.0])
def test_a_rate_that_live_would_refuse_is_refused(
    tmp_path: Path, write: Write, sfreq: float
) -> None:
    fif(tmp_path / FILE, signal(4, sfreq, seconds=2.0), sfreq=sfreq)
    with pytest.raises(
        DataError, match=rf"column file: found a rate of {sfreq:g} Hz in .* 100 to 2048"
    ):
        TableSource(write(), CHANNELS)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sfreq": 256.0}, r"found sfreq 256\.0 in b_raw\.fif, expected 128\.0 as in s00_raw"),
        ({"names": CHANNELS[::-1]}, r"found channels \('Oz', .* in b_raw\.fif, expected \('Fz'"),
    ],
)
def test_one_persons_files_must_agree(
    tmp_path: Path, write: Write, changes: dict[str, object], expected: str
) -> None:
    fif(tmp_path / FILE, signal(4, 128.0))
    fif(tmp_path / "b_raw.fif", signal(4, 128.0), **changes)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=rf"row 4, column file: {expected}"):
        TableSource(write(GOOD + "b_raw.fif,p1,three,0,9,low\n"), CHANNELS)


@pytest.mark.needs("shared")
def test_real_recordings_have_windows_that_can_be_scored(write: Write) -> None:
    rest, task = EEGMAT / "Subject00_1.edf", EEGMAT / "Subject00_2.edf"
    rows = [f"{rest},s00,rest,0,60,"]
    rows += [f"{rest},s00,rest{at},{at},{at + 20},low" for at in range(60, 180, 20)]
    rows += [f"{task},s00,task{at},{at},{at + 20},high" for at in range(0, 60, 20)]
    header = HEADER.replace("arousal", "arithmetic")
    source = TableSource(write(header + "\n".join(rows)), TEN_TWENTY19)
    assert (source.labels, source.notes) == (("arithmetic",), ())
    person = source.read("s00")
    settings = PathSettings(channels=TEN_TWENTY19, representation=BandPower())
    cut = cut_person("s00", person, settings)
    assert (person.sfreq, len(person.layout.measured)) == (500.0, 19)
    # Each 20 s hold 4 windows; the task's first trial gives 3 s to the filters.
    assert np.bincount(cut.trial).tolist() == [4] * 6 + [3, 4, 4]
    assert cut.high[:, 0].tolist() == [False] * 6 + [True] * 3
    assert cut.scorable.mean() > 0.9
    assert np.isfinite(cut.measures).all()
    assert cut.rest is not None
