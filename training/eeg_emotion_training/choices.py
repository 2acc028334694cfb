"""The names that the command line accepts, and what they stand for."""

from __future__ import annotations

from typing import get_args

from eeg_emotion.eeg import montage
from eeg_emotion.eeg.normaliser import NormaliserKind
from eeg_emotion.eeg.representation import (
    SEVEN_BANDS,
    BandPower,
    RawSignal,
    Representation,
    Tangent,
)
from eeg_emotion.errors import EegEmotionError
from eeg_emotion_training.networks.names import BASELINES, NETWORKS, NetworkName

REPRESENTATIONS: dict[str, Representation] = {
    "raw": RawSignal(),
    "bands": BandPower(),
    "bands7": BandPower(bands=SEVEN_BANDS),
    "tangent": Tangent(),
}
MODELS = (*NETWORKS, *BASELINES)
"""All models that can be compared: the paper's networks, and the baselines they must beat."""


class ChoiceError(EegEmotionError):
    """A name is not among those that can be chosen."""


def listed(text: str) -> tuple[str, ...]:
    """Read names that are separated by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def network_name(text: str) -> NetworkName:
    """Read a network's name."""
    for name in NETWORKS:
        if name == text:
            return name
    raise ChoiceError(f"found the network {text!r}, expected one of {', '.join(NETWORKS)}")


def representation_of(text: str) -> Representation:
    """Read a representation's name."""
    if text not in REPRESENTATIONS:
        raise ChoiceError(
            f"found the representation {text!r}, expected one of {', '.join(REPRESENTATIONS)}"
        )
    return REPRESENTATIONS[text]


def normalisers(text: str) -> tuple[str, ...]:
    """Read names of normalisers, separated by commas."""
    names, known = listed(text), get_args(NormaliserKind)
    if not names or not set(names) <= set(known):
        raise ChoiceError(f"found the normaliser {text!r}, expected some of {', '.join(known)}")
    return names


def montages(text: str, most: int | None = None) -> dict[str, tuple[str, ...]]:
    """Read names of montages, or the electrodes of one.

    Parameters
    ----------
    text
        Names separated by commas: all of montages, or all of electrodes.
    most
        Maximum number of montages; None for any.

    Returns
    -------
    dict
        For each montage's name its channels.
    """
    names = listed(text)
    chosen = {name: montage.MONTAGES[name] for name in names if name in montage.MONTAGES}
    if len(chosen) < len(names) or not names:
        spelling = {montage.normalise_label(name): name for name in montage.places()}
        keys = [montage.normalise_label(name) for name in names]
        unknown = [name for name, key in zip(names, keys, strict=True) if key not in spelling]
        if chosen or unknown or len(set(keys)) < max(2, len(keys)):
            raise ChoiceError(
                f"found the montage {text!r}, expected some of {', '.join(montage.MONTAGES)}, or "
                "two or more different electrodes by their 10-20 names, such as Fp1,Fp2,Cz"
            )
        chosen = {"custom": tuple(spelling[key] for key in keys)}
    if most is not None and len(chosen) > most:
        raise ChoiceError(f"found the montages {', '.join(chosen)}, expected {most}")
    return chosen
