"""The commands around API keys. They write the file that the service reads."""

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

keys = typer.Typer(
    name="keys", help="API keys of those who may use the service.", no_args_is_help=True
)

_DAY_SECONDS = 86400
_MOST_DAYS = 3650


def _days(days: float | None) -> float | None:
    # Written so that NaN is refused too.
    if days is not None and not 0 <= days <= _MOST_DAYS:
        raise typer.BadParameter(
            f"found {days:g} days, expected 0 to {_MOST_DAYS}; leave it away for a key that never "
            "ends"
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
        float | None, typer.Option(callback=_days, help="Days until it ends (default: never).")
    ] = None,
    *,
    config: Config = None,
    as_json: AsJson = False,
    **options: Any,
) -> None:
    """Make a key and print it, this once: only its hash is kept."""
    store = _store(config, options)
    scopes = tuple(map(_scope, scope))
    expires = None if expires_days is None else time.time() + expires_days * _DAY_SECONDS
    key = store.add(name, scopes, expires)
    if as_json:
        typer.echo(json.dumps({"name": name, "key": key, "file": str(store.path)}))
        return
    # The key alone on the output, so that it can be read by a program.
    typer.echo(key)
    typer.echo(
        f"Keep it now: {store.path} has its hash only. It is for the Authorization header or "
        "'hello', never for an address. A service that runs open asks for it once started anew.",
        err=True,
    )


@keys.command("list")
@takes_settings("keys")
def list_keys(*, config: Config = None, as_json: AsJson = False, **options: Any) -> None:
    """List the keys, without what is secret."""
    store = _store(config, options)
    found = store.list()
    if as_json:
        typer.echo(json.dumps([key.model_dump(mode="json", exclude={"sha256"}) for key in found]))
        return
    for key in found:
        typer.echo(_in_words(key))
    if not found:
        typer.echo(f"{store.path} holds no key; 'eeg-emotion keys create' makes one")


@keys.command()
@takes_settings("keys")
def revoke(name: _Name, *, config: Config = None, **options: Any) -> None:
    """Take a key back; who is connected with it is sent away within seconds."""
    store = _store(config, options)
    store.revoke(name)
    typer.echo(f"key {name} is revoked")
    if not store.list():
        typer.echo(
            f"{store.path} holds no key any more, so nobody can come in by one; a service without "
            "--keys runs open once the file is deleted and it is started anew",
            err=True,
        )


def _scope(text: str) -> Scope:
    from eeg_emotion.access.grants import Scope, ScopeError

    found = Scope.parse(text)
    # No headset's id has one of these: it is two scopes in one, which would match nothing.
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
    ends = "never ends"
    if key.expires is not None:
        over = key.expires <= datetime.now(UTC)
        ends = f"{'ended' if over else 'ends'} {key.expires:%Y-%m-%d %H:%M} UTC"
    return f"{key.name}: {' '.join(key.scopes)}; made {key.created:%Y-%m-%d}, {ends}"
