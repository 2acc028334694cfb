from __future__ import annotations

from pathlib import Path

import pytest

from eeg_emotion_training.simulate import write_people


@pytest.fixture(scope="session")
def simulated_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One simulated person with seed 5, written once; 103 MB."""
    folder = tmp_path_factory.mktemp("simulated")
    write_people(folder, subjects=1, seed=5)
    return folder
