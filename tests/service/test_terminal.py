from __future__ import annotations

import io
import sys

import pytest

from eeg_emotion.terminal import write_every_letter


def test_a_character_that_the_encoding_lacks_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding="cp1252") as output:
        monkeypatch.setattr(sys, "stdout", output)
        write_every_letter()
        sys.stdout.write("20 µV → Ω")
        output.flush()
        assert raw.getvalue().decode("cp1252") == r"20 µV \u2192 \u03a9"


def test_without_a_standard_output_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)  # as under pythonw
    write_every_letter()
