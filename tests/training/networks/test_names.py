"""Which backend Keras gets."""

from __future__ import annotations

import os

import pytest

from eeg_emotion_training.networks import names
from eeg_emotion_training.networks.names import choose_backend


@pytest.mark.parametrize(
    ("stated", "missing", "expected"),
    [
        ("", (), "tensorflow"),
        ("", ("jax",), "tensorflow"),
        ("", ("tensorflow",), "jax"),
        # The command line then names what is missing.
        ("", ("tensorflow", "jax"), "tensorflow"),
        ("torch", ("tensorflow",), "torch"),
    ],
)
def test_the_backend_is_what_is_stated_else_tensorflow_else_jax(
    monkeypatch: pytest.MonkeyPatch, stated: str, missing: tuple[str, ...], expected: str
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", stated)
    monkeypatch.setattr(names, "find_spec", lambda name: None if name in missing else object())
    assert choose_backend() == expected
    assert os.environ["KERAS_BACKEND"] == expected
