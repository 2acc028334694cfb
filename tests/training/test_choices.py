from __future__ import annotations

import re

import pytest

from eeg_emotion.eeg.layout import most_interpolated
from eeg_emotion.eeg.montage import DEAP32, EMOTIV14, MUSE4, TEN_TWENTY19
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.eeg.representation import (
    FOUR_BANDS,
    SEVEN_BANDS,
    BandPower,
    RawSignal,
    Tangent,
)
from eeg_emotion_training.choices import (
    MODELS,
    REPRESENTATIONS,
    ChoiceError,
    listed,
    montages,
    network_name,
    normalisers,
    representation_of,
)
from eeg_emotion_training.networks.names import NETWORKS


def test_a_list_is_names_between_commas() -> None:
    assert listed("gru, bn-gru,,lstm,") == ("gru", "bn-gru", "lstm")
    assert listed(" ") == ()


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_are_known_by_name(name: str) -> None:
    assert network_name(name) == name


@pytest.mark.parametrize("name", ["", "BN-GRU", "rnn", "majority"])
def test_an_unknown_network_is_refused_with_the_list(name: str) -> None:
    expected = f"found the network {name!r}, expected one of gru, bn-gru, lstm, bn-lstm"
    with pytest.raises(ChoiceError, match=re.escape(expected)):
        network_name(name)


def test_what_can_be_compared_is_the_networks_and_the_baselines() -> None:
    assert (*NETWORKS, "majority", "person-majority", "logistic") == MODELS


def test_representations_are_known_by_name() -> None:
    assert {name: representation_of(name) for name in REPRESENTATIONS} == {
        "raw": RawSignal(),
        "bands": BandPower(bands=FOUR_BANDS),
        "bands7": BandPower(bands=SEVEN_BANDS),
        "tangent": Tangent(),
    }


def test_an_unknown_representation_is_refused_with_the_list() -> None:
    expected = "found the representation 'wavelets', expected one of raw, bands, bands7, tangent"
    with pytest.raises(ChoiceError, match=expected):
        representation_of("wavelets")


def test_montages_are_known_by_name() -> None:
    assert montages("muse4,deap32 , ten-twenty19,emotiv14") == {
        "muse4": MUSE4,
        "deap32": DEAP32,
        "ten-twenty19": TEN_TWENTY19,
        "emotiv14": EMOTIV14,
    }


@pytest.mark.parametrize(
    ("text", "channels"),
    [
        ("Fp1,Fp2,Cz", ("Fp1", "Fp2", "Cz")),
        ("cz, FP1", ("Cz", "Fp1")),
        ("T3,T4,T5", ("T7", "T8", "P7")),  # as they were called before the 10-10 system
        ("AF7,AF8", ("AF7", "AF8")),
    ],
)
def test_electrodes_make_a_montage_of_ones_own(text: str, channels: tuple[str, ...]) -> None:
    assert montages(text) == {"custom": channels}


@pytest.mark.parametrize(
    "text",
    ["", ",", "cap64", "muse4,Cz", "Cz", "Cz,cz", "Cz,Xy9", "T3,T7", "deap32,deap32", "muse4,cap"],
)
def test_an_unknown_montage_is_refused_with_the_list(text: str) -> None:
    expected = f"found the montage {text!r}, expected some of deap32, ten-twenty19, emotiv14, muse4"
    with pytest.raises(ChoiceError, match=expected):
        montages(text)


def test_one_montage_is_not_two() -> None:
    with pytest.raises(ChoiceError, match="found the montages deap32, muse4, expected 1"):
        montages("deap32,muse4", most=1)
    assert list(montages("muse4", most=1)) == ["muse4"]


def test_as_large_a_share_as_of_deaps_channels_may_be_filled_in() -> None:
    assert most_interpolated(DEAP32) == PathSettings().max_interpolated == 13
    assert [most_interpolated(m) for m in (TEN_TWENTY19, EMOTIV14, MUSE4)] == [7, 5, 1]
    assert most_interpolated(("Cz", "Fz")) == 0


def test_an_unknown_normaliser_is_refused_with_the_list() -> None:
    assert normalisers("training, rest-baseline") == ("training", "rest-baseline")
    for text in ("foo", "", "training,foo"):
        with pytest.raises(ChoiceError, match="expected some of training, rest-baseline"):
            normalisers(text)
