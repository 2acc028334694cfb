"""A PostgreSQL server for tests."""

from __future__ import annotations

import os
from typing import Any

import pytest

PASSWORD = "not-in-any-error"  # noqa: S105  # of a server on loopback that lives for this test


def as_nobody() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return {}
    nobody = pytest.importorskip("pwd").getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
