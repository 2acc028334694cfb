"""What benches print their figures with."""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[str, str, str, bool | None], None]
