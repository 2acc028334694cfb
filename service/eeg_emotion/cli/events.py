"""The commands around the event store. They open the store that the service uses."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Annotated, Any

import typer

from eeg_emotion.cli.options import AsJson, Config, takes_settings
from eeg_emotion.extras import require_extra

events = typer.Typer(name="events", help="What is kept of alarms.", no_args_is_help=True)

_DAY_SECONDS = 86_400.0


@events.callback()
def _events() -> None:
    """Keep `purge` a command of its own while it is the only one."""


@events.command()
@takes_settings("event_store")
def purge(
    older_than_days: Annotated[
        float | None, typer.Option(min=0, help="Delete events that are older.")
    ] = None,
    headset: Annotated[
        str | None, typer.Option(help="Delete events of this headset alone, by its id.")
    ] = None,
    *,
    config: Config = None,
    as_json: AsJson = False,
    **options: Any,
) -> None:
    """Delete events and what waits to be delivered of them, by age, by headset, or both.

    By age alone those of alarms that are still raised stay. The service may run meanwhile.
    """
    if older_than_days is None and headset is None:
        raise typer.BadParameter(
            "found neither --older-than-days nor --headset, expected at least one of them"
        )
    require_extra("alarms", "'eeg-emotion events'")
    from eeg_emotion.alarms.store.store import EventStore
    from eeg_emotion.settings import load_settings

    url = load_settings(config, **options).event_store.get_secret_value()
    before = None if older_than_days is None else time.time() - older_than_days * _DAY_SECONDS
    with contextlib.closing(EventStore(url)) as store:
        deleted = store.purge(before, headset)
    typer.echo(json.dumps({"deleted": deleted}) if as_json else f"deleted {deleted} events")
