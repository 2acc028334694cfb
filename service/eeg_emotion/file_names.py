"""File names that not every platform allows."""

from __future__ import annotations

# Windows reserves these for devices, whatever follows the first dot and in either case.
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul"}
    | {f"{port}{number}" for port in ("com", "lpt") for number in range(10)}
)


def names_device(name: str) -> bool:
    """Return whether Windows would open a device under this name, not a file."""
    return name.partition(".")[0].rstrip(" ").lower() in _DEVICES
