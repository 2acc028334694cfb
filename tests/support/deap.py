"""A file of DEAP's shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from eeg_emotion.recordings.deap_pickle import write_python2_pickle

Arrays = dict[str, NDArray[np.float64]]


@pytest.fixture(scope="session")
def deap_arrays() -> Arrays:
    """Data and labels of DEAP's shape: repeated noise, because drawing all of it is slow."""
    rng = np.random.default_rng(20)
    data = np.resize(rng.normal(0.0, 10.0, (40, 1, 8064)), (40, 40, 8064))
    data *= np.arange(1.0, 41.0)[:, np.newaxis]
    labels = rng.uniform(1.0, 9.0, (40, 4)).round(2)
    for array in (data, labels):
        array.setflags(write=False)
    return {"data": data, "labels": labels}


@pytest.fixture(scope="session")
def deap_file(deap_arrays: Arrays, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole `s01.dat` of DEAP's shape, written once; 103 MB."""
    path = tmp_path_factory.mktemp("deap") / "s01.dat"
    with path.open("wb") as file:
        write_python2_pickle(file, deap_arrays)
    return path
