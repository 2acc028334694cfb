"""The commands for the event store, which open the store that the service uses."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Annotated, Any

import typer

from eeg_emotion.cli.options import AsJson, Config, takes_settings
from eeg_emotion.extras import require_extra

events = typer.Typer(name="events", help="The stored events of alarms.", no_args_is_help=True)

_DAY_SECONDS = 86_400.0


@events.callback()
def _events() -> None:
    """Keep `purge` a subcommand while it is the only one."""


@events.command()
@takes_settings("event_store")
def purge(
    older_than_days: Annotated[
        float | None, typer.Option(min=0, help="Delete events older than this.")
    ] = None,
    headset: Annotated[
        str | None, typer.Option(help="Delete events of this headset only, by its id.")
    ] = None,
    *,
    config: Config = None,
    as_json: AsJson = False,
    **options: Any,
) -> None:
    """Delete events and their pending deliveries, by age, by headset, or both.

    The service may be running. Events of alarms that are still raised are kept: by age alone all of
    them, by headset those of a service that runs. If any of a headset are kept, the exit status is
    1.
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
        purged = store.purge(before, headset)
    if as_json:
        typer.echo(json.dumps({"deleted": purged.deleted, "kept": dict(purged.kept)}))
    else:
        typer.echo(f"deleted {purged.deleted} events")
        for service, count in purged.kept.items():
            typer.echo(
                f"kept {count} events of alarms that are raised by the running service "
                f"{service!r}; to delete them too, stop it and repeat this command"
            )
    raise typer.Exit(1 if purged.kept else 0)
