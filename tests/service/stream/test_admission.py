from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eeg_emotion.eeg.caps import CAPS, Cap
from eeg_emotion.eeg.layout import ChannelsMissing, UnitSuspect, UnitUnstated
from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.eeg.resampling import HIGHEST_SFREQ, LOWEST_SFREQ
from eeg_emotion.lsl.inlet import StreamDescription
from eeg_emotion.stream.admission import StreamRefused, admit

SETTINGS = PathSettings()
STREAM = StreamDescription(
    uid="1",
    channel_count=32,
    labels=DEAP32,
    units=("uV",) * 32,
    sfreq=250.0,
    is_text=False,
    simulated=True,
    replay_speed=1.0,
)


@pytest.mark.parametrize("sfreq", [LOWEST_SFREQ, 128.0, 250.0, HIGHEST_SFREQ])
def test_a_stream_that_fits_is_admitted_at_any_rate_in_range(sfreq: float) -> None:
    layout = admit(replace(STREAM, sfreq=sfreq), SETTINGS)
    assert layout.measured == DEAP32
    assert layout.max_interpolated == SETTINGS.max_interpolated
    assert layout.unit == "µV, as stated"


@pytest.mark.parametrize("sfreq", [LOWEST_SFREQ - 1, HIGHEST_SFREQ + 1, np.nan])
def test_a_rate_out_of_range_is_refused(sfreq: float) -> None:
    with pytest.raises(StreamRefused, match=rf"nominal rate of {sfreq:g} Hz, expected"):
        admit(replace(STREAM, sfreq=sfreq), SETTINGS)


def test_an_irregular_stream_is_refused_with_what_to_do() -> None:
    with pytest.raises(StreamRefused, match=r"nominal rate of 0, .*state its rate as the nominal"):
        admit(replace(STREAM, sfreq=0.0), SETTINGS)


def test_text_is_refused() -> None:
    with pytest.raises(StreamRefused, match="stream of text, expected numbers"):
        admit(replace(STREAM, is_text=True), SETTINGS)


@pytest.mark.parametrize("cap", [None, CAPS["biosemi32"]])
def test_channels_behind_the_labels_are_not_used_and_it_is_said(cap: Cap | None) -> None:
    stream = replace(STREAM, channel_count=34, units=(*STREAM.units, "", ""))
    layout = admit(stream, SETTINGS, cap=cap)
    assert (layout.measured, layout.interpolated) == (DEAP32, ())
    assert "not used: (33: no label), (34: no label)" in layout.describe()


def test_named_channels_that_are_too_few_for_the_model_are_refused() -> None:
    with pytest.raises(ChannelsMissing, match="found 8 of the model's 32"):
        admit(replace(STREAM, labels=DEAP32[:8]), SETTINGS)


@pytest.mark.parametrize("labels", [(), (*DEAP32, "Status")])
def test_a_stream_without_labels_or_with_more_than_channels_is_refused(
    labels: tuple[str, ...],
) -> None:
    with pytest.raises(ChannelsMissing, match=rf"found {len(labels)} channel labels .* of 32"):
        admit(replace(STREAM, labels=labels), SETTINGS)


def test_missing_channels_are_interpolated_as_far_as_the_model_allows() -> None:
    labels = (*DEAP32[:20], *(f"X{n}" for n in range(12)))
    assert admit(replace(STREAM, labels=labels), SETTINGS).interpolated == DEAP32[20:]
    with pytest.raises(ChannelsMissing, match="found 20 of the model's 32"):
        admit(replace(STREAM, labels=labels), replace(SETTINGS, max_interpolated=11))


def test_a_stream_without_units_is_admitted_once_it_is_measured() -> None:
    stream = replace(STREAM, units=("",) * 32)
    with pytest.raises(UnitUnstated) as caught:
        admit(stream, SETTINGS)
    assert caught.value.rows == tuple(range(32))
    layout = admit(stream, SETTINGS, amplitudes=np.full(32, 8e-6))
    np.testing.assert_array_equal(layout.microvolts, 1e6)
    with pytest.raises(UnitSuspect, match="median amplitude of 0 "):
        admit(stream, SETTINGS, amplitudes=np.zeros(32))


def test_a_numbered_stream_is_admitted_with_its_cap() -> None:
    stream = replace(STREAM, labels=tuple(f"A{n}" for n in range(1, 33)))
    with pytest.raises(ChannelsMissing, match="--cap"):
        admit(stream, SETTINGS)
    layout = admit(stream, SETTINGS, cap=CAPS["biosemi32"])
    assert layout.order == CAPS["biosemi32"].sites
