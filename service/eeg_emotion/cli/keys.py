"""The commands for API keys, which edit the file that the service reads."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eeg_emotion.cli.options import AsJson, Config, takes_settings

if TYPE_CHECKING:
    from eeg_emotion.access.grants import Scope
    from eeg_emotion.access.keys import Key, KeyStore

keys = typer.Typer(name="keys", help="API keys for access to the service.", no_args_is_help=True)

_DAY_SECONDS = 86400
_MOST_DAYS = 3650


def _days(days: float | None) -> float | None:
    # This form of the comparison refuses NaN too.
    if days is not None and not 0 <= days <= _MOST_DAYS:
        raise typer.BadParameter(
            f"found {days:g} days, expected 0 to {_MOST_DAYS}; leave the option out for a key that "
            "never expires"
        )
    return days


_Name = Annotated[str, typer.Argument(help="The key's name: who or what uses it.")]


@keys.command()
@takes_settings("keys")
def create(
    name: _Name,
    scope: Annotated[
        list[str],
        typer.Option(
            help="What it allows: read:HEADSETS, control:HEADSETS with ids or patterns such as "
            "'ward-*', profiles, predict, metrics; may be repeated."
        ),
    ],
    expires_days: Annotated[
        float | None,
        typer.Option(callback=_days, help="Days until it expires (default: never)."),
    ] = None,
    *,
    config: Config = None,
    as_json: AsJson = False,
    **options: Any,
) -> None:
    """Create a key and print it, only this once: just its hash is stored."""
    store = _store(config, options)
    scopes = tuple(map(_scope, scope))
    expires = None if expires_days is None else time.time() + expires_days * _DAY_SECONDS
    key = store.add(name, scopes, expires)
    if as_json:
        typer.echo(json.dumps({"name": name, "key": key, "file": str(store.path)}))
        return
    # Only the key on standard output, so that a program can read it.
    typer.echo(key)
    typer.echo(
        f"Save the key now: {store.path} stores only its hash. Send it in the Authorization header "
        "or 'hello'; never put a key in a URL. A service that runs open requires keys only after a "
        "restart.",
        err=True,
    )


@keys.command("list")
@takes_settings("keys")
def list_keys(*, config: Config = None, as_json: AsJson = False, **options: Any) -> None:
    """List the keys, without their secrets."""
    store = _store(config, options)
    found = store.list()
    if as_json:
        typer.echo(json.dumps([key.model_dump(mode="json", exclude={"sha256"}) for key in found]))
        return
    for key in found:
        typer.echo(_in_words(key))
    if not found:
        typer.echo(f"{store.path} holds no keys; 'eeg-emotion keys create' makes one")


@keys.command()
@takes_settings("keys")
def revoke(name: _Name, *, config: Config = None, **options: Any) -> None:
    """Revoke a key; clients that are connected with it are disconnected within seconds."""
    store = _store(config, options)
    store.revoke(name)
    typer.echo(f"key {name} is revoked")
    if not store.list():
        typer.echo(
            f"{store.path} holds no more keys, so no key gives access; a service without --keys "
            "runs open again once the file is deleted and the service restarted",
            err=True,
        )


def _scope(text: str) -> Scope:
    from eeg_emotion.access.grants import Scope, ScopeError

    found = Scope.parse(text)
    # No headset's id contains one of these: it is several scopes in one, and would match nothing.
    if any(character in ",: " for character in found.headsets):
        raise ScopeError(
            f"found the scope {text!r}, expected one pattern of headset ids after the first colon; "
            "for several scopes repeat --scope, such as --scope read:ward-7 --scope read:lab-1"
        )
    return found


def _store(config: Path | None, options: Mapping[str, object]) -> KeyStore:
    from eeg_emotion.access.keys import KeyStore
    from eeg_emotion.settings import default_keys, load_settings

    return KeyStore(load_settings(config, **options).keys or default_keys())


def _in_words(key: Key) -> str:
    ends = "never expires"
    if key.expires is not None:
        over = key.expires <= datetime.now(UTC)
        ends = f"{'expired' if over else 'expires'} {key.expires:%Y-%m-%d %H:%M} UTC"
    return f"{key.name}: {' '.join(key.scopes)}; created {key.created:%Y-%m-%d}, {ends}"
