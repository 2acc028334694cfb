"""The command `what-if`: show which alarms rules would have raised on a recording."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from eeg_emotion.cli.offline import SETTINGS, Prepared, Profile, prepare
from eeg_emotion.cli.options import AsJson, Config, takes_settings
from eeg_emotion.cli.recording import Baseline, RecordingFile, StreamName, Trials
from eeg_emotion.extras import require_extra
from eeg_emotion.terminal import Output

if TYPE_CHECKING:
    from eeg_emotion.alarms.what_if import Outcome, Raised

_NOT_SHOWN = (
    "what rules on the headset's state would do: a recording never goes stale and is never lost"
)


@takes_settings(*SETTINGS)
def what_if(
    rules: Annotated[str, typer.Argument(help="A preset's name or a TOML file of rules.")],
    file: RecordingFile,
    plot: Annotated[Path, typer.Option(help="HTML file to plot the windows and alarms in.")] = Path(
        "what-if.html"
    ),
    profile: Profile = None,
    trials: Trials = None,
    baseline: Baseline = True,
    stream: StreamName = None,
    *,
    config: Config = None,
    as_json: AsJson = False,
    **options: Any,
) -> None:
    """Show what rules would have done on a recording, as a table of the alarms and a plot."""
    require_extra("alarms", "'eeg-emotion what-if'")
    from eeg_emotion.alarms.rules.presets import read_rules_named

    read = read_rules_named(rules)
    prepared = prepare(
        file, config, options, profile=profile, trials=trials, baseline=baseline, stream=stream
    )
    from eeg_emotion.alarms import what_if as judging
    from eeg_emotion.alarms.what_if_plot import write_plot

    run = prepared.run
    outcome = judging.what_if(read, run.headset, run.recording.sfreq, run.predictions())
    simulated = " (simulated)" if prepared.simulated else ""
    write_plot(outcome, f"What {rules} would have done on {run.recording.name}{simulated}", plot)
    result = _result(outcome, prepared, rules, plot)
    if as_json:
        typer.echo(json.dumps(result))
    else:
        _print(outcome, result, Output())


def _result(outcome: Outcome, prepared: Prepared, rules: str, plot: Path) -> dict[str, Any]:
    contract = prepared.model.contract
    hours = prepared.run.signal_seconds / 3600
    return {
        "rules": rules,
        "recording": prepared.run.recording.name,
        "recording_simulated": prepared.run.recording.simulated,
        "headset": prepared.run.headset,
        "notes": list(prepared.run.recording.notes),
        "model": f"{contract.name} {contract.version}",
        "model_simulated": contract.trained_on.simulated,
        "signal_seconds": round(prepared.run.signal_seconds, 3),
        "windows": len(outcome.windows),
        "valid": sum(window.valid for window in outcome.windows),
        "alarms": [_alarm(raised) for raised in outcome.raised],
        "by_rule": {
            tally.rule.name: {
                "severity": tally.rule.severity,
                "alarms": outcome.alarms[tally.rule.name],
                "per_hour": round(outcome.alarms[tally.rule.name] / hours, 2) if hours else None,
                "held": tally.held,
                "did_not": tally.did_not,
                "unknown": tally.unknown,
                "longest_dwell_seconds": round(tally.longest_dwell_seconds, 3),
                "dwell_seconds": tally.rule.dwell_seconds,
            }
            for tally in outcome.tallies
        },
        "not_shown": _NOT_SHOWN,
        "plot": str(plot),
    }


def _alarm(raised: Raised) -> dict[str, Any]:
    seen = raised.seen
    return {
        "rule": raised.rule.name,
        "severity": raised.rule.severity,
        "text": raised.rule.text,
        "raised": round(raised.at, 3),
        "cleared": None if raised.cleared is None else round(raised.cleared, 3),
        "arousal": None if seen is None else seen.arousal.probability,
        "valence": None if seen is None else seen.valence.probability,
        "quality": None if seen is None else seen.quality,
        "reasons": [] if seen is None else list(seen.reasons),
    }


def _print(outcome: Outcome, result: dict[str, Any], console: Console) -> None:
    def line(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    line(
        f"{result['recording']}: {result['windows']} windows, {result['valid']} of them valid; "
        f"{len(outcome.raised)} alarms"
    )
    alarms = Table("raised", "lasted", "severity", "rule", "arousal", "valence", "quality")
    for raised in outcome.raised:
        seen = raised.seen
        lasted = "to the end" if raised.cleared is None else f"{raised.cleared - raised.at:.1f} s"
        arousal, valence = (None, None) if seen is None else (
            seen.arousal.probability, seen.valence.probability,
        )  # fmt: skip
        alarms.add_row(
            _clock(raised.at), lasted, raised.rule.severity, raised.rule.name,
            _number(arousal), _number(valence), _number(None if seen is None else seen.quality),
        )  # fmt: skip
    if outcome.raised:
        console.print(alarms)
    rules = Table("rule", "alarms", "per hour", "held", "did not hold", "unknown", "longest dwell")
    for tally in outcome.tallies:
        found = result["by_rule"][tally.rule.name]
        rules.add_row(
            tally.rule.name, str(found["alarms"]), f"{found['per_hour']:g}", str(tally.held),
            str(tally.did_not), str(tally.unknown),
            f"{tally.longest_dwell_seconds:.1f} of {tally.rule.dwell_seconds:g} s",
        )  # fmt: skip
    console.print(rules)
    if not outcome.tallies:
        line(f"no rule applies to the headset {result['headset']!r}: check 'headsets' in the rules")
    for note in result["notes"]:
        line(f"note        {note}")
    line(f"not shown   {_NOT_SHOWN}")
    for what, simulated in (
        ("the recording", result["recording_simulated"]),
        ("the people whom the model was trained on", result["model_simulated"]),
    ):
        if simulated:
            line(f"simulated   {what}")
    line(f"plot        {result['plot']}")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:04.1f}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
