"""The user's own `lsl_api.cfg`: liblsl does not read it here, so what it says is reported.

Its scope is the whole site unless it says otherwise, and one mistake in it means liblsl's defaults.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

_VARIABLE = "LSLAPICFG"
_PLACES = ("lsl_api.cfg", "~/lsl_api/lsl_api.cfg", "/etc/lsl_api/lsl_api.cfg")
_LONGEST_FILE = 65_536
_LONGEST_VALUE = 200
_OPTIONS = {
    "sessionid": "--session-id",
    "resolvescope": "--lsl-scope",
    "knownpeers": "--lsl-peer",
    "baseport": "--lsl-base-port",
    "portrange": "--lsl-port-range",
}
"""What has an option here, in lower case."""


def describe_user_file(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return what the file that liblsl would read says, and the options for it; None if none."""
    named = environment.get(_VARIABLE)
    for place in (*filter(None, [named]), *_PLACES):
        file = Path(place).expanduser()
        try:
            with file.open(encoding="utf-8", errors="replace") as opened:
                text = opened.read(_LONGEST_FILE)
        except OSError:
            continue
        return _describe(file, by_variable=place == named, text=text)
    return None


def _describe(file: Path, *, by_variable: bool, text: str) -> str:
    pairs = (line.partition("=") for line in text.splitlines() if not line.startswith(";"))
    values = {key.strip().lower(): value.strip() for key, _, value in pairs}
    wanted: list[str] = []
    for key, option in _OPTIONS.items():
        if value := values.get(key, "")[:_LONGEST_VALUE]:
            each = value.strip("{} ").split(",") if key == "knownpeers" else [value]
            wanted += [f"{option} {one.strip()}" for one in each if one.strip()]
    whose = f", named by {_VARIABLE}," if by_variable else ""
    remedy = f"for what it says give {' '.join(wanted)}" if wanted else "it has nothing to set here"
    return f"{file}{whose} is not used, only the service's own settings are: {remedy}"
