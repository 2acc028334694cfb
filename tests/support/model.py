"""A model that a test has estimate what it likes, or watches."""

from __future__ import annotations

from dataclasses import fields

from eeg_emotion.inference.model import Model


class FakeModel(Model):
    """A loaded model in all but what a test overrides; unlike a real one it may keep notes."""

    __setattr__ = object.__setattr__

    def __init__(self, model: Model) -> None:
        for each in fields(Model):
            setattr(self, each.name, getattr(model, each.name))
