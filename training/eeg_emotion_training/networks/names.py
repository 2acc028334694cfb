"""The names of the paper's networks, apart from Keras: a command line lists them without it."""

from __future__ import annotations

from typing import Literal, get_args

NetworkName = Literal["gru", "bn-gru", "lstm", "bn-lstm"]
NETWORKS: tuple[NetworkName, ...] = get_args(NetworkName)
