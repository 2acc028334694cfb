"""Which people train, which choose the epoch, and which are only tested on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eeg_emotion.errors import EegEmotionError

_FEWEST = 3


class SplitError(EegEmotionError):
    """The people cannot be kept apart as asked."""


@dataclass(frozen=True, slots=True)
class PeopleSplit:
    """Numbers of people, each in exactly one part."""

    training: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]

    def __post_init__(self) -> None:
        parts = (self.training, self.validation, self.test)
        together = [number for part in parts for number in part]
        if len(set(together)) != len(together):
            raise SplitError(f"found a person in two parts of {parts}, expected each in one")
        if not all(parts):
            raise SplitError(f"found an empty part in {parts}, expected someone in each")


def split_people(numbers: Sequence[int], *, seed: int) -> PeopleSplit:
    """Draw a quarter of the people for the test and a fifth of the rest for validation.

    Raises
    ------
    SplitError
        If there are fewer than three people: then nobody could be kept apart.
    """
    if len(numbers) < _FEWEST:
        raise SplitError(
            f"found {len(numbers)} people, expected at least {_FEWEST}: one to train, one to "
            "choose the epoch, one to test"
        )
    drawn = np.random.default_rng(seed).permutation(sorted(numbers)).tolist()
    test = max(1, round(len(drawn) / 4))
    validation = max(1, round((len(drawn) - test) / 5))
    return PeopleSplit(
        training=tuple(sorted(drawn[test + validation :])),
        validation=tuple(sorted(drawn[test : test + validation])),
        test=tuple(sorted(drawn[:test])),
    )
