"""The commands of a command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer
from typer.main import get_command


def commands_of(app: typer.Typer) -> Mapping[str, Any]:
    """Return the commands by name."""
    group = get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    return group.commands
