"""What may be chosen about a training, for all that train a network or record that one was."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

_Count = Annotated[int, Field(ge=1)]


class TrainSettings(BaseModel):
    """The size of a network and the course of its training.

    What else is chosen differs: a study has many networks and targets, a fit has one. Classes that
    hold these settings beside others inherit from this one, so each field has one name and one
    range, and any of them can be passed to `train`. No field has a default: a record that lacks
    one is not read as if it had been trained with it. `DEFAULTS` is where a command line starts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    units: _Count
    """Of the recurrent layer."""
    steps: _Count
    """Optimiser steps; with a validation part at most this many."""
    batch_size: _Count
    """Windows in an optimiser step."""
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    """Of the split, the first weights and the order of the batches."""

    def train_settings(self) -> dict[str, Any]:
        """Return these four by name, without what a subclass adds."""
        return {name: getattr(self, name) for name in TrainSettings.model_fields}


DEFAULTS = TrainSettings(units=64, steps=10_000, batch_size=64, seed=1)
"""The steps are the paper's, which states no units and no batch size."""
