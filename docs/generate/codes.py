"""The page of the codes on the wire, made from `eeg_emotion.codes`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from docs.generate.markdown import MADE, code, table

from eeg_emotion.codes import Check, Code, Purpose, Reason, State, Trouble

KINDS: tuple[type[Code], ...] = (State, Reason, Trouble, Check, Purpose)


def page() -> str:
    """Write the page.

    Returns
    -------
    str
        Markdown.
    """
    return "\n".join(
        [
            "# Codes",
            "",
            MADE.format(source="`codes.py`"),
            "The service serves the same texts, without credentials, as the JavaScript module",
            "`/static/codes.js`. A code never changes; its texts may. WebSocket close codes are in",
            "[PROTOCOL.md](PROTOCOL.md#close-codes).",
            "",
            *(line for kind in KINDS for line in _section(kind)),
        ]
    )


def _section(kind: type[Code]) -> Iterator[str]:
    head = {"sentence": "meaning", "remedy": "what to do", "brief": "in a chart"}
    said = {name: column for name, column in head.items() if any(getattr(c, name) for c in kind)}
    yield f"## {kind.__name__}\n"
    yield f"{inspect.cleandoc(kind.__doc__ or '')}\n"
    if kind is Trouble:
        yield "The texts follow the electrode's name.\n"
    rows = [(code(one.value), *(getattr(one, name) for name in said)) for one in kind]
    yield table(("code", *said.values()), rows)
