"""The settings that are command-line options, by the role of the process.

`serve` takes all of them, `ingest` those of a process and of headsets, `gateway` those of a process
and of subscribers. Each field's type, constraints, default and description are the only source: the
options, their help and SETTINGS.md are generated from it. Descriptions are Markdown, with links as
from SETTINGS.md; `unset` states what applies where a default is not descriptive enough.

Help is printed from here, so this module imports no heavy library.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic.fields import FieldInfo

from eeg_emotion.codes import Purpose
from eeg_emotion.log_format import LogFormat
from eeg_emotion.lsl.configuration import PORTS, Scope
from eeg_emotion.lsl.stream_types import EEG_TYPE
from eeg_emotion.own_folders import data_folder

MEMORY = "memory://"
"""The bus of one process."""


def _profiles_folder() -> Path:
    return data_folder() / "profiles"


def _events_file() -> SecretStr:
    return SecretStr(f"sqlite:///{data_folder() / 'events.db'}")


class RoleSettings(BaseModel):
    """What the settings of each role have in common."""

    # Help needs the fields alone, not what validates them.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class ProcessSettings(RoleSettings):
    """The settings that every role takes."""

    host: Annotated[str, Field(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[
        int, Field(ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    ] = 8000
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
            description="Seconds between windows, a multiple of 0.25.",
            json_schema_extra={"unset": "the model's; the demo's has 1"},
        ),
    ] = None

    bus: Annotated[
        SecretStr,
        Field(
            description="The NATS broker that predictions travel through: "
            "`nats://USER:PASSWORD@HOST:4222` or `tls://…`, with commas between several of one "
            "cluster; `memory://` uses none. See "
            "[docs/topics/many-machines.md](../topics/many-machines.md).",
            json_schema_extra={"unset": "`memory://`"},
        ),
    ] = SecretStr(MEMORY)
    bus_credentials: Annotated[
        Path | None, Field(description="The broker's `.creds` file, if it requires one.")
    ] = None
    bus_ca: Annotated[
        Path | None,
        Field(
            description="CA certificates to trust; the broker is then connected to with TLS.",
            json_schema_extra={"unset": "the system's"},
        ),
    ] = None
    site: Annotated[
        tuple[str, ...],
        Field(
            description="Name of the site where headsets are read; for a gateway, the sites that "
            "it serves, `*` for all.",
            json_schema_extra={"unset": "none; for a gateway all"},
        ),
    ] = ()

    purpose: Annotated[
        Purpose | None,
        Field(
            description="What the service is run for; shown in `welcome` and in the audit.",
            json_schema_extra={
                "unset": "`demo` for a simulated model, otherwise none: it must be stated"
            },
        ),
    ] = None
    justification: Annotated[
        str | None,
        Field(
            description="Why emotions may be estimated at work or in education, which the EU's AI "
            "Act, Art. 5(1)(f), prohibits except for medical or safety reasons; required for those "
            "two purposes, shown to subscribers. Not legal advice."
        ),
    ] = None
    keys: Annotated[
        Path | None,
        Field(
            description="File of API keys. Credentials are required if it is named, or if the "
            "default file exists, even with no key in it.",
            json_schema_extra={
                "unset": "`keys.json` in the [folder for settings](platforms.md#files-and-folders) "
                "(`~/.config/eeg-emotion` on Linux)"
            },
        ),
    ] = None
    allow_open: Annotated[
        bool,
        Field(
            description="Serve beyond this machine even though no credentials are required, which "
            "is otherwise refused."
        ),
    ] = False
    audit: Annotated[
        Path | None,
        Field(
            description="File that the audit is appended to, as JSON lines.",
            json_schema_extra={"unset": "the log only"},
        ),
    ] = None

    metrics_port: Annotated[
        int | None,
        Field(
            ge=0,
            le=65535,
            description="A separate port for `/metrics`, `/livez` and `/readyz`. Without it "
            "`/metrics` is on the main port if that is on loopback, and otherwise nowhere.",
        ),
    ] = None
    metrics_host: Annotated[
        str,
        Field(
            description="Address of the separate port for metrics. It requires no credentials, so "
            "beyond this machine use a private network only, such as that of containers."
        ),
    ] = "127.0.0.1"
    log_format: Annotated[
        LogFormat,
        Field(
            description="Format of log lines: `console` for people, `json` for one object per "
            "line; `auto` is `console` on a terminal, otherwise `json`."
        ),
    ] = LogFormat.AUTO


class HeadsetSettings(RoleSettings):
    """The settings of the roles that read headsets: `serve` and `ingest`."""

    session_id: Annotated[
        str,
        Field(description="LSL session id; only streams and listeners with the same one meet."),
    ] = "default"
    lsl_scope: Annotated[
        Scope, Field(description="How far LSL discovery reaches; LSL has no security.")
    ] = Scope.MACHINE
    lsl_peer: Annotated[
        tuple[str, ...],
        Field(
            description="Hosts that are asked for streams directly, by name or IPv4 address, where "
            "multicast does not get through (liblsl's `KnownPeers`).",
            json_schema_extra={"unset": "`127.0.0.1` with the scope `machine`, otherwise none"},
        ),
    ] = ()
    lsl_base_port: Annotated[
        int,
        Field(ge=1024, le=65535, description="First port on which a host is asked for streams."),
    ] = PORTS.start
    lsl_port_range: Annotated[
        int,
        Field(ge=1, le=4096, description="Number of ports on which a host is asked for streams."),
    ] = len(PORTS)
    stream_type: Annotated[
        tuple[str, ...],
        Field(
            min_length=1,
            max_length=16,
            description="LSL type of headset streams, such as `EXG`, without regard to case.",
            json_schema_extra={"unset": "`EEG`"},
        ),
    ] = (EEG_TYPE,)
    lsl_out: Annotated[
        bool,
        Field(
            description="Send each headset's predictions as an LSL stream too; anyone on the "
            "network can read it without credentials. See "
            "[docs/reference/lsl-outlets.md](lsl-outlets.md)."
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
    profiles: Annotated[
        Path,
        Field(
            description="Folder of people's rest baselines.",
            json_schema_extra={
                "unset": "`profiles` in the [folder for data](platforms.md#files-and-folders) "
                "(`~/.local/share/eeg-emotion` on Linux)"
            },
        ),
    ] = Field(default_factory=_profiles_folder)
    ingest: Annotated[
        str | None,
        Field(
            description="Name of this service or ingest at its site, such as `ward-7`; those with "
            "one event store need different ones.",
            json_schema_extra={"unset": "the machine's"},
        ),
    ] = None

    rules: Annotated[
        tuple[str, ...],
        Field(
            description="Rules that raise alarms: names of presets, or TOML files. See "
            "[docs/reference/RULES.md](RULES.md)."
        ),
    ] = ()
    event_store: Annotated[
        SecretStr,
        Field(
            description="Database of alarm events, their pending deliveries, and rules put by "
            "REST: `sqlite:///PATH`, or `postgresql://USER:PASSWORD@HOST/NAME`.",
            json_schema_extra={
                "unset": "`events.db` in the [folder for data](platforms.md#files-and-folders) "
                "(`~/.local/share/eeg-emotion` on Linux)"
            },
        ),
    ] = Field(default_factory=_events_file)
    retention_days: Annotated[
        float,
        Field(
            gt=0,
            le=3660,
            description="Days after which events are deleted, except those of alarms still raised.",
        ),
    ] = 90.0


class SubscriberSettings(RoleSettings):
    """The settings of the roles that serve subscribers: `serve` and `gateway`."""

    max_connections: Annotated[
        int,
        Field(
            ge=1,
            description="Maximum number of subscribers, each about 40 KiB and a file descriptor; "
            "one more is refused with 503. Fewer, with a warning, if the limit of open files is "
            "below about 8,200.",
        ),
    ] = 4000
    jwt_keys: Annotated[
        Path | None,
        Field(
            description="Public keys of the issuers of tokens, PEM or JWK Set; read at the start. "
            "Credentials are then required."
        ),
    ] = None
    jwt_audience: Annotated[
        str, Field(min_length=1, description="The `aud` that tokens must have.")
    ] = "eeg-emotion"
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
    root_path: Annotated[
        str,
        Field(
            description="Path that a proxy serves the service under, such as `/emotion`, whether "
            "or not the proxy takes it off what it passes on.",
            json_schema_extra={"unset": "none: the proxy's host is the service's alone"},
        ),
    ] = ""
    docs: Annotated[
        bool | None,
        Field(
            description="Serve `/docs` and `/openapi.json`.",
            json_schema_extra={"unset": "on loopback only"},
        ),
    ] = None


def value_type(field: FieldInfo) -> type[Any]:
    """Return the type of a setting's value, or of one of its values, without None."""
    first, *_ = get_args(field.annotation) or (field.annotation,)
    assert isinstance(first, type)  # noqa: S101 - each is written so above
    return first


def is_list(field: FieldInfo) -> bool:
    """Return whether a setting has any number of values."""
    return get_origin(field.annotation) is tuple
