"""The service's settings: command line, then environment, then a TOML file, then defaults."""

from __future__ import annotations

import difflib
import ipaddress
import json
import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator, model_validator
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
from eeg_emotion.loopback import is_loopback
from eeg_emotion.lsl.configuration import check_peers
from eeg_emotion.lsl.stream_types import MARKERS_TYPE, is_of_type
from eeg_emotion.own_folders import config_folder
from eeg_emotion.role_settings import (
    MEMORY,
    HeadsetSettings,
    ProcessSettings,
    SubscriberSettings,
    value_type,
)
from eeg_emotion.slug import slug
from eeg_emotion.stream.selection import HeadsetFilter

OWN_SEGMENTS = frozenset(
    {"v1", "v2", "static", "static-offline-docs", "docs", "livez", "readyz", "metrics"}
    | {"openapi.json", "asyncapi.json"}
)
"""What the service's own paths begin with: a proxy's path that began so could not be told apart."""


class SettingsError(EegEmotionError):
    """A setting is unknown or has a value that it cannot have."""


def default_keys() -> Path:
    """Return the file of the keys where none is named."""
    return config_folder() / "keys.json"


# The fields of the last base come first.
class Settings(SubscriberSettings, HeadsetSettings, ProcessSettings):
    """All settings of the service.

    Each is `EEG_EMOTION_<NAME>` in the environment and a key of the TOML file; those of the roles
    are options of the command line too, the tables here are not.
    """

    quality: Annotated[
        QualityLimits,
        Field(
            description="Thresholds of the signal's quality; with two numbers, a score falls from "
            "1 at the first to 0 at the second. They are not part of the model's contract: "
            "training uses the defaults."
        ),
    ] = QualityLimits()
    webhook: Annotated[
        tuple[WebhookSettings, ...],
        Field(description="Where events are posted; a table for each."),
    ] = ()
    mqtt: Annotated[
        MqttSettings | None,
        Field(description="MQTT 5 broker that events are published to."),
    ] = None

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

    @field_validator("root_path")
    @classmethod
    def _is_root_path(cls, root_path: str) -> str:
        expected = "expected a path such as /emotion, of letters, digits and '-', '.', '_' and '~'"
        root_path = root_path.removesuffix("/")
        if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)*", root_path):
            raise ValueError(f"found {root_path!r}, {expected}")
        if root_path.split("/")[1:2] and root_path.split("/")[1] in OWN_SEGMENTS:
            raise ValueError(
                f"found {root_path!r}, which begins like the service's own addresses, {expected}; "
                "take another one"
            )
        return root_path

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

    @field_validator("lsl_peer")
    @classmethod
    def _are_hosts(cls, lsl_peer: tuple[str, ...]) -> tuple[str, ...]:
        check_peers(lsl_peer)
        return lsl_peer

    @field_validator("stream_type")
    @classmethod
    def _are_types(cls, stream_type: tuple[str, ...]) -> tuple[str, ...]:
        for each in stream_type:
            if not each.isprintable() or not 0 < len(each) <= 64 or "'" in each or '"' in each:
                raise ValueError(f"found {each!r}, expected 1 to 64 characters without quotes")
            if is_of_type(each, (MARKERS_TYPE,)):
                raise ValueError(
                    f"found {each!r}, expected a type of headsets: markers are read anyway"
                )
        return stream_type

    @model_validator(mode="after")
    def _has_ports(self) -> Self:
        if self.lsl_ports.stop > 65536:
            raise ValueError(
                f"found lsl_base_port = {self.lsl_base_port} with lsl_port_range = "
                f"{self.lsl_port_range}, expected ports up to 65535; reduce one of them"
            )
        return self

    @property
    def lsl_ports(self) -> range:
        """Return the ports on which a host is asked for streams."""
        return range(self.lsl_base_port, self.lsl_base_port + self.lsl_port_range)

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
        return is_loopback(self.host)

    @property
    def metrics_loopback(self) -> bool:
        """Return whether only this machine can reach the port of the metrics."""
        return is_loopback(self.metrics_host)

    @property
    def serves_docs(self) -> bool:
        """Return whether the documentation is served."""
        return self.loopback if self.docs is None else self.docs

    @property
    def serves_metrics(self) -> bool:
        """Return whether the main port has `/metrics`."""
        return self.loopback and self.metrics_port is None

    @property
    def ingest_name(self) -> str:
        """Return the name of the process that reads headsets: as set, or the machine's."""
        return self.ingest or slug(socket.gethostname().lower(), "ingest")

    @property
    def instance(self) -> str:
        """Return the name by which the event store knows this service: its site and its name."""
        return "/".join((*self.site, self.ingest_name))

    def headset_filter(self) -> HeadsetFilter:
        """Return which headsets to follow, and how to assess their signal."""
        cap = None if self.cap is None else cap_named(self.cap)
        return HeadsetFilter(match=self.match, types=self.stream_type, cap=cap, limits=self.quality)


_SECRET = {
    name
    for name, field in Settings.model_fields.items()
    if issubclass(value_type(field), SecretStr | BaseModel)
}


_PREFIX = "EEG_EMOTION_"
_OTHER_VARIABLES = re.compile(f"{_PREFIX}(TOKEN|BENCH_.*)")  # of the client, and of the benchmarks


def _refuse_unknown_variables(environment: Mapping[str, str]) -> None:
    """Refuse a variable that would be passed over, as an unknown option or key is refused.

    Raises
    ------
    SettingsError
    """
    known = [name.upper() for name in Settings.model_fields]
    for variable in environment:
        full = variable.upper()  # pydantic reads them without regard to case
        if not full.startswith(_PREFIX) or _OTHER_VARIABLES.fullmatch(full):
            continue
        name = full.removeprefix(_PREFIX).partition("__")[0]
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            meant = (
                f"did you mean {_PREFIX}{near[0]}? If not," if near else "SETTINGS.md lists them;"
            )
            raise SettingsError(
                f"found the environment variable {variable[:100]}, expected the name of a setting "
                f"after {_PREFIX}: {meant} unset it"
            )


def load_settings(config: Path | None = None, **options: object) -> Settings:
    """Join the sources; an option that is None was not given.

    Raises
    ------
    SettingsError
        If the file cannot be read, or a setting is unknown or wrong.
    """
    _refuse_unknown_variables(os.environ)
    if config is not None and not config.is_file():
        raise SettingsError(f"found no settings file {config}, expected a TOML file")

    class FromSources(Settings, BaseSettings):
        model_config = SettingsConfigDict(env_prefix="EEG_EMOTION_", env_nested_delimiter="__")

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
            + ("" if item["loc"][0] in _SECRET else f", found {item['input']!r}")
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
