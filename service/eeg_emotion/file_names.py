"""Names that a file cannot have on every platform."""

from __future__ import annotations

# Windows gives these to devices, whatever follows the first dot and in either case.
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul"}
    | {f"{port}{number}" for port in ("com", "lpt") for number in range(10)}
)


def names_device(name: str) -> bool:
    """Return whether Windows would open a device by this name, not a file."""
    return name.partition(".")[0].rstrip(" ").lower() in _DEVICES
