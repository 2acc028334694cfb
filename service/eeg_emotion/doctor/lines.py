"""What the doctor found, in lines for people."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from eeg_emotion.doctor.doctor import Findings, OtherStream
from eeg_emotion.doctor.findings import Coverage, QualityFinding, SignalFinding, StreamFinding
from eeg_emotion.lsl.stream_types import EEG_TYPE, MARKERS_TYPE, is_of_type

_WORST = 5
_NAMES = 12


def to_text(findings: Findings) -> str:
    """Write the findings for people."""
    return "\n".join(_lines(findings))


def _lines(findings: Findings) -> Iterator[str]:
    yield f"eeg-emotion {findings.version}, Python {findings.python}, {findings.machine}"
    yield from _liblsl(findings)
    yield f"model       {findings.model}"
    yield from (f"held out    {result}" for result in findings.held_out)
    if findings.needs_rest is not None:
        yield f"needs       {findings.needs_rest}"
    if findings.liblsl is None:
        yield "streams     not looked for: there is no liblsl"
        return
    for stream in findings.streams:
        yield from _stream(stream)
    if not findings.streams:
        yield (
            "streams     none in sight. Start the program that makes the headset's outlet on "
            "this machine, with the same session id; for streams of other machines give "
            "--lsl-scope link"
        )
    if findings.other_streams:
        yield from _others(findings.other_streams)


def _others(streams: Sequence[OtherStream]) -> Iterator[str]:
    markers = [item for item in streams if is_of_type(item.type, (MARKERS_TYPE,))]
    others = [item for item in streams if item not in markers]
    if others:
        named = _list([f"{item.name!r} of type {item.type!r}" for item in others])
        first = shlex.quote(others[0].type)
        yield (
            f"others      {named}: not followed. If one is a headset, follow its type, such "
            f"as with --type {first}, or set it to EEG in the program that makes its outlet"
        )
    if markers:
        named = _list([f"{item.name!r}" for item in markers])
        yield (
            f"markers     {named}: followed with the headset whose source id, and -markers behind "
            "it, is theirs"
        )


def _liblsl(findings: Findings) -> Iterator[str]:
    if findings.liblsl is None:
        yield f"liblsl      MISSING: {findings.liblsl_problem}"
    else:
        library = findings.liblsl
        yield f"liblsl      {library.version}, {library.found_by}: {library.path}"
        yield from (f"            {note}" for note in library.notes)
    discovery = findings.discovery
    peers = f", known peers {', '.join(discovery.known_peers)}" if discovery.known_peers else ""
    yield (
        f"discovery   scope {discovery.scope}, session id {discovery.session_id!r}{peers}, "
        f"ports {discovery.ports[0]} to {discovery.ports[1]}"
    )
    if len(discovery.types) != 1 or not is_of_type(EEG_TYPE, discovery.types):
        yield f"            streams of type {' or '.join(map(repr, discovery.types))}"
    if discovery.unused_file is not None:
        yield f"            {discovery.unused_file}"
    if discovery.warning is not None:
        yield f"WARNING     {discovery.warning}"


def _stream(stream: StreamFinding) -> Iterator[str]:
    yield (
        f"stream      {stream.name!r} ({stream.id}) on {stream.hostname}: "
        f"{'good' if stream.good else 'NOT GOOD'}"
    )
    source = f"source id {stream.source_id!r}" if stream.source_id else "no source id"
    simulated = ", simulated" if stream.simulated else ""
    yield (
        f"  format    type {stream.type!r}, {stream.channel_count} channels of "
        f"{stream.channel_format} at {stream.sfreq:g} Hz, {source}{simulated}"
    )
    check = None if stream.check is None else str(stream.check)
    if stream.reason is None:
        yield f"  check     {check}"
    else:
        yield f"  check     {f'{check}; ' if check else ''}{stream.reason}"
    if stream.coverage is not None:
        yield f"  channels  {_coverage(stream.coverage)}"
    if stream.unit is not None:
        yield f"  unit      {stream.unit}"
    if stream.signal is not None and stream.signal.samples_received:
        yield from _signal(stream.signal)
    if stream.next_step is not None:
        yield f"  do next   {stream.next_step}"


def _coverage(coverage: Coverage) -> str:
    parts = [f"{len(coverage.measured)} of the model's {coverage.needed} measured"]
    for what, names in (
        ("interpolated", coverage.interpolated),
        ("missing", coverage.missing),
        ("not used", coverage.dropped),
    ):
        if names:
            parts.append(f"{what}: {_list(names)}")
    return "; ".join(parts)


def _signal(signal: SignalFinding) -> Iterator[str]:
    rate = (
        "too short a look for a rate"
        if signal.sfreq_measured is None
        else f"{signal.sfreq_measured:.1f} Hz measured"
    )
    yield (
        f"  samples   {signal.samples_received} received, {signal.samples_missing} missing in "
        f"{signal.gaps} gaps; {rate}; stamps: {signal.stamps or 'regular'}"
    )
    if signal.quality is not None:
        for fault in signal.quality.faults:
            yield f"  NO SCORE  {fault}: {fault.sentence} {fault.remedy}"
        yield f"  quality   {_quality(signal.quality)}"
    else:
        yield "  quality   no whole window came in the look"


def _quality(quality: QualityFinding) -> str:
    parts = [f"{quality.overall:.2f} overall"]
    if not quality.settled:
        parts.append("its filters had not settled yet, give more --seconds")
    bad = [channel for channel in quality.channels if channel.trouble is not None]
    bad.sort(key=lambda channel: channel.score)
    if bad:
        shown = [f"{item.label} {item.score:.2f} {item.trouble}" for item in bad[:_WORST]]
        more = f" and {len(bad) - _WORST} more" if len(bad) > _WORST else ""
        parts.append(f"worst: {', '.join(shown)}{more}")
    return "; ".join(parts)


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMES])
    return shown if len(names) <= _NAMES else f"{shown} and {len(names) - _NAMES} more"
