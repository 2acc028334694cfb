"""Units of voltage as headsets and files spell them, as factors to microvolts.

Nothing is guessed here: an unknown spelling has no factor, and whoever asks must refuse.
"""

from __future__ import annotations

_MICROVOLTS = {
    "v": 1e6, "volt": 1e6, "volts": 1e6, "0": 1e6,
    "mv": 1e3, "millivolt": 1e3, "millivolts": 1e3, "-3": 1e3,
    "uv": 1.0, "µv": 1.0, "microvolt": 1.0, "microvolts": 1.0, "-6": 1.0,
    "nv": 1e-3, "nanovolt": 1e-3, "nanovolts": 1e-3, "-9": 1e-3,
}  # fmt: skip
# The exponents stand for volts to that power of ten, as mne-lsl's streams state them.

_GREEK_MU, _MICRO_SIGN = "\u03bc", "\u00b5"


def microvolts_per(unit: str) -> float | None:
    """Give the factor that turns a value in `unit` into microvolts; None for an unknown unit."""
    return _MICROVOLTS.get(unit.strip().lower().replace(_GREEK_MU, _MICRO_SIGN))
