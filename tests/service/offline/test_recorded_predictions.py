"""Whatever is renamed or moved, the same recordings have the same predictions."""

from __future__ import annotations

import re

import pytest
from tests.support.recorded_predictions import FILE, lines

_PROBABILITY = re.compile(r'(?<="probability": )[\d.]+')


def test_predictions_equal_the_recorded_ones() -> None:
    found, expected = "\n".join(lines()), FILE.read_text(encoding="utf-8").rstrip("\n")
    assert found.count('"valid": true') > 20
    # Byte for byte, except for the last of six decimals: it is float32, and processors differ.
    assert _PROBABILITY.sub("P", found) == _PROBABILITY.sub("P", expected)
    probabilities = [[float(p) for p in _PROBABILITY.findall(text)] for text in (found, expected)]
    assert probabilities[0] == pytest.approx(probabilities[1], abs=2e-6)
