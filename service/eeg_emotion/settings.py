"""The service's settings: command line, then environment, then a TOML file, then defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from eeg_emotion.errors import EegEmotionError
from eeg_emotion.headset.lsl import Scope


class SettingsError(EegEmotionError):
    """A setting is unknown or has a value that it cannot have."""


class Settings(BaseSettings):
    """All settings of `eeg-emotion serve`.

    Each is an option of the command line, `EEG_EMOTION_<NAME>` in the environment, and a key of
    the TOML file.
    """

    model_config = SettingsConfigDict(env_prefix="EEG_EMOTION_", extra="forbid", frozen=True)

    host: Annotated[str, Field(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[
        int, Field(ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    ] = 8000
    model: Annotated[
        Path | None, Field(description="ONNX file of 'eeg-emotion-train export'; else the demo's.")
    ] = None
    hop_seconds: Annotated[
        float | None,
        Field(gt=0, multiple_of=0.25, description="Time between windows; else the model's own."),
    ] = None
    session_id: Annotated[str, Field(description="Only LSL streams of this session are seen.")] = (
        "default"
    )
    lsl_scope: Annotated[
        Scope, Field(description="How far LSL streams are looked for; LSL has no security.")
    ] = Scope.MACHINE


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
            f"{'.'.join(map(str, item['loc']))}: {item['msg']}, found {item['input']!r}"
            for item in error.errors()
        )
        raise SettingsError(
            f"the settings are not valid: {problems}; 'eeg-emotion serve --help' lists them"
        ) from error
    except OSError as error:
        raise SettingsError(f"cannot read the settings file {config}: {error.strerror}") from error
    except ValueError as error:  # the TOML file's syntax
        raise SettingsError(f"the settings file {config} is no TOML: {error}") from error
