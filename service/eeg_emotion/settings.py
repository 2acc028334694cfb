"""The service's settings: command line, then environment, then a TOML file, then defaults."""

from __future__ import annotations

import ipaddress
import json
import re
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings.exceptions import SettingsError as UnreadableSetting

from eeg_emotion.access.origins import OriginError, Origins
from eeg_emotion.alarms.delivery.settings import MqttSettings, WebhookSettings
from eeg_emotion.cluster.subjects import EVERY_SITE, NAME_PATTERN
from eeg_emotion.eeg.caps import CapError, cap_named
from eeg_emotion.eeg.quality import QualityLimits
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.log_format import LogFormat
from eeg_emotion.lsl.configuration import Scope
from eeg_emotion.own_folders import config_folder, data_folder
from eeg_emotion.publish.purpose import Purpose
from eeg_emotion.stream.selection import HeadsetFilter

_SECRET = {("webhook",), ("mqtt",), ("event_store",), ("bus",)}


MEMORY = "memory://"
"""The bus of one process."""


class SettingsError(EegEmotionError):
    """A setting is unknown or has a value that it cannot have."""


def _profiles_folder() -> Path:
    return data_folder() / "profiles"


def _events_file() -> SecretStr:
    return SecretStr(f"sqlite:///{data_folder() / 'events.db'}")


def default_keys() -> Path:
    """Return the file of the keys where none is named."""
    return config_folder() / "keys.json"


class Settings(BaseSettings):
    """All settings of `eeg-emotion serve`.

    Each is an option of the command line, `EEG_EMOTION_<NAME>` in the environment, and a key of
    the TOML file.
    """

    model_config = SettingsConfigDict(
        env_prefix="EEG_EMOTION_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    host: Annotated[str, Field(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[
        int, Field(ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    ] = 8000
    max_connections: Annotated[
        int,
        Field(
            ge=1,
            description="Subscribers at once, each some 40 KiB and a file descriptor; one more is "
            "refused with 503. Fewer, with a warning, where the limit of open files is below some "
            "8,200.",
        ),
    ] = 4000
    model: Annotated[
        Path | None,
        Field(
            description="ONNX file of `eeg-emotion-train export`.",
            json_schema_extra={"unset": "the demo's"},
        ),
    ] = None
    hop_seconds: Annotated[
        float | None,
        Field(
            gt=0,
            multiple_of=0.25,
            description="Time between windows.",
            json_schema_extra={"unset": "the model's; the demo's has 1"},
        ),
    ] = None
    session_id: Annotated[str, Field(description="Only LSL streams of this session are seen.")] = (
        "default"
    )
    lsl_scope: Annotated[
        Scope, Field(description="How far LSL streams are looked for; LSL has no security.")
    ] = Scope.MACHINE
    lsl_out: Annotated[
        bool,
        Field(
            description="Send each headset's predictions as an LSL stream too; whoever is in reach "
            "reads it, without credentials. See [README.md](README.md#predictions-over-lsl)."
        ),
    ] = False
    match: Annotated[
        tuple[str, ...],
        Field(
            description="Follow only headsets whose id or name matches a pattern, such as "
            "`ward-*`.",
            json_schema_extra={"unset": "every headset"},
        ),
    ] = ()
    cap: Annotated[
        str | None,
        Field(
            description="The electrodes behind numbered labels: `biosemi32`, `biosemi64`, "
            "`openbci16`, or names in the order of the numbers, such as `Fp1,Fp2,C3,C4`."
        ),
    ] = None
    quality: Annotated[
        QualityLimits,
        Field(
            description="Thresholds of the signal's judgement; of two numbers a score falls from 1 "
            "at the first to 0 at the second. They are not part of the model's contract: training "
            "uses the defaults."
        ),
    ] = QualityLimits()
    profiles: Annotated[
        Path,
        Field(
            description="Folder of people's rest baselines.",
            json_schema_extra={"unset": "`profiles` in the [folder for data](README.md#platforms)"},
        ),
    ] = Field(default_factory=_profiles_folder)

    rules: Annotated[
        tuple[str, ...],
        Field(
            description="Rules that raise alarms: names of presets, or TOML files. See "
            "[RULES.md](RULES.md)."
        ),
    ] = ()
    event_store: Annotated[
        SecretStr,
        Field(
            description="Where alarms' events, what is to be delivered of them and rules put by "
            "REST are kept: `sqlite:///PATH`, or `postgresql://USER:PASSWORD@HOST/NAME`.",
            json_schema_extra={"unset": "`events.db` beside the profiles' default folder"},
        ),
    ] = Field(default_factory=_events_file)
    retention_days: Annotated[
        float,
        Field(
            gt=0,
            le=3660,
            description="Events that are older are deleted, but for those of alarms still raised.",
        ),
    ] = 90.0
    webhook: Annotated[
        tuple[WebhookSettings, ...],
        Field(description="Where events are posted; a table for each."),
    ] = ()
    mqtt: Annotated[
        MqttSettings | None,
        Field(description="MQTT 5 broker that events are published to."),
    ] = None

    bus: Annotated[
        SecretStr,
        Field(
            description="A NATS broker that predictions travel through: "
            "`nats://USER:PASSWORD@HOST:4222`, `tls://…`, several of one cluster with commas "
            "between; `memory://` is none. See [BROKER.md](BROKER.md).",
            json_schema_extra={"unset": "`memory://`"},
        ),
    ] = SecretStr(MEMORY)
    bus_credentials: Annotated[
        Path | None, Field(description="The broker's `.creds` file, where it asks for one.")
    ] = None
    bus_ca: Annotated[
        Path | None,
        Field(
            description="Certificates to trust; the connection is TLS then.",
            json_schema_extra={"unset": "the system's"},
        ),
    ] = None
    site: Annotated[
        tuple[str, ...],
        Field(
            description="Name of the site where headsets are read; of a gateway those that it "
            "serves, `*` for all.",
            json_schema_extra={"unset": "none; of a gateway all"},
        ),
    ] = ()
    ingest: Annotated[
        str | None,
        Field(
            description="Name of this ingest at its site.",
            json_schema_extra={"unset": "the machine's"},
        ),
    ] = None

    purpose: Annotated[
        Purpose | None,
        Field(
            description="What it is run for; shown in `welcome` and the audit.",
            json_schema_extra={
                "unset": "`demo` for a simulated model, else none: it must be stated"
            },
        ),
    ] = None
    justification: Annotated[
        str | None,
        Field(
            description="Why emotions may be estimated at work or in education, which the EU's AI "
            "Act, Art. 5(1)(f), prohibits but for medical or safety reasons; needed for those two "
            "purposes, shown to subscribers. Not legal advice."
        ),
    ] = None
    keys: Annotated[
        Path | None,
        Field(
            description="File of API keys; credentials are asked for when it is named, or when the "
            "default one is there, even with no key in it.",
            json_schema_extra={
                "unset": "`keys.json` in the [folder for settings](README.md#platforms)"
            },
        ),
    ] = None
    jwt_keys: Annotated[
        Path | None,
        Field(
            description="Public keys, PEM or JWK Set, of who signs tokens; read at the start. "
            "Credentials are then asked for."
        ),
    ] = None
    jwt_audience: Annotated[
        str, Field(min_length=1, description="Which `aud` tokens must have.")
    ] = "eeg-emotion"
    allow_open: Annotated[
        bool,
        Field(
            description="Serve beyond this machine though no credentials are asked for; else that "
            "is refused."
        ),
    ] = False
    origin: Annotated[
        tuple[str, ...],
        Field(
            description="Other pages that may use the service, each by its whole origin, such as "
            "`https://board.example.org`.",
            json_schema_extra={"unset": "its own page"},
        ),
    ] = ()
    trusted_proxy: Annotated[
        tuple[str, ...],
        Field(
            description="Proxies, by address or network (`10.0.0.0/8`), whose `X-Forwarded-For` "
            "and `X-Forwarded-Proto` are believed, so that the audit has the caller's address."
        ),
    ] = ()
    audit: Annotated[
        Path | None,
        Field(
            description="File that the audit is appended to, as JSON lines.",
            json_schema_extra={"unset": "the log alone"},
        ),
    ] = None
    metrics_port: Annotated[
        int | None,
        Field(
            ge=0,
            le=65535,
            description="Port of its own for `/metrics`, `/livez` and `/readyz`. Without it "
            "`/metrics` is on the main port while that is on loopback, and nowhere beyond.",
        ),
    ] = None
    metrics_host: Annotated[
        str,
        Field(
            description="Address of that port; it asks for no credentials, so beyond this machine "
            "it is for a network of one's own, such as containers have."
        ),
    ] = "127.0.0.1"
    docs: Annotated[
        bool | None,
        Field(
            description="Serve `/docs` and `/openapi.json`.",
            json_schema_extra={"unset": "on loopback only"},
        ),
    ] = None
    log_format: Annotated[
        LogFormat,
        Field(
            description="How log lines are written: `console` for people, `json` one object a "
            "line; `auto` is `console` on a terminal, else `json`."
        ),
    ] = LogFormat.AUTO

    @field_validator("quality", mode="before")
    @classmethod
    def _read_pairs(cls, quality: object) -> object:
        # A pair under a name of its own in the environment comes as text.
        if not isinstance(quality, dict):
            return quality
        return {
            name: json.loads(value) if isinstance(value, str) and value[:1] == "[" else value
            for name, value in quality.items()
        }

    @field_validator("webhook")
    @classmethod
    def _webhooks_differ(cls, webhook: tuple[WebhookSettings, ...]) -> tuple[WebhookSettings, ...]:
        names = [settings.name for settings in webhook]
        if len(set(names)) < len(names):
            raise ValueError(f"found the names {', '.join(names)}, expected different ones")
        return webhook

    @field_validator("origin")
    @classmethod
    def _is_origin(cls, origin: tuple[str, ...]) -> tuple[str, ...]:
        try:
            Origins.parse(origin)
        except OriginError as error:
            raise ValueError(str(error)) from error
        return origin

    @field_validator("trusted_proxy")
    @classmethod
    def _is_network(cls, trusted_proxy: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in trusted_proxy:
            ipaddress.ip_network(proxy)  # says what was found, and what it is not
        return trusted_proxy

    @field_validator("bus")
    @classmethod
    def _is_bus(cls, bus: SecretStr) -> SecretStr:
        url = bus.get_secret_value()
        for part in url.split(","):
            if url != MEMORY and not part.strip().startswith(("nats://", "tls://")):
                scheme = part.partition("://")[0]  # what follows it may be a password
                raise ValueError(f"found {scheme!r}, expected memory://, nats://HOST or tls://HOST")
        return bus

    @field_validator("site", "ingest")
    @classmethod
    def _is_name(cls, value: tuple[str, ...] | str | None) -> tuple[str, ...] | str | None:
        for name in (value,) if isinstance(value, str) else value or ():
            if name != EVERY_SITE and not re.fullmatch(NAME_PATTERN, name):
                raise ValueError(f"found {name!r}, expected small letters, digits and '-'")
        return value

    @field_validator("cap")
    @classmethod
    def _known_cap(cls, cap: str | None) -> str | None:
        if cap is not None:
            try:
                cap_named(cap)
            except CapError as error:
                raise ValueError(str(error)) from error
        return cap

    @property
    def loopback(self) -> bool:
        """Return whether only this machine can reach the address that is listened on."""
        return _is_loopback(self.host)

    @property
    def metrics_loopback(self) -> bool:
        """Return whether only this machine can reach the port of the metrics."""
        return _is_loopback(self.metrics_host)

    @property
    def serves_docs(self) -> bool:
        """Return whether the documentation is served."""
        return self.loopback if self.docs is None else self.docs

    @property
    def serves_metrics(self) -> bool:
        """Return whether the main port has `/metrics`."""
        return self.loopback and self.metrics_port is None

    def reception(self) -> HeadsetFilter:
        """Return which headsets are followed, and how."""
        cap = None if self.cap is None else cap_named(self.cap)
        return HeadsetFilter(match=self.match, cap=cap, limits=self.quality)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def load_settings(config: Path | None = None, **options: object) -> Settings:
    """Join the sources; an option that is None was not given.

    Raises
    ------
    SettingsError
        If the file cannot be read, or a setting is unknown or wrong.
    """
    if config is not None and not config.is_file():
        raise SettingsError(f"found no settings file {config}, expected a TOML file")

    class FromSources(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            file = TomlConfigSettingsSource(settings_cls, toml_file=config)
            return init_settings, env_settings, file

    given = {name: value for name, value in options.items() if value is not None}
    try:
        return FromSources(**given)  # type: ignore[arg-type]  # validated by pydantic itself
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, item['loc']))}: {item['msg']}"
            # These have secrets in them.
            + ("" if item["loc"][:1] in _SECRET else f", found {item['input']!r}")
            for item in error.errors()
        )
        raise SettingsError(
            f"the settings are not valid: {problems}; 'eeg-emotion serve --help' lists them"
        ) from error
    except OSError as error:
        raise SettingsError(f"cannot read the settings file {config}: {error.strerror}") from error
    except UnreadableSetting as error:
        raise SettingsError(
            f"cannot read the environment: {error}; a list or a table is JSON there, such as "
            """EEG_EMOTION_MATCH='["ward-*"]'"""
        ) from error
    except ValueError as error:  # the TOML file's syntax
        raise SettingsError(f"the settings file {config} is no TOML: {error}") from error
