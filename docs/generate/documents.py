"""All documents that are made from the code."""

from __future__ import annotations

import json
from collections.abc import Mapping

from docs.generate import codes, commands, messages, rest, settings

from eeg_emotion.publish import asyncapi


def documents() -> Mapping[str, str]:
    """Return the text of each document by its path in the repository."""
    openapi = rest.openapi()
    return {
        "docs/reference/SETTINGS.md": settings.page(),
        "docs/reference/codes.md": codes.page(),
        "docs/reference/command-line.md": commands.page(),
        "docs/reference/messages.md": messages.page(),
        "docs/reference/rest.md": rest.page(openapi),
        "service/openapi.json": json.dumps(openapi, indent=2, ensure_ascii=False) + "\n",
        **{f"service/{name}": text for name, text in asyncapi.documents().items()},
    }
