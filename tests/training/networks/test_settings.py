from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from eeg_emotion_training.networks.settings import DEFAULTS, TrainSettings


class _More(TrainSettings):
    target: str


def test_the_settings_of_training_are_handed_on_without_what_is_added_to_them() -> None:
    expected = {"units": 8, "steps": 20, "batch_size": 4, "seed": 5}
    more = _More(target="arousal", **expected)
    assert more.train_settings() == expected
    assert TrainSettings(**more.train_settings()).model_dump() == expected


@pytest.mark.parametrize(
    "wrong", [{"units": 0}, {"steps": 0}, {"batch_size": 0}, {"seed": -1}, {"seed": 2**32}]
)
def test_a_setting_out_of_its_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        TrainSettings(**(DEFAULTS.model_dump() | wrong))


@pytest.mark.parametrize("name", TrainSettings.model_fields)
def test_no_record_is_read_as_if_it_stated_a_setting_that_it_lacks(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        TrainSettings(**DEFAULTS.model_dump(exclude={name}))
