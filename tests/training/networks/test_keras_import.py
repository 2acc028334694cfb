from __future__ import annotations

import os
import subprocess
import sys

import pytest

from eeg_emotion_training.networks.keras_import import _no_start_up_lines

# A look for a GPU is logged too, after the import.
FIRST_LOOK = """
from eeg_emotion_training.networks.keras_import import load_keras
import os
keras = load_keras()
print(keras.ops.convert_to_numpy(keras.ops.ones(2)).sum(), "TF_CPP_MIN_LOG_LEVEL" in os.environ)
"""


@pytest.mark.needs("time")
def test_tensorflow_starts_without_a_line_on_the_terminal() -> None:
    chosen = ("TF_CPP_MIN_LOG_LEVEL", "KERAS_BACKEND", "TF_ENABLE_ONEDNN_OPTS")
    environment = {name: value for name, value in os.environ.items() if name not in chosen}
    ran = subprocess.run(
        [sys.executable, "-c", FIRST_LOOK], env=environment, capture_output=True, text=True
    )
    # What the user has not chosen is not left as a choice to the processes that are started.
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "2.0 False\n", "")


def test_what_is_held_back_is_shown_if_the_import_fails(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with _no_start_up_lines():
        os.write(2, b"no GPU\n")
    assert capfd.readouterr().err == ""

    @_no_start_up_lines()
    def fail() -> None:
        os.write(2, b"no such library\n")
        raise ImportError

    with pytest.raises(ImportError):
        fail()
    assert capfd.readouterr().err == "no such library\n"
    os.write(2, b"as before\n")
    assert capfd.readouterr().err == "as before\n"
