"""The commands for people's rest baselines, which call a running service over REST."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from eeg_emotion.cli.client import RestClient
from eeg_emotion.cli.options import AsJson
from eeg_emotion.errors import EegEmotionError

if TYPE_CHECKING:
    from eeg_emotion.publish.messages import Baseline, Prediction

profiles = typer.Typer(
    name="profiles", help="People's stored rest baselines.", no_args_is_help=True
)

# Clean seconds are counted one by one; polling twice a second shows each.
_POLL_SECONDS = 0.5
_AFTER_SECONDS = 15.0  # for the first prediction made with it, which follows within seconds

_Headset = Annotated[
    str | None, typer.Argument(help="The headset's id (default: the only live one).")
]
_Name = Annotated[str, typer.Argument(help="The profile's name.")]
_Url = Annotated[str, typer.Option(help="The service's URL.")]
_Token = Annotated[
    str | None,
    typer.Option(
        envvar="EEG_EMOTION_TOKEN",
        show_default=False,
        help="Key or token, if the service requires one; safer in the environment than here.",
    ),
]

_DEFAULT_URL = "http://127.0.0.1:8000"


class CalibrationError(EegEmotionError):
    """No baseline was made, or it is unclear for which headset."""


def calibrate(
    headset: _Headset = None,
    seconds: Annotated[
        int, typer.Option(min=1, help="Seconds of clean rest to collect; others do not count.")
    ] = 60,
    profile: Annotated[
        str | None,
        typer.Option(
            help="Pseudonym to store it under; an existing one is replaced (default: new)."
        ),
    ] = None,
    url: _Url = _DEFAULT_URL,
    token: _Token = None,
    as_json: AsJson = False,
) -> None:
    """Record a person at rest, store their baseline and apply it; Ctrl-C cancels."""
    from eeg_emotion.publish.messages import Baseline, BaselineState

    service = RestClient(url, token)
    place = ("headsets", headset or _only_live(service), "baseline")

    def current() -> Baseline:
        return Baseline.model_validate(service.ask("GET", *place))

    request = {"seconds": seconds, "profile": profile}
    try:
        baseline = Baseline.model_validate(service.ask("POST", *place, body=request))
        with _progress(baseline, hidden=as_json) as show:
            while baseline.state is BaselineState.COLLECTING:
                show(baseline)
                time.sleep(_POLL_SECONDS)
                baseline = current()
            show(baseline)
        tries = round(_AFTER_SECONDS / _POLL_SECONDS)
        while baseline.state is BaselineState.APPLIED and baseline.after is None and tries:
            tries -= 1
            time.sleep(_POLL_SECONDS)
            baseline = current()
    except KeyboardInterrupt:
        baseline = current()
        # Queried first: if the collection has just ended, DELETE would stop using the baseline.
        if baseline.state is BaselineState.COLLECTING:
            baseline = Baseline.model_validate(service.ask("DELETE", *place))
        raise CalibrationError(f"interrupted; {baseline.detail}") from None
    applied = baseline.state is BaselineState.APPLIED
    if as_json:
        typer.echo(baseline.encode())
        raise typer.Exit(0 if applied else 1)
    if not applied:
        raise CalibrationError(baseline.detail)
    typer.echo(_in_words(baseline))


@profiles.command("list")
def list_profiles(url: _Url = _DEFAULT_URL, token: _Token = None, as_json: AsJson = False) -> None:
    """List the stored profiles, with those that cannot be used."""
    found = RestClient(url, token).ask("GET", "profiles")
    if as_json:
        typer.echo(json.dumps(found))
        return
    for profile in found["profiles"]:
        model = f"{profile['model']} {profile['model_version']}"
        fit = f"; {profile['unfit']}" if profile["unfit"] else ""
        typer.echo(
            f"{profile['name']}: {profile['clean_seconds']} s of clean rest, "
            f"{profile['created'][:16]}, for {model}{fit}"
        )
    for name, why in found["damaged"].items():
        typer.echo(f"{name}: {why}", err=True)
    if not found["profiles"] and not found["damaged"]:
        typer.echo("no profiles are stored; 'eeg-emotion calibrate' makes one")


@profiles.command()
def delete(name: _Name, url: _Url = _DEFAULT_URL, token: _Token = None) -> None:
    """Delete a stored profile permanently."""
    RestClient(url, token).ask("DELETE", "profiles", name)
    typer.echo(f"profile {name} is deleted")


@profiles.command()
def use(
    name: _Name,
    headset: _Headset = None,
    url: _Url = _DEFAULT_URL,
    token: _Token = None,
    as_json: AsJson = False,
) -> None:
    """Apply a stored profile to a headset, from its next window on."""
    service = RestClient(url, token)
    identifier = headset or _only_live(service)
    found = service.ask("PUT", "headsets", identifier, "baseline", body={"profile": name})
    typer.echo(json.dumps(found) if as_json else f"{identifier}: {found['detail']}")


def _only_live(service: RestClient) -> str:
    live = [item["id"] for item in service.ask("GET", "headsets") if item["state"] == "live"]
    if len(live) != 1:
        raise CalibrationError(
            f"found {len(live)} live headsets ({', '.join(live) or 'none'}), expected exactly one; "
            "name the headset's id"
        )
    return str(live[0])


@contextlib.contextmanager
def _progress(begun: Baseline, *, hidden: bool) -> Iterator[Callable[[Baseline], None]]:
    """Yield a function that updates a progress bar on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.fields[profile]}", markup=False),
        BarColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), disable=hidden) as progress:
        task = progress.add_task(begun.detail, total=begun.seconds, profile=begun.profile)
        yield lambda baseline: progress.update(
            task, completed=baseline.clean_seconds, description=baseline.detail
        )


def _in_words(baseline: Baseline) -> str:
    return "\n".join(
        [
            f"{baseline.headset}: {baseline.detail}",
            f"before  {_scores(baseline.before)}",
            f"after   {_scores(baseline.after)}",
        ]
    )


def _scores(prediction: Prediction | None) -> str:
    if prediction is None:
        return "no prediction yet"
    if not prediction.valid:
        return f"no score: {', '.join(prediction.reasons)}"
    targets = {"arousal": prediction.arousal, "valence": prediction.valence}
    return "  ".join(
        f"{name} {item.probability:.2f} {item.label}" for name, item in targets.items()
    )
