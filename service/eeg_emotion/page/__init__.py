"""The browser's side: the files in `static/`, and the module that is made of the codes."""

from __future__ import annotations

import json

from eeg_emotion.codes import Check, Code, Purpose, Reason, State, Trouble

_CODES: dict[str, type[Code]] = {
    "state": State,
    "reason": Reason,
    "trouble": Trouble,
    "check": Check,
    "purpose": Purpose,
}


def codes_module() -> str:
    """Return the JavaScript module `/static/codes.js`: `CODES[kind][code]`, with each code's words.

    It is a module and no JSON, so that the page has the words before its first line runs, and
    needs no key for them.
    """
    words = {
        kind: {
            code.value: {"sentence": code.sentence, "remedy": code.remedy, "brief": code.brief}
            for code in codes
        }
        for kind, codes in _CODES.items()
    }
    return f"export const CODES = {json.dumps(words, ensure_ascii=False, indent=2)};\n"
