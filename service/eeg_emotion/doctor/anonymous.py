"""The findings as others may read them: without what names a person, a machine or a folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from eeg_emotion.doctor.doctor import Findings
from eeg_emotion.doctor.findings import StreamFinding
from eeg_emotion.loopback import is_loopback
from eeg_emotion.lsl.doubles import shortened
from eeg_emotion.settings import Settings

# Folders may have spaces in their names, so that this may take some words of a sentence too.
_FOLDERS = re.compile(r"(?<![\w.])(?:[A-Za-z]:|~)?[\\/](?:[^\\/\n'\",;()]+[\\/])+")
_OWN_SESSION = "(not the default)"


def anonymous(findings: Findings) -> Findings:
    """Return the findings with numbers in place of names.

    Streams, source ids and hosts are numbered, each the same wherever it is mentioned; folders,
    other machines' addresses and a session id that is not the default are left out. Labels of
    channels and the model's name stay.
    """
    names: dict[str, str] = {}
    for stream in findings.streams:
        for name, word in (
            (stream.id, "headset"),
            (stream.source_id, "source"),
            (stream.hostname, "host"),
            (stream.name, "stream"),
        ):
            _number(names, name, word)
    for other in findings.other_streams:
        _number(names, other.hostname, "host")
        _number(names, other.name, "stream")
    library, discovery = findings.liblsl, findings.discovery
    default = Settings.model_fields["session_id"].default
    return replace(
        findings,
        liblsl=library
        and replace(
            library,
            path=_without_folders(library.path),
            notes=tuple(_without_folders(note) for note in library.notes),
        ),
        liblsl_problem=findings.liblsl_problem and _without_folders(findings.liblsl_problem),
        discovery=replace(
            discovery,
            session_id=default if discovery.session_id == default else _OWN_SESSION,
            known_peers=tuple(
                peer if is_loopback(peer) else "(another machine)" for peer in discovery.known_peers
            ),
            unused_file=discovery.unused_file and "an lsl_api.cfg is not used",
        ),
        model=_without_folders(findings.model),
        streams=tuple(_renamed(stream, names) for stream in findings.streams),
        other_streams=tuple(
            replace(other, name=names[other.name], hostname=names[other.hostname])
            for other in findings.other_streams
        ),
    )


def _number(names: dict[str, str], name: str, word: str) -> None:
    if name not in names:
        names[name] = f"{word}-{1 + sum(given.startswith(word) for given in names.values())}"


def _renamed(stream: StreamFinding, names: Mapping[str, str]) -> StreamFinding:
    reason = stream.reason
    if reason is not None:
        shown = {shortened(name): given for name, given in names.items()} | dict(names)
        known = sorted(filter(None, shown), key=len, reverse=True)
        pattern = rf"(?<!\w)(?:{'|'.join(map(re.escape, known))})(?!\w)"
        reason = _without_folders(re.sub(pattern, lambda found: shown[found[0]], reason))
    return replace(
        stream,
        id=names[stream.id],
        name=names[stream.name],
        hostname=names[stream.hostname],
        source_id=names[stream.source_id],
        reason=reason,
    )


def _without_folders(text: str) -> str:
    return _FOLDERS.sub(".../", text.replace(str(Path.home()), "~"))
