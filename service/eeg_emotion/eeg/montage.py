"""The electrodes by name: montages, positions on the head, and older spellings.

Channels are always found by label, never by their index in a stream.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

DEAP32: tuple[str, ...] = (
    "Fp1", "AF3", "F3", "F7", "FC5", "FC1", "C3", "T7", "CP5", "CP1", "P3", "P7", "PO3", "O1",
    "Oz", "Pz", "Fp2", "AF4", "Fz", "F4", "F8", "FC6", "FC2", "Cz", "C4", "T8", "CP6", "CP2",
    "P4", "P8", "PO4", "O2",
)  # fmt: skip
"""DEAP's 32 EEG channels in the Geneva order of its preprocessed files."""

TEN_TWENTY19: tuple[str, ...] = (
    "Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "T7", "C3", "Cz", "C4", "T8", "P7", "P3", "Pz",
    "P4", "P8", "O1", "O2",
)  # fmt: skip
"""The 19 scalp channels of the 10-20 system, by their names in the 10-10 system."""

EMOTIV14: tuple[str, ...] = (
    "AF3", "F7", "F3", "FC5", "T7", "P7", "O1", "O2", "P8", "T8", "FC6", "F4", "F8", "AF4",
)  # fmt: skip
"""The channels of an Emotiv EPOC, in the order of its files."""

MUSE4: tuple[str, ...] = ("TP9", "AF7", "AF8", "TP10")
"""The channels of a Muse headband."""

MONTAGES: dict[str, tuple[str, ...]] = {
    "deap32": DEAP32,
    "ten-twenty19": TEN_TWENTY19,
    "emotiv14": EMOTIV14,
    "muse4": MUSE4,
}
"""The montages for which a model can be trained, by name."""

# BioSemi's cap coordinates for 32 electrodes: inclination from the vertex and azimuth from the
# right ear, degrees (the same table as MNE's `biosemi32`), and the Muse's four by the same rule:
# 23 degrees of inclination or 18 of azimuth for each tenth.
_ANGLES: dict[str, tuple[float, float]] = {
    "Fp1": (-92, -72), "AF3": (-74, -65), "F7": (-92, -36), "F3": (-60, -51), "FC1": (-32, -45),
    "FC5": (-72, -21), "T7": (-92, 0), "C3": (-46, 0), "CP1": (-32, 45), "CP5": (-72, 21),
    "P7": (-92, 36), "P3": (-60, 51), "Pz": (46, -90), "PO3": (-74, 65), "O1": (-92, 72),
    "Oz": (92, -90), "O2": (92, -72), "PO4": (74, -65), "P4": (60, -51), "P8": (92, -36),
    "CP6": (72, -21), "CP2": (32, -45), "C4": (46, 0), "T8": (92, 0), "FC6": (72, 21),
    "FC2": (32, 45), "F4": (60, 51), "F8": (92, 36), "AF4": (74, 65), "Fp2": (92, 72),
    "Fz": (46, 90), "Cz": (0, 0),
    "AF7": (-92, -54), "AF8": (92, 54), "TP9": (-115, 18), "TP10": (115, -18),
}  # fmt: skip

# The 10-20 system's names before the 10-10 system renamed them (ACNS guideline 2).
_OLD_NAMES = {"t3": "t7", "t4": "t8", "t5": "p7", "t6": "p8"}

# What may follow the electrode's name in files and in streams made from them: a reference that is
# not a scalp electrode. An ear or a mastoid must follow a separator, because `A1` and `M1` may be
# part of a name; the average reference removes it.
_EAR = r"(?:[am]1(?:[-+/]?[am]2)?|[am]2(?:[-+/]?[am]1)?)"
_REFERENCE = re.compile(
    rf"(?<=\w)\.*(?:\s*[-:/_]\s*|\s+)\(?(?:ref|le|cle|avg|av|ar|car)\)?$|(?<=\w)\s*[-:/]\s*{_EAR}$"
)


def positions(channels: tuple[str, ...]) -> NDArray[np.float64]:
    """Return electrode positions on the unit sphere, `(channels, 3)`: x right, y front, z up.

    Raises
    ------
    KeyError
        If a channel has no known position.
    """
    inclination, azimuth = np.radians([_ANGLES[name] for name in channels]).T
    return np.stack(
        [
            np.sin(inclination) * np.cos(azimuth),
            np.sin(inclination) * np.sin(azimuth),
            np.cos(inclination),
        ],
        axis=1,
    )


def places() -> tuple[str, ...]:
    """Return the electrodes whose positions on the head are known."""
    return tuple(_ANGLES)


def has_place(channel: str) -> bool:
    """Return whether the channel's position is known, so that it can be interpolated."""
    return channel in _ANGLES


def normalise_label(label: str) -> str:
    """Normalise a label, so that different spellings of one electrode are equal.

    ``EEG Fp1``, ``FP1-REF``, ``Fp1:M1``, ``fp1`` and ``Fp1.`` all become ``fp1``; ``T3`` becomes
    ``t7``. A derivation between two scalp electrodes, such as ``Fp1-F7``, is left whole.
    """
    name = label.strip().rstrip(".").lower()
    name = name.removeprefix("eeg").lstrip(" -_:")
    name = _REFERENCE.sub("", name).rstrip(". ")
    return _OLD_NAMES.get(name, name)


# An electrode of the 10-10 system, then a separator and a second part. Other endings, such as the h
# of half distances, a prime or a bare number, make it another electrode.
_SITE_AND_REST = re.compile(
    r"(?P<site>(?:fp|af|ft|fc|f|cp|c|tp|t|po|p|o|i)(?:z|\d{1,2}))"
    r"(?P<rest>[\s\-:/_.,+(\u2010-\u2015\u2212].*[a-z].*)?",
    re.DOTALL,
)
_LEAST_SHARING = 2


def normalise_labels(labels: Sequence[str]) -> list[str]:
    """Normalise the labels of one stream or file, which know more together than each alone.

    If the labels of all electrodes have one and the same second part, it is their reference and is
    removed, whatever it is called: ``Fp1-CPz``, ``F3-CPz`` become ``fp1``, ``f3``. The same holds
    for a first part with a separator, such as ``POL Fp1``. The labels of a bipolar montage differ
    in their second parts and are left whole.

    Returns
    -------
    list[str]
        One for each label, as `normalise_label` returns it where nothing is shared.
    """
    names = [normalise_label(label) for label in labels]
    names = _without_shared_beginning(names)
    parsed = [_SITE_AND_REST.fullmatch(name) for name in names]
    rests = {found["rest"].strip() for found in parsed if found is not None and found["rest"]}
    if len(rests) != 1:
        return names
    (rest,) = rests
    reference = re.sub(r"[^a-z0-9]", "", rest)
    sharing = {found["site"] for found in parsed if found is not None and found["rest"]}
    # A bare electrode has another reference, unless it is the reference itself.
    bare = {found["site"] for found in parsed if found is not None and not found["rest"]}
    if len(sharing) < _LEAST_SHARING or bare - {reference}:
        return names
    sites = [
        found["site"] if found is not None and found["rest"] else name
        for found, name in zip(parsed, names, strict=True)
    ]
    return [_OLD_NAMES.get(site, site) for site in sites]


def _without_shared_beginning(names: list[str]) -> list[str]:
    """Remove the one word that stands before all electrodes, such as ``pol`` or ``scalp``."""
    split = [re.fullmatch(r"(?P<word>[a-z]+)[ _:.-]+(?P<name>.+)", name) for name in names]
    words = [
        found["word"]
        for found in split
        if found is not None
        and _SITE_AND_REST.fullmatch(found["name"])
        and not _SITE_AND_REST.fullmatch(found["word"])
    ]
    if len(words) < _LEAST_SHARING or len(set(words)) != 1:
        return names
    if any(_SITE_AND_REST.fullmatch(name) for name in names):
        return names  # electrodes without the word: it is no common one
    return [
        normalise_label(found["name"]) if found is not None and found["word"] == words[0] else name
        for found, name in zip(split, names, strict=True)
    ]


REGIONS = ("frontal", "central", "temporal", "parietal", "occipital")
"""The head's regions, from the front to the back."""

_REGION_OF_LETTERS = {
    "fp": "frontal", "af": "frontal", "f": "frontal",
    "fc": "central", "c": "central", "cp": "central",
    "ft": "temporal", "t": "temporal", "tp": "temporal",
    "p": "parietal", "po": "occipital", "o": "occipital",
}  # fmt: skip


def region_of(channel: str) -> str | None:
    """Return the region under an electrode of the 10-10 system; None for another label."""
    letters = re.fullmatch(r"([a-z]+?)(?:z|\d+)", channel.lower())
    return _REGION_OF_LETTERS.get(letters[1]) if letters else None


# The outermost known electrode; all others lie within this circle.
_RIM_DEGREES = 115.0


def flat_position(channel: str) -> tuple[float, float]:
    """Return an electrode's position on a flat head: x to the right ear, y to the nose.

    The projection is azimuthal equidistant: Cz is the centre, and the distance from it is the angle
    from the vertex, 1 at 115 degrees.

    Raises
    ------
    KeyError
        If the channel has no known position.
    """
    inclination, azimuth = _ANGLES[channel]
    distance, angle = inclination / _RIM_DEGREES, np.radians(azimuth)
    return round(distance * float(np.cos(angle)), 4), round(distance * float(np.sin(angle)), 4)
