"""How many examples the property tests draw, and whether always the same ones.

`make test` draws a quarter of what `make test-all` draws. Both draw the same examples each time, so
that a change is judged by what it changes; `make soak` draws new ones.
"""

from __future__ import annotations

from hypothesis import settings

QUICK, ALL, SOAK = "quick", "all", "soak"

settings.register_profile(QUICK, derandomize=True, database=None, deadline=None)
settings.register_profile(ALL, derandomize=True, database=None, deadline=None)
settings.register_profile(SOAK, derandomize=False, deadline=None)


def examples(count: int) -> settings:
    """Draw so many examples, and fewer in `make test`."""
    quick = settings.get_current_profile_name() == QUICK
    return settings(max_examples=max(1, count // 4) if quick else count)
