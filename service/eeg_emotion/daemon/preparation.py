"""The checks before a process starts: extras, model, signal path, access and ports."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace

from eeg_emotion.access.access import Access
from eeg_emotion.access.audit import Audit
from eeg_emotion.access.keys import KeyStore
from eeg_emotion.access.origins import Origins
from eeg_emotion.access.tokens import TokenVerifier
from eeg_emotion.codes import Purpose
from eeg_emotion.daemon.process import allow_many_files, listen, url_of
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.extras import require_extra
from eeg_emotion.inference.model import Model, ModelError, demo_model_path, load_model
from eeg_emotion.publish.purpose import settle_purpose
from eeg_emotion.role_settings import MEMORY
from eeg_emotion.settings import Settings, SettingsError, default_keys

_OF_ALARMS = ("rules", "event_store", "retention_days", "webhook", "mqtt")


@dataclass(frozen=True, slots=True)
class Prepared:
    """The result of the checks.

    Attributes
    ----------
    listener
        The socket to serve on.
    metrics_listener
        The socket of the separate port for metrics, if there is one.
    """

    settings: Settings
    model: Model
    path: PathSettings
    purpose: Purpose
    access: Access
    listener: socket.socket
    metrics_listener: socket.socket | None

    @property
    def metrics_address(self) -> str | None:
        """The URL of the metrics on their separate port; None if there is none."""
        listener = self.metrics_listener
        return None if listener is None else f"{url_of(listener)}metrics"


@contextlib.contextmanager
def prepare(settings: Settings) -> Iterator[Prepared]:
    """Load and check everything that the settings name, and listen until the context is left.

    Raises
    ------
    EegEmotionError
        If something is not as it must be.
    """
    model = load_for_service(settings)
    path = live_path(settings, model)
    purpose = settle_purpose(
        settings.purpose, settings.justification, simulated=model.contract.trained_on.simulated
    )
    access = access_for(settings, purpose)
    with contextlib.ExitStack() as listeners:
        listener = listeners.enter_context(listen(settings.host, settings.port, "--port"))
        metrics_listener = None
        if settings.metrics_port is not None:
            metrics_listener = listeners.enter_context(
                listen(settings.metrics_host, settings.metrics_port, "--metrics-port")
            )
        allow_many_files()
        yield Prepared(settings, model, path, purpose, access, listener, metrics_listener)


def refuse_missing_extras(settings: Settings) -> None:
    """Refuse settings that need a missing extra, in a process that reads headsets.

    Raises
    ------
    MissingExtraError
        If it is not: alarms, or a broker.
    """
    asked = [name for name in _OF_ALARMS if name in settings.model_fields_set]
    if wanted := [name for name in asked if getattr(settings, name)]:
        one = "setting" if len(wanted) == 1 else "settings"
        needed_by = f"raising alarms ({one}: {', '.join(wanted)})"
        require_extra("alarms", needed_by, f"leave the {one} out")
    if settings.bus.get_secret_value() != MEMORY:
        require_extra("cluster", "a broker (setting: bus)", "leave the setting out")


def load_for_service(settings: Settings) -> Model:
    """Load the configured model, and check that it has the targets that the service publishes."""
    path = settings.model or demo_model_path()
    model = load_model(path)
    targets = {target.name for target in model.contract.targets}
    if missing := {"arousal", "valence"} - targets:
        raise ModelError(
            f"{path}: found the targets {sorted(targets)}, expected arousal and valence among "
            f"them; add a run for {' and '.join(sorted(missing))} with 'eeg-emotion-train export'"
        )
    return model


def live_path(settings: Settings, model: Model) -> PathSettings:
    """Return the model's signal path with the configured hop."""
    path = model.contract.path
    if settings.hop_seconds is None:
        return path
    try:
        return replace(path, hop_seconds=settings.hop_seconds)
    except ValueError as error:
        raise SettingsError(
            f"found hop_seconds = {settings.hop_seconds:g}, expected a multiple of 0.25 that is at "
            f"most the model's window of {path.window_seconds:g} s: {error}"
        ) from error


def access_for(settings: Settings, purpose: Purpose) -> Access:
    """Return the access control that the settings describe.

    Raises
    ------
    EegEmotionError
        If keys, tokens' public keys or the audit cannot be used, or if the service would be open
        to the network without an explicit `allow_open`.
    """
    if settings.keys is not None and not settings.keys.is_file():
        raise SettingsError(
            f"found no key file {settings.keys}, expected one; create it with 'eeg-emotion keys "
            f"create NAME --scope read:* --keys {settings.keys}'"
        )
    store = KeyStore(settings.keys or default_keys())
    store.list()  # so that a damaged file is refused at start
    tokens = None
    if settings.jwt_keys is not None:
        tokens = TokenVerifier(settings.jwt_keys, audience=settings.jwt_audience)
    access = Access(
        # Even if it holds none: revoking the last key must not open the service to everyone.
        keys=store if settings.keys is not None or store.path.exists() else None,
        tokens=tokens,
        audit=Audit(purpose, settings.audit),
        origins=Origins.parse(settings.origin),
    )
    if access.open and not settings.loopback and not settings.allow_open:
        raise SettingsError(
            f"found host = {settings.host!r}, which other machines can reach, but no credentials, "
            "expected some; create a key with 'eeg-emotion keys create NAME --scope read:*', or "
            "give everyone access with --allow-open"
        )
    return access
